/** The room's third door: reads a trace out of a Blob, as browsers have files. Nothing of it is copied, nothing leaves it. */
import { fileError, InputError } from "../input/index.js";
import type { TraceSink } from "./buffer.js";
import { HEAD_BYTES, isNdjson, isParquet, type ReadResult, type StreamForm } from "./form.js";
import { readNdjson } from "./ndjson.js";
import { ParquetTraceFile } from "./parquet/reader.js";
import type { ReadPart } from "./read.js";
import { Rows } from "./rows.js";

/**
 * Feeds the rows asked for to the sinks; `name` names the trace in errors. The form is told by the first bytes, of Shootdown's own
 * forms and of the `foreign` ones. Rejects with an InputError that names row or line.
 */
export async function readTraceBlob(
  blob: Blob,
  name: string,
  sinks: readonly TraceSink[],
  part: ReadPart = {},
  foreign: readonly StreamForm[] = [],
): Promise<ReadResult> {
  const head = new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer());
  try {
    if (isParquet(head)) {
      const source = {
        byteLength: blob.size,
        slice: (from: number, to = blob.size) => blob.slice(from, to).arrayBuffer(),
      };
      const trace = await ParquetTraceFile.open(source, name);
      return { info: trace.info, read: await trace.read(sinks, part) };
    }
    if (isNdjson(head)) return await readNdjson(bytesOf(blob), name, sinks, part);
    const form = foreign.find((one) => one.begins(head));
    if (form === undefined)
      throw InputError.at(
        name,
        0,
        "unknown form, expected a trace in Parquet or NDJSON, or a log that can be imported",
      );
    const { from: _from, count: _count, ...whole } = part;
    const rows = new Rows(sinks, part);
    const { info } = await form.stream(bytesOf(blob), name, [rows], whole);
    return { info, read: rows.passed };
  } catch (error) {
    throw fileError(name, error);
  }
}

/** The bytes of a blob as they come. */
async function* bytesOf(blob: Blob): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}
