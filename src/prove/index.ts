/** Is it allowed? Every timeline the architecture allows, for small programs over two-stage translation. Pure: runs in a browser. */
export { assumptions, litmusAssumptions, rulesWithout, SWITCHED } from "./assumptions.js";
export { type Cpu, proverCpu } from "./cpu.js";
export { DEFAULT_MAX_STATES, type Decision, explore, type Options, verdictWord } from "./explore.js";
export { type FinalStates, finalsOf } from "./finals.js";
export { decideTest, readTest, type TestDecision } from "./forms.js";
export { herdForm, islaForm } from "./herd/index.js";
export { type LitmusTest, parseLitmus } from "./litmus/index.js";
export { PROVED, type ProvedOccasion, type Setting } from "./occasion/index.js";
export { type Program, Unsupported } from "./program.js";
export { RULES } from "./rules.js";
export {
  decideTask,
  type Finding,
  Inquiry,
  type Limits,
  type Proof,
  Question,
  type SignOff,
  signOff,
  type Task,
  taskProgram,
  type Verdict,
} from "./sign-off.js";
export type { Executed, HeldEntry, Moment } from "./story/index.js";
export { supposedOf, supposing } from "./supposed.js";
export { LimitReached } from "./thread/index.js";
export type { Culprit, PolicyLine, TracedStep } from "./traced.js";
export type { Breach } from "./violations.js";
