/** Ways of flushing, as text that is parsed once: simulated, priced and proved from the same program. */
export {
  type CodePlace,
  type Due,
  missingFeature,
  OCCASIONS,
  type Occasion,
  type Policy,
  parsePolicy,
  policyOn,
} from "./policy.js";
export { Case, type Executor, levelOfLeaf, type Sequence, specialise } from "./program.js";
export { Runner, type Unrolled, unroll } from "./runner.js";
