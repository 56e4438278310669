/** Ways of flushing, as text that is parsed once: simulated, priced and proved from the same program. */
export * from "./policy.js";
export * from "./program.js";
export * from "./runner.js";
