/** Trace files: read by what they begin with; written by their ending: NAME.parquet, NAME.ndjson, and "-" for NDJSON. */
import { createHash } from "node:crypto";
import { type FileHandle, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { isatty } from "node:tty";
import { OutputFile, openSeekable, openStream } from "../files/index.js";
import { fileError, InputError, visibleJson } from "../input/index.js";
import type { EventBuffer, TraceSink } from "./buffer.js";
import { TraceDigest } from "./digest.js";
import type { Names } from "./event.js";
import {
  formOfBytes,
  formOfPath,
  HEAD_BYTES,
  isNdjson,
  isParquet,
  peeked,
  type ReadResult,
  type SeekableForm,
  type StreamForm,
  type TraceForm,
} from "./form.js";
import { readNdjson } from "./ndjson.js";
import { NdjsonTrace } from "./ndjson-writer.js";
import type { ByteSource } from "./parquet/foreign.js";
import type { ParquetTrace } from "./parquet/writer.js";
import type { ReadPart } from "./read.js";
import type { TraceRecording } from "./recording.js";
import { Rows } from "./rows.js";

const PARQUET: SeekableForm = {
  ending: ".parquet",
  begins: isParquet,
  async seekable(path, sinks, part) {
    const file = await openSeekable(path, REGULAR);
    try {
      const { ParquetTraceFile } = await import("./parquet/reader.js");
      const source = await byteSource(file);
      const trace = await ParquetTraceFile.open(source, path);
      return { info: trace.info, read: await trace.read(sinks, part) };
    } finally {
      await file.close();
    }
  },
};
const REGULAR = "a Parquet file (a pipe can bring NDJSON)";

const NDJSON: StreamForm = {
  ending: ".ndjson",
  begins: isNdjson,
  stream: readNdjson,
};

/** Shootdown's own forms, which it also writes. */
const OWN: readonly TraceForm[] = [PARQUET, NDJSON];

export type { ReadResult, StreamForm } from "./form.js";

/** A digest of a trace's events, in SHA-256: equal for equal traces, in whichever form they are. */
export const traceDigest = (): TraceDigest => new TraceDigest(createHash("sha256"));

/** A trace file on its way: a sink, and how it ends. */
export interface TraceWriter extends TraceSink {
  /** Tells what the trace is to say about its run; before {@link TraceWriter.close}. */
  describe(recording: TraceRecording): void;
  /** Completes the file and gives it its name. */
  close(): void;
  /** Drops the file; whatever had that name before is left as it was. Does nothing after close. */
  abort(): void;
}

/**
 * Opens a trace file for writing, as {@link OutputFile.open} does: what bears the name of a regular file is always complete,
 * a pipe or a device is written in place. `producer` says what made the trace.
 * Rejects with an InputError for an unknown ending or a folder that cannot be written to. A failed write removes the file.
 */
export async function writeTrace(path: string, producer = ""): Promise<TraceWriter> {
  const form = formOfPath(OWN, path, NDJSON);
  // Parquet's libraries take longer to load than most commands take to run: only who writes such a file waits for them.
  const parquet = form === PARQUET ? await import("./parquet/writer.js") : undefined;
  const file = OutputFile.open(path);
  const sink = parquet
    ? new parquet.ParquetTrace((bytes) => file.write(bytes), producer)
    : new NdjsonTrace(ndjsonTo(file, path), producer);
  return new FileWriter(sink, file);
}

/** A terminal gets JSON that it cannot take for commands. */
const ndjsonTo = (file: OutputFile, path: string): ((bytes: Uint8Array) => void) =>
  path === "-" && isatty(1)
    ? (bytes) => file.write(Buffer.from(visibleJson(new TextDecoder().decode(bytes))))
    : (bytes) => file.write(bytes);

class FileWriter implements TraceWriter {
  constructor(
    private readonly sink: ParquetTrace | NdjsonTrace,
    private readonly file: OutputFile,
  ) {}

  events(buffer: EventBuffer, names: Names): void {
    this.sink.events(buffer, names);
  }

  describe(recording: TraceRecording): void {
    this.sink.recording = recording;
  }

  close(): void {
    this.sink.finish();
    this.file.close();
  }

  abort(): void {
    this.file.abort();
  }
}

/**
 * Feeds a trace file to the sinks, block by block, in memory that does not grow with the file. With `part`, only those
 * columns and rows; a Parquet file is read only where they are. Its form is told by its first bytes, of Shootdown's own forms
 * and of the `foreign` ones, else by its ending. "-" reads `stdin`. Throws an InputError that names file and
 * row or line.
 */
export async function readTrace(
  path: string,
  sinks: readonly TraceSink[],
  part: ReadPart = {},
  foreign: readonly StreamForm[] = [],
  stdin: () => Readable = () => openStream("-"),
): Promise<ReadResult> {
  const forms = [...OWN, ...foreign];
  try {
    // A pipe of this name is refused before anyone waits for it.
    if (path.endsWith(PARQUET.ending!) || (path !== "-" && (await isRegular(path)))) {
      const form = await formOfFile(path, forms);
      if ("seekable" in form) return await form.seekable(path, sinks, part);
    }
    return await readStream(path === "-" ? stdin() : openStream(path), path, sinks, part, forms);
  } catch (error) {
    throw fileError(nameOfStream(path), error);
  }
}

const nameOfStream = (path: string): string => (path === "-" ? "standard input" : path);

/** Of a file that is not there, or that is a folder, the ending says what is wrong, if it is unknown. */
const isRegular = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.isDirectory()) formOfPath(OWN, path, NDJSON);
  return found?.isFile() === true;
};

async function formOfFile(path: string, forms: readonly TraceForm[]): Promise<TraceForm> {
  const file = await openSeekable(path, REGULAR);
  try {
    const head = new Uint8Array(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    return formOfBytes(forms, head.subarray(0, bytesRead)) ?? formOfPath(forms, path, NDJSON);
  } finally {
    await file.close();
  }
}

/** What comes as it comes; the signal ends the waiting for more, too. */
async function readStream(
  source: Readable,
  path: string,
  sinks: readonly TraceSink[],
  part: ReadPart,
  forms: readonly TraceForm[],
): Promise<ReadResult> {
  const name = nameOfStream(path);
  const { signal } = part;
  const stop = (): void => void source.destroy(signal?.reason as Error);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  try {
    const { form: known, all } = await peeked(source as AsyncIterable<Buffer>, forms);
    const form = known ?? formOfPath(forms, path, NDJSON);
    if ("seekable" in form) throw InputError.at(name, 0, `is no regular file, expected ${REGULAR}`);
    if (OWN.includes(form)) return await form.stream(all, name, sinks, part);
    const { from: _from, count: _count, ...whole } = part;
    const rows = new Rows(sinks, part);
    const { info } = await form.stream(all, name, [rows], whole);
    return { info, read: rows.passed };
  } finally {
    signal?.removeEventListener("abort", stop);
    source.destroy();
  }
}

async function byteSource(file: FileHandle): Promise<ByteSource> {
  const { size } = await file.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(end - start);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
        if (bytesRead === 0) throw new Error("the file became shorter while it was read");
        at += bytesRead;
      }
      return bytes.buffer;
    },
  };
}
