/** A timeline and its executions in words. */
export type { Executed, Step } from "./step.js";
export { tell } from "./story.js";
