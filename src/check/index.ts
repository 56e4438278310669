/** A trace on trial: what was flushed too late, too little, not at all, or for nothing. Pure: events in, findings out. */
export { CHECK_COLUMNS, Checker, type CheckResult } from "./checker.js";
export type { Finding, NearbyEvent, Occurrence } from "./findings.js";
export { CLASSES, FINDING_KINDS, type FindingClass, type FindingKind, KINDS, REASONS, type Reason } from "./kinds.js";
