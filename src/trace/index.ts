/**
 * The trace: its events in columns, how sources write them, and a summary. All of it is pure; files are read and written
 * through the room's second door, file.ts, which needs Node.
 */
export * from "./buffer.js";
export { COLUMNS, type ColumnName } from "./columns.js";
export { describeEvent, domainName } from "./describe.js";
export { type Hash, TraceDigest } from "./digest.js";
export * from "./event.js";
export * from "./from-phase.js";
export * from "./losses.js";
export * from "./marks.js";
export { NdjsonTrace } from "./ndjson.js";
export type { Integrity, ReadPart, TraceInfo } from "./read.js";
export * from "./recorder.js";
export type { TraceRecording } from "./recording.js";
export * from "./summary.js";
export { type EventNote, TraceEvents } from "./trace-event.js";
