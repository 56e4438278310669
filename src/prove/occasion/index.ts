/** From a policy's own text to the scenarios that it must survive, occasion by occasion. */
import type { CpuProfile } from "../../arch/index.js";
import type { Occasion, Policy } from "../../policy/index.js";
import { accessFlagScenarios } from "./access-flag.js";
import { batchScenarios } from "./batch.js";
import { diesScenarios } from "./dies.js";
import type { Setting } from "./domains.js";
import { asksForVa, withoutVa } from "./extents.js";
import { failsScenarios } from "./fails.js";
import { goesOn } from "./goes-on.js";
import { withIpis } from "./ipi.js";
import { mergeScenarios } from "./merge.js";
import { movedScenarios } from "./moved.js";
import { permissionRelaxedScenarios, writeProtectedScenarios } from "./permissions.js";
import { revokeScenarios } from "./revoke.js";
import type { Scenario } from "./scenario.js";
import { splitScenarios } from "./split.js";
import { stage1Scenarios } from "./stage1.js";
import { switchScenarios } from "./switch.js";
import { tableFreedScenarios } from "./table-freed.js";
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

/** Scenarios with the IPIs of their code, and the granule if it is not 4 KiB. */
const finished = (list: readonly Scenario[], { granule = 12 }: Setting): Scenario[] =>
  list.flatMap(withIpis).map((one) => (granule === 12 ? one : { ...one, granule }));

/** The scenarios of a file, and those of what was current before and goes on. */
const withCaller =
  (about: Parameters<typeof goesOn>[0], scenarios: ProvedRow["scenarios"]): ProvedRow["scenarios"] =>
  (policy, cpu, setting) =>
    finished([...scenarios(policy, cpu, setting), ...goesOn(about, policy, cpu, setting)], setting);

/** The scenarios of a file whose code is about what is current. */
const alone =
  (scenarios: ProvedRow["scenarios"]): ProvedRow["scenarios"] =>
  (policy, cpu, setting) =>
    finished(scenarios(policy, cpu, setting), setting);

/** The scenarios of a file in which the VA is known; and those that become others where it is not. */
const knownOrNot =
  (scenarios: ProvedRow["scenarios"]): ProvedRow["scenarios"] =>
  (policy, cpu, setting) => {
    const known = scenarios(policy, cpu, setting);
    if (!Object.values(policy.code).some(asksForVa)) return known;
    const code = Object.fromEntries(Object.entries(policy.code).map(([of, program]) => [of, withoutVa(program)]));
    const unknown = scenarios({ ...policy, code: code as Policy["code"] }, cpu, setting);
    const texts = new Set(known.map(({ pcpus }) => JSON.stringify(pcpus)));
    return [
      ...known,
      ...unknown
        .filter(({ pcpus }) => !texts.has(JSON.stringify(pcpus)))
        .map((one) => ({ ...one, name: `${one.name}.va-unknown`, title: `${one.title}; Xen does not know the VA` })),
    ];
  };

/** The occasions that are proved, each with its file. */
export const PROVED = {
  revoke: { of: "revoke", scenarios: withCaller("revoke", revokeScenarios) },
  batch: { of: "batch-end", scenarios: withCaller("batch", knownOrNot(batchScenarios)) },
  switch: { of: "switch", scenarios: alone(switchScenarios) },
  split: { of: "split", scenarios: withCaller("split", knownOrNot(splitScenarios)) },
  "vmid-assigned": { of: "vmid-assigned", scenarios: withCaller("vmid-assigned", vmidScenarios) },
  "domain-dies": { of: "domain-dies", scenarios: withCaller("domain-dies", diesScenarios) },
  "write-protected": { of: "write-protected", scenarios: withCaller("write-protected", writeProtectedScenarios) },
  "permission-relaxed": {
    of: "permission-relaxed",
    scenarios: withCaller("permission-relaxed", permissionRelaxedScenarios),
  },
  "access-flag-cleared": {
    of: "access-flag-cleared",
    scenarios: withCaller("access-flag-cleared", accessFlagScenarios),
  },
  "block-merged": { of: "block-merged", scenarios: withCaller("block-merged", knownOrNot(mergeScenarios)) },
  "vcpu-moved": { of: "vcpu-moved", scenarios: alone(movedScenarios) },
  "stage1-edited": { of: "stage1-edited", scenarios: withCaller("stage1-edited", stage1Scenarios) },
  "fails-midway": { of: "fails-midway", scenarios: withCaller("fails-midway", knownOrNot(failsScenarios)) },
  "table-freed": { of: "table-freed", scenarios: withCaller("table-freed", knownOrNot(tableFreedScenarios)) },
} as const satisfies Record<string, ProvedRow>;
export type ProvedOccasion = keyof typeof PROVED;
