/** What the Arm manual says, and nothing else (DDI 0487). */
export * from "./address.js";
export * from "./barrier.js";
export * from "./cpu.js";
export * from "./descriptor.js";
export * from "./errata.js";
export * from "./explain.js";
export * from "./explain-operand.js";
export * from "./features.js";
export * from "./geometry.js";
export * from "./instruction.js";
export * from "./operand.js";
export * from "./reach.js";
export * from "./store.js";
export * from "./sysreg.js";
export * from "./tlbi.js";
export * from "./word.js";
