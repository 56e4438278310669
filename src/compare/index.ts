/** Scenario x policy x host: what each way of flushing does and costs. */
export {
  type CallerChange,
  type Change,
  type ComparedTrace,
  differenceOf,
  type HalfPhase,
  inBoth,
  isChanged,
  type PhaseDifference,
  type PriceChange,
  type PricedCounts,
  phaseNames,
  type RecordingWords,
  type TraceDifference,
  type TraceSide,
} from "./difference.js";
export type { Beside, Executed, ExecutedFlush } from "./executed.js";
export { cpuOfTrace, type Held, Holding, profileOf, refuseWithout } from "./holding.js";
export { hostSinks } from "./host-sinks.js";
export { type BesideRow, besideRows, type HostChange, type ModelWork, modelWork } from "./host-work.js";
export { type Counted, countedBy, countJob, type Job, runJob } from "./job.js";
export type { LiftedSequence } from "./lifted-policy.js";
export { type Lifted, Lifting, policyName } from "./lifting.js";
export { type OccasionPrice, type OccasionPrices, priceOccasions } from "./occasion-prices.js";
export { OperandsHeld } from "./operands-held.js";
export { PhasePrices, TOTAL } from "./phases.js";
export { type Comparison, compare, Plan } from "./plan.js";
export { isNestedRow, type PriceRow, priceRows } from "./priced.js";
export type {
  Check,
  CompareProof,
  CompareResult,
  CompareRow,
  Described,
  HostDescription,
  PricedCapture,
  PriceLine,
  PriceParts,
  ScenarioDescription,
  WithoutTlbi,
} from "./result.js";
export { questionsOf, withVerdicts } from "./safety.js";
export { parseSetting, type Setting } from "./setting.js";
export { type Numbers, Sweep, type SweptKey } from "./sweep.js";
export { type Bar, type Tornado, Tornados } from "./tornado.js";
