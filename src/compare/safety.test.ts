import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { loadHost, loadPolicy, loadScenario } from "../catalog/index.js";
import { parsePolicy } from "../policy/index.js";
import type { SignOff } from "../prove/index.js";
import { type Comparison, compare } from "./plan.js";
import { questionsOf, withVerdicts } from "./safety.js";

const comparison: Comparison = {
  scenarios: ["vcpu-switch", "destroy-domu"].map(loadScenario),
  policies: [loadPolicy("xen-today"), loadPolicy("remove-no-flush")],
  hosts: [loadHost("bare-metal")],
  ipaBits: [40],
  cpuOf: () => builtInCpu("cortex-a72"),
};

test("a row is unsound for what the prover found so, and unknown for what it could not decide or is not stated", () => {
  const asked = (scenario: string): string[] => {
    const one = { ...comparison, scenarios: [loadScenario(scenario)], policies: [loadPolicy("xen-today")] };
    return questionsOf(one).map(({ occasion }) => occasion);
  };
  assert.deepEqual(asked("vcpu-switch"), ["vmid-assigned", "switch"]);
  assert.deepEqual(asked("destroy-domu"), ["vmid-assigned", "revoke", "split", "domain-dies"]);
  const questions = questionsOf(comparison);
  // As if the prover had found everything sound but the removals of the policy that does not flush.
  const answers = questions.map(({ policy, occasion, cpu }) => {
    const open = occasion === "domain-dies" ? "not-stated" : "sound";
    const verdict = policy.name === "remove-no-flush" && occasion === "revoke" ? "unsound" : open;
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
});

test("of what comes up among others a policy is asked where it has code of its own: else that of the others is asked about", () => {
  const own = parsePolicy(
    'name = "own"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n[table-freed]\ncode = ""\n[fails-midway]\ncode = ""\n',
    "own.toml",
    loadPolicy,
  );
  const one = { ...comparison, scenarios: [loadScenario("destroy-domu")], policies: [own] };
  assert.deepEqual(
    questionsOf(one).map(({ occasion }) => occasion),
    ["vmid-assigned", "revoke", "table-freed", "fails-midway", "split", "domain-dies"],
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
