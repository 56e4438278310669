/** A timeline and its executions in words. */

export { Breaches } from "./breaches.js";
export { type HeldEntry, type Moment, momentsOf } from "./moments.js";
export type { Executed, Step } from "./step.js";
export { tell } from "./story.js";
