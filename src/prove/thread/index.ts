/** One thread over a timeline: what it reads, how it is translated, and which events it may place. */

export { valueAt } from "./reads.js";
export { type Atom, type Candidate, type Runs, ThreadRun } from "./thread.js";
export type { AccessTrail, Trail, Walked } from "./trail.js";
export { LimitReached, World } from "./world.js";
