import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { loadHost, loadPolicy, loadScenario } from "../catalog/index.js";
import { PROVED, type SignOff } from "../prove/index.js";
import { type Comparison, compare } from "./plan.js";
import { questionsOf, withVerdicts } from "./safety.js";

const comparison: Comparison = {
  scenarios: ["vcpu-switch", "destroy-domu"].map(loadScenario),
  policies: [loadPolicy("xen-today"), loadPolicy("remove-no-flush")],
  hosts: [loadHost("bare-metal")],
  ipaBits: [40],
  cpuOf: () => builtInCpu("cortex-a72"),
};

test("the end of a domain is put to nobody, and makes what is not unsound unknown", () => {
  assert.ok(!Object.keys(PROVED).includes("domain-dies"));
  const asked = (scenario: string): string[] => {
    const one = { ...comparison, scenarios: [loadScenario(scenario)], policies: [loadPolicy("xen-today")] };
    return questionsOf(one).map(({ occasion }) => occasion);
  };
  assert.deepEqual(asked("vcpu-switch"), ["vmid-assigned", "switch"]);
  assert.deepEqual(asked("destroy-domu"), ["vmid-assigned", "revoke", "split"]);
  const questions = questionsOf(comparison);
  // As if the prover had found everything sound but the removals of the policy that does not flush.
  const answers = questions.map(({ policy, occasion, cpu }) => {
    const verdict = policy.name === "remove-no-flush" && occasion === "revoke" ? "unsound" : "sound";
    return { policy: policy.name, occasion, cpu: cpu.name, verdict } as SignOff;
  });
  const result = withVerdicts(compare(comparison), comparison, answers);
  assert.deepEqual(
    result.rows.map(({ scenario, policy, verdict }) => [scenario, policy, verdict]),
    [
      ["vcpu-switch", "xen-today", "sound"],
      ["vcpu-switch", "remove-no-flush", "sound"],
      ["destroy-domu", "xen-today", "unknown"],
      ["destroy-domu", "remove-no-flush", "unsound"],
    ],
  );
  assert.deepEqual(
    result.notes.filter((note) => note.includes("domain-dies")),
    [
      "Nothing proves these occasions yet, so a policy that is not unsound there is unknown: destroy-domu (domain-dies).",
    ],
  );
});

test("a scenario that says which phases count is priced for these alone", () => {
  const of = (phases?: ("create" | "destroy")[]): Record<string, number> => {
    const { phases: _, ...scenario } = loadScenario("destroy-domu");
    const scenarios = [phases === undefined ? scenario : { ...scenario, phases }];
    return { ...compare({ ...comparison, scenarios, policies: [loadPolicy("xen-today")] }).rows[0]!.tlbi };
  };
  const [all, create, destroy] = [of(), of(["create"]), of(["destroy"])];
  assert.deepEqual(destroy, { VMALLS12E1IS: 2 });
  assert.deepEqual(create, { VMALLS12E1IS: 5 + 1, ALLE1IS: 2 });
  assert.deepEqual(all, { VMALLS12E1IS: 5 + 1 + 2 + 2, ALLE1IS: 2 }, "and two while its Linux comes up");
});
