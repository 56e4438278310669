/** A trace on trial: what was flushed too late, too little, not at all, or for nothing. Pure: events in, findings out. */
export { CHECK_COLUMNS, Checker, type CheckResult } from "./checker.js";
export type { Finding } from "./findings.js";
export { FINDING_KINDS, REASONS } from "./kinds.js";
