/**
 * The trace: its events in columns, how sources write them, and a summary. All of it is pure; files are read and written
 * through the room's second door, file.ts, which needs Node.
 */
export { BLOCK_EVENTS, EventBuffer, EventError, type TraceSink } from "./buffer.js";
export type { ColumnName } from "./columns.js";
export { describeEvent, domainName } from "./describe.js";
export { TraceDigest } from "./digest.js";
export {
  Access,
  codeOf,
  EXIT_NAMES,
  type ExitName,
  exitCode,
  HYPERVISOR,
  KINDS,
  Kind,
  type MarkClass,
  Names,
  NO_DOMAIN,
  NO_LEVEL,
  nameOf,
  Unknown,
} from "./event.js";
export { FromPhase } from "./from-phase.js";
export { HOST_WORK_COLUMNS, type HostRow, HostSumming } from "./host-work.js";
export { isInjected, siteAround } from "./injected.js";
export { incomplete, LOSS_COLUMNS, Losses, lossWarnings, type TraceLosses, traceWarnings } from "./losses.js";
export { MarkReader, named, OUTSIDE, parseMark, TOTAL } from "./marks.js";
export { NdjsonTrace } from "./ndjson-writer.js";
export { Owners } from "./owners.js";
export type { Integrity, ReadPart, TraceInfo } from "./read.js";
export { Recorder } from "./recorder.js";
export type { TraceRecording } from "./recording.js";
export { type CallerCount, type PhaseSummary, SUMMARY_COLUMNS, type Summary, Summing } from "./summary.js";
export { type EventNote, TraceEvents } from "./trace-event.js";
