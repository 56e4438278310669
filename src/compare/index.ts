/** Scenario x policy x host: what each way of flushing does and costs. */
export * from "./checks.js";
export * from "./difference.js";
export * from "./executed.js";
export * from "./flush.js";
export * from "./flushes.js";
export * from "./host-sinks.js";
export * from "./job.js";
export * from "./phases.js";
export * from "./plan.js";
export * from "./recorded.js";
export * from "./result.js";
export * from "./safety.js";
