/** The trace: its events in columns, how sources write them, files, and a summary. */
export * from "./buffer.js";
export { describeEvent, domainName } from "./describe.js";
export * from "./event.js";
export { type ReadResult, readTrace, type TraceWriter, writeAll, writeTrace } from "./file.js";
export { NdjsonTrace } from "./ndjson.js";
export { COLUMNS, type ColumnName } from "./parquet.js";
export type { ReadPart, TraceInfo } from "./read.js";
export * from "./recorder.js";
export * from "./summary.js";
