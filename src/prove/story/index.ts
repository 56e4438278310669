/** A timeline and its executions in words. */
export { type Step, tell } from "./story.js";
