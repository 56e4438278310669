/** Ways of flushing, as text that is parsed once: simulated, priced and proved from the same program, run at the same moments. */
export { allocatorFlush } from "./allocator.js";
export { explainPolicy } from "./explain.js";
export { parseCode } from "./parse.js";
export {
  lacking,
  missingFeature,
  OCCASIONS,
  type Occasion,
  type Policy,
  parsePolicy,
  policyOn,
  withoutCode,
} from "./policy.js";
export {
  codeLines,
  policyFile,
} from "./print.js";
export {
  Case,
  type Executor,
  type LoopOver,
  lineOfIpi,
  type Pes,
  type Sequence,
  type Statement,
  specialise,
} from "./program.js";
export { type Entry, Protocol, type RunCode, removal, runTogether } from "./protocol.js";
export { type Granules, Runner, type Unrolled, unroll } from "./runner.js";
export { thresholdsOf, withThresholds } from "./thresholds.js";
export { openOn, waysOf } from "./ways.js";
