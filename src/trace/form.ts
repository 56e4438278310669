/** The forms that a trace file may have, and how a file's form is told: by its first bytes, else by its ending. */
import { InputError } from "../input/index.js";
import type { TraceSink } from "./buffer.js";
import type { ReadPart, TraceInfo } from "./read.js";

/** What came of reading: what the file says about itself, and how many events the sinks got. */
export interface ReadResult {
  readonly info: TraceInfo;
  readonly read: number;
}

/** How a form is told. */
interface Told {
  /** the ending that decides where the bytes do not; a form without is told by its bytes alone */
  readonly ending?: string;
  /** True when a file that begins so is of this form. Of a pipe it may be asked again, with more bytes. */
  begins(first: Uint8Array): boolean;
}

/** A form that is read as it comes, from a file, a pipe or standard input. */
export interface StreamForm extends Told {
  /**
   * Feeds the rows asked for to the sinks. `path` names the trace in errors; throws an InputError with the line. A foreign form
   * is asked for all rows, and others pick from them: no `from` and no `count` in its part.
   */
  stream(
    source: AsyncIterable<Uint8Array>,
    path: string,
    sinks: readonly TraceSink[],
    part: ReadPart,
  ): Promise<ReadResult>;
}

/** A form that is read here and there, from a regular file. */
export interface SeekableForm extends Told {
  seekable(path: string, sinks: readonly TraceSink[], part: ReadPart): Promise<ReadResult>;
}

export type TraceForm = StreamForm | SeekableForm;

/** True for what begins as a Parquet file does. */
export const isParquet = (first: Uint8Array): boolean =>
  new TextDecoder("latin1").decode(first.subarray(0, 4)) === "PAR1";

/** True for what begins with the header line of NDJSON, as it is put here; of another order of keys the ending decides. */
export const isNdjson = (first: Uint8Array): boolean =>
  /^\uFEFF?\s*\{\s*"shootdown"\s*:\s*"trace"/.test(new TextDecoder().decode(first));

/** Bytes by which a form is told, at most: a header line, a magic number. */
export const HEAD_BYTES = 4096;

/** The form of a file that begins so; undefined where no form knows these bytes. */
export const formOfBytes = (forms: readonly TraceForm[], first: Uint8Array): TraceForm | undefined =>
  forms.find((form) => form.begins(first));

/** The form by the ending; "-" is `standard`'s. An InputError for an unknown one. */
export function formOfPath(forms: readonly TraceForm[], path: string, standard: TraceForm): TraceForm {
  const form = path === "-" ? standard : forms.find(({ ending }) => ending !== undefined && path.endsWith(ending));
  if (form === undefined)
    throw InputError.at(path, 0, "unknown ending, expected a trace named *.parquet or *.ndjson (or - for NDJSON)");
  return form;
}

/** The first bytes of a stream, until some form knows them, and the whole stream again, these bytes in front. */
export async function peeked(
  source: AsyncIterable<Uint8Array>,
  forms: readonly TraceForm[],
): Promise<{ form: TraceForm | undefined; all: AsyncIterable<Uint8Array> }> {
  const rest = source[Symbol.asyncIterator]();
  let first: Uint8Array = new Uint8Array(0);
  let form: TraceForm | undefined;
  while (form === undefined && first.length < HEAD_BYTES) {
    const { value, done } = await rest.next();
    if (done) break;
    const both = new Uint8Array(first.length + value.length);
    both.set(first);
    both.set(value, first.length);
    first = both;
    form = formOfBytes(forms, first);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    if (first.length > 0) yield first;
    yield* { [Symbol.asyncIterator]: () => rest };
  }
  return { form, all: all() };
}
