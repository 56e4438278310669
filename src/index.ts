/**
 * The engine, for programs: what is built in, readers of one's own policies, hosts and scenarios, prices, proofs, comparisons. All of
 * it is pure: it runs in any JavaScript engine, and reads no file. Doors of single rooms (shootdown/arch, ...) hand out more.
 */
export { type CpuProfile, decodeTlbi, type Explanation, explainTlbi } from "./arch/index.js";
export {
  builtInCpu,
  builtInHost,
  builtInPolicy,
  builtInScenario,
  builtInText,
  cpuNames,
  hostNames,
  policyNames,
  type Shelf,
  scenarioNames,
  usualCpus,
  usualHosts,
} from "./builtin/index.js";
export { type CompareResult, type CompareRow, type Comparison, compare } from "./compare/index.js";
export { parseCpu } from "./cpu/index.js";
export { type Host, parseHost, priceTlbi, type TouchedPages } from "./host/index.js";
export { parseScenario, type Scenario } from "./hypervisor/index.js";
export { InputError } from "./input/index.js";
export { OCCASIONS, type Occasion, type Policy, parsePolicy } from "./policy/index.js";
export {
  type Limits,
  type ProvedOccasion,
  Question,
  type Setting,
  type SignOff,
  signOff,
  type Verdict,
} from "./prove/index.js";
