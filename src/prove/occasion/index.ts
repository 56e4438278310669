/** From a policy's own text to the scenarios that it must survive, occasion by occasion. */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { batchScenarios } from "./batch.js";
import type { Setting } from "./domains.js";
import { revokeScenarios } from "./revoke.js";
import type { Scenario } from "./scenario.js";
import { splitScenarios } from "./split.js";
import { switchScenarios } from "./switch.js";
import { vmidScenarios } from "./vmid.js";

export type { Setting } from "./domains.js";
export { litmusText } from "./litmus-text.js";
export { type Origin, originsOf, withoutOrigins } from "./origin.js";
export { programOf } from "./program.js";
export type { Scenario } from "./scenario.js";

/** The occasions that are proved, and the scenarios of each. */
export const PROVED = {
  revoke: revokeScenarios,
  batch: batchScenarios,
  switch: switchScenarios,
  split: splitScenarios,
  "vmid-assigned": vmidScenarios,
} as const satisfies Record<string, (policy: Policy, cpu: CpuProfile, setting: Setting) => Scenario[]>;
export type ProvedOccasion = keyof typeof PROVED;
