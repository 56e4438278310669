/** A small Parquet trace to damage, and how it reads. */
import { Kind, NO_DOMAIN } from "./event.js";
import { Collected, feed, type PlainEvent } from "./events.testing.js";
import { ParquetTraceFile } from "./parquet/reader.js";
import { ParquetTrace } from "./parquet/writer.js";
import type { TraceInfo } from "./read.js";

const event = (i: number): PlainEvent => ({
  kind: Kind.tlbi,
  name: i % 3 === 0 ? "VMALLS12E1IS" : "ALLE1IS",
  pcpu: i % 2,
  domain: NO_DOMAIN,
  vmid: 7,
  stage: 0,
  level: -1,
  slot: i % 5,
  site: `f${i % 4}`,
  unknown: i % 4,
  words: [i, 1, 2, i, 3 * i, 5, i, 0, 0, i],
});
export const EVENTS = Array.from({ length: 40 }, (_, i) => event(i));

/** The file of a few events. */
function bytesOf(events: readonly PlainEvent[] = EVENTS): Buffer {
  const pieces: Buffer[] = [];
  const sink = new ParquetTrace((bytes) => pieces.push(Buffer.from(bytes)), "a test");
  feed(events, sink);
  sink.finish();
  return Buffer.concat(pieces);
}

interface Answer {
  readonly events: readonly PlainEvent[];
  readonly info: TraceInfo;
}

export async function read(bytes: Uint8Array): Promise<Answer> {
  const source = {
    byteLength: bytes.length,
    slice: async (start: number, end?: number): Promise<ArrayBuffer> =>
      Uint8Array.from(bytes.subarray(start, end)).buffer,
  };
  const sink = new Collected();
  const file = await ParquetTraceFile.open(source, "x.parquet");
  await file.read([sink]);
  return { events: sink.list, info: file.info };
}

export const WHOLE = bytesOf();
