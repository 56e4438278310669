/** Is it allowed? Every timeline the architecture allows, for small programs over two-stage translation. Pure: runs in a browser. */
export * from "./explore.js";
export * from "./program.js";
export * from "./rules.js";
export type { Step } from "./story.js";
export { Unsupported } from "./timeline.js";
export { proverCpu } from "./world.js";
