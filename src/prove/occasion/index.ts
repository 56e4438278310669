/** From a policy's own text to the scenarios that it must survive, occasion by occasion. */
import type { CpuProfile } from "../../arch/index.js";
import type { Occasion, Policy } from "../../policy/index.js";
import { batchScenarios } from "./batch.js";
import type { Setting } from "./domains.js";
import { goesOn } from "./goes-on.js";
import { revokeScenarios } from "./revoke.js";
import type { Scenario } from "./scenario.js";
import { splitScenarios } from "./split.js";
import { switchScenarios } from "./switch.js";
import { vmidScenarios } from "./vmid.js";

export type { Setting } from "./domains.js";
export { unknownIn } from "./flush.js";
export { litmusText } from "./litmus-text.js";
export { type Origin, originsOf, withoutOrigins } from "./origin.js";
export { programOf } from "./program.js";
export type { Scenario } from "./scenario.js";

interface ProvedRow {
  /** a policy's occasion whose code is put to the proof, with that of others that run with it */
  readonly of: Occasion;
  readonly scenarios: (policy: Policy, cpu: CpuProfile, setting: Setting) => Scenario[];
}

/** The scenarios of a file, and those of what was current before and goes on. */
const withCaller =
  (about: Parameters<typeof goesOn>[0], scenarios: ProvedRow["scenarios"]): ProvedRow["scenarios"] =>
  (policy, cpu, setting) => [...scenarios(policy, cpu, setting), ...goesOn(about, policy, cpu, setting)];

/** The occasions that are proved, each with its file. */
export const PROVED = {
  revoke: { of: "revoke", scenarios: withCaller("revoke", revokeScenarios) },
  batch: { of: "batch-end", scenarios: withCaller("batch", batchScenarios) },
  switch: { of: "switch", scenarios: switchScenarios },
  split: { of: "split", scenarios: withCaller("split", splitScenarios) },
  "vmid-assigned": { of: "vmid-assigned", scenarios: withCaller("vmid-assigned", vmidScenarios) },
} as const satisfies Record<string, ProvedRow>;
export type ProvedOccasion = keyof typeof PROVED;
