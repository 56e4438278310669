/** A timeline and its executions in words. */
export type { Step } from "./step.js";
export { tell } from "./story.js";
