/** Xen's stage 2 as a source of traces: hypercalls, p2m, heap, domains, toolstack, scheduler. */
export * from "./domain.js";
export * from "./errno.js";
export * from "./machine.js";
export * from "./p2m.js";
export * from "./p2m-geometry.js";
export * from "./physmap.js";
export * from "./replay.js";
export * from "./scenario.js";
export * from "./simulate.js";
export * from "./types.js";
export * from "./versions.js";
