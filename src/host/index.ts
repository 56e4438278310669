/**
 * What a trace costs on a host. A price model, a folder and a row of PRICE_MODELS, counts the elementary steps of one kind of
 * host; host files hold elementary prices only. All of it is pure: text and events in, values out.
 */
export {
  calibratedHost,
  type Estimate,
  estimate,
  instructionPriors,
  instructionSteps,
  type Observation,
  timePriors,
  timeSteps,
} from "./calibrate.js";
export { type Amounts, addAmounts, addCounts, type Counts, NO_COUNTS, type NoShadow } from "./counts.js";
export type { Host } from "./host.js";
export { parseHost } from "./host-file.js";
export { withKvm } from "./kvm/settings.js";
export type { HostSink, TouchedPages } from "./model.js";
export { ipaNotes, isNested, modelOf, repeating } from "./models.js";
export { instructionsOf, type Priced, price, ratioRange } from "./price.js";
export { countTlbi, priceTlbi } from "./single.js";
