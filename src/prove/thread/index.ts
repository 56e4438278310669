/** One thread over a timeline: what it reads, how it is translated, and which events it may place. */

export type { Atom } from "./atom.js";
export { valueAt } from "./reads.js";
export { type Candidate, type Runs, ThreadRun } from "./thread.js";
export type { AccessTrail, AmalgamTrail, Trail, Walked } from "./trail.js";
export { LimitReached, World } from "./world.js";
