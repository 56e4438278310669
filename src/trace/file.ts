/** Trace files, by their ending: NAME.parquet, NAME.ndjson, and "-" for NDJSON on standard input and output. */
import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { isatty } from "node:tty";
import { OutputFile, openSeekable, openStream } from "../files/index.js";
import { fileError, InputError, visibleJson } from "../input/index.js";
import type { EventBuffer, TraceSink } from "./buffer.js";
import type { Names } from "./event.js";
import { NdjsonTrace, readNdjson } from "./ndjson.js";
import type { ByteSource } from "./parquet-foreign.js";
import type { ParquetTrace } from "./parquet-writer.js";
import type { ReadPart, TraceInfo } from "./read.js";
import type { TraceRecording } from "./recording.js";

type Form = "parquet" | "ndjson";

function formOf(path: string): Form {
  if (path === "-" || path.endsWith(".ndjson")) return "ndjson";
  if (path.endsWith(".parquet")) return "parquet";
  throw InputError.at(path, 0, "unknown ending, expected a trace named *.parquet or *.ndjson (or - for NDJSON)");
}

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
  const form = formOf(path);
  // Parquet's libraries take longer to load than most commands take to run: only who writes such a file waits for them.
  const parquet = form === "parquet" ? await import("./parquet-writer.js") : undefined;
  const file = OutputFile.open(path);
  const sink = parquet
    ? new parquet.ParquetTrace((bytes) => file.write(bytes), producer)
    : new NdjsonTrace(ndjsonTo(file, path), producer);
  return new FileWriter(sink, file);
}

/** A terminal gets JSON that it cannot take for commands. */
const ndjsonTo = (file: OutputFile, path: string): ((text: string) => void) =>
  path === "-" && isatty(1)
    ? (text) => file.write(Buffer.from(visibleJson(text)))
    : (text) => file.write(Buffer.from(text));

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

/** What came of reading: what the file says about itself, and how many events the sinks got. */
export interface ReadResult {
  readonly info: TraceInfo;
  readonly read: number;
}

/**
 * Feeds a trace file to the sinks, block by block, in memory that does not grow with the file. With `part`, only those
 * columns and rows; a Parquet file is read only where they are. "-" reads `stdin`. Throws an InputError that names file and
 * row or line.
 */
export async function readTrace(
  path: string,
  sinks: readonly TraceSink[],
  part: ReadPart = {},
  stdin: () => Readable = () => openStream("-"),
): Promise<ReadResult> {
  const form = formOf(path);
  const name = path === "-" ? "standard input" : path;
  try {
    if (form === "ndjson") return await readStream(path === "-" ? stdin() : openStream(path), name, sinks, part);
    const file = await openSeekable(path, "a Parquet file (a pipe can bring NDJSON)");
    try {
      const { ParquetTraceFile } = await import("./parquet-reader.js");
      const source = await byteSource(file);
      const trace = await ParquetTraceFile.open(source, path);
      return { info: trace.info, read: await trace.read(sinks, part) };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(name, error);
  }
}

/** NDJSON, as it comes; the signal ends the waiting for more, too. */
async function readStream(
  source: Readable,
  name: string,
  sinks: readonly TraceSink[],
  part: ReadPart,
): Promise<ReadResult> {
  const { signal } = part;
  const stop = (): void => void source.destroy(signal?.reason as Error);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  try {
    return await readNdjson(source as AsyncIterable<Buffer>, name, sinks, part);
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
