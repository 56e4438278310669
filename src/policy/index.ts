/** Ways of flushing, as text that is parsed once: simulated, priced and proved from the same program. */
export { type Due, missingFeature, OCCASIONS, type Occasion, type Policy, parsePolicy, policyOn } from "./policy.js";
export { Case, type Executor, levelOfLeaf, type Program, specialise } from "./program.js";
export { type Instruction, Runner, unroll } from "./runner.js";
