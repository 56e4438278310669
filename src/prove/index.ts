/** Is it allowed? Every timeline the architecture allows, for small programs over two-stage translation. Pure: runs in a browser. */
export { DEFAULT_MAX_STATES, type Decision, explore, type Options } from "./explore.js";
export * from "./litmus/index.js";
export { PROVED, type ProvedOccasion, type Setting } from "./occasion/index.js";
export * from "./program.js";
export * from "./rules.js";
export * from "./sign-off.js";
export type { Step } from "./story/story.js";
export { LimitReached, proverCpu } from "./thread/world.js";
export { Unsupported } from "./tlb/timeline.js";
