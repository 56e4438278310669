/** Trace files, by their ending: NAME.parquet, NAME.ndjson, and "-" for NDJSON on standard input and output. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileReason, InputError } from "../input/index.js";
import type { EventBuffer, TraceSink } from "./buffer.js";
import type { Names } from "./event.js";
import { NdjsonTrace, readNdjson } from "./ndjson.js";
import type { ByteSource } from "./parquet-chunk.js";
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
 * Opens a trace file for writing. It is written under a temporary name beside the target and renamed by
 * {@link TraceWriter.close}, so that what bears the name is always complete. `producer` says what made the trace.
 * Rejects with an InputError for an unknown ending or a folder that cannot be written to. A failed write removes the file.
 */
export async function writeTrace(path: string, producer = ""): Promise<TraceWriter> {
  const form = formOf(path);
  // Parquet's libraries take longer to load than most commands take to run: only who writes such a file waits for them.
  const parquet = form === "parquet" ? await import("./parquet-writer.js") : undefined;
  const temporary = path === "-" ? undefined : join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  let fd = 1;
  try {
    if (temporary !== undefined) fd = openSync(temporary, "wx");
  } catch (error) {
    throw fileError(path, error);
  }
  const sink = parquet
    ? new parquet.ParquetTrace((bytes) => writeAll(fd, bytes), producer)
    : new NdjsonTrace((text) => writeAll(fd, Buffer.from(text)), producer);
  return new FileWriter(sink, fd, temporary, path);
}

class FileWriter implements TraceWriter {
  private open = true;

  constructor(
    private readonly sink: ParquetTrace | NdjsonTrace,
    private readonly fd: number,
    private readonly temporary: string | undefined,
    private readonly path: string,
  ) {}

  events(buffer: EventBuffer, names: Names): void {
    this.guard(() => this.sink.events(buffer, names));
  }

  describe(recording: TraceRecording): void {
    this.sink.recording = recording;
  }

  close(): void {
    this.guard(() => {
      this.sink.finish();
      if (this.temporary === undefined) return;
      closeSync(this.fd);
      renameSync(this.temporary, this.path);
    });
    this.open = false;
  }

  abort(): void {
    if (!this.open) return;
    this.open = false;
    if (this.temporary === undefined) return;
    try {
      closeSync(this.fd);
    } catch {} // closed already: it was the renaming that failed
    rmSync(this.temporary, { force: true });
  }

  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.abort();
      throw fileError(this.path, error);
    }
  }
}

/** Writes all of it, also where the descriptor is a pipe that does not block. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; )
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
}

/** What a user can do about an error of the file system; a broken pipe stays what it is. */
function fileError(path: string, error: unknown): unknown {
  const reason = fileReason(error);
  return reason === undefined ? error : InputError.at(path, 0, reason);
}

/** What came of reading: what the file says about itself, and how many events the sinks got. */
export interface ReadResult {
  readonly info: TraceInfo;
  readonly read: number;
}

/**
 * Feeds a trace file to the sinks, block by block, in memory that does not grow with the file. With `part`, only those
 * columns and rows; a Parquet file is read only where they are. Throws an InputError that names file and row or line.
 */
export async function readTrace(path: string, sinks: readonly TraceSink[], part: ReadPart = {}): Promise<ReadResult> {
  const form = formOf(path);
  if (path === "-") return readNdjson(process.stdin as AsyncIterable<Buffer>, "standard input", sinks, part);
  try {
    const file = await open(path);
    try {
      if (form === "ndjson")
        return await readNdjson(file.createReadStream({ autoClose: false, highWaterMark: 1 << 18 }), path, sinks, part);
      const { ParquetTraceFile } = await import("./parquet-reader.js");
      const source = await byteSource(file);
      const trace = await ParquetTraceFile.open(source, path);
      return { info: trace.info, read: await trace.read(sinks, part) };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

async function byteSource(file: Awaited<ReturnType<typeof open>>): Promise<ByteSource> {
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
