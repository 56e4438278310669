/** What a policy's simulated trace comes out as, beside what the prover says of its text (docs/prove.md has the table). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { loadPolicy, policyNames } from "../catalog/index.js";
import { missingFeature } from "../policy/index.js";
import { Checker } from "./checker.js";
import { simulateSmall } from "./small.testing.js";

/** What a policy that is unsound for an occasion is found by. */
const REVOKE = ["reuse-before-flush"];
const SWITCH = ["vcpu-collision"];

/** Of the policies that `prove` calls unsound on a CPU: the kinds by which it shows; all others must be clean. */
const UNSOUND: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "cortex-a72": {
    "remove-no-flush": REVOKE,
    "switch-no-flush": SWITCH,
    "series-v1": REVOKE,
    "series-v3-patch1": REVOKE,
    "series-v3-patch2": REVOKE,
    "vmid-per-vcpu": ["vmids-apart"],
  },
  "neoverse-v3": {
    "xen-4.17": [...REVOKE, "broken-bbm"], // revoke, batch and split: no repeat
    "remove-no-flush": REVOKE,
    "va-ipa-range": REVOKE,
    "switch-no-flush": SWITCH,
    "series-v1": [...REVOKE, ...SWITCH],
    "series-v3-patch1": REVOKE,
    "series-v3-patch2": [...REVOKE, ...SWITCH],
    "vmid-per-vcpu": ["vmids-apart"],
  },
};

for (const [name, unsound] of Object.entries(UNSOUND))
  test(`on ${name} the traces of sound policies are clean, and those of unsound ones are found by the right kinds`, () => {
    const cpu = builtInCpu(name);
    for (const policy of policyNames().map(loadPolicy)) {
      if (missingFeature(policy, cpu) !== undefined) continue;
      const checker = new Checker(cpu);
      simulateSmall(policy, cpu, checker);
      const { findings, unknown } = checker.finish();
      assert.deepEqual(unknown, [], policy.name);
      const kinds = new Set<string>(findings.filter(({ class: of }) => of === "unsafe").map(({ kind }) => kind));
      const wanted = unsound[policy.name];
      if (wanted === undefined) assert.deepEqual([...kinds], [], policy.name);
      else
        for (const kind of wanted) assert.ok(kinds.has(kind), `${policy.name}: no ${kind} in ${[...kinds].join(", ")}`);
    }
  });

test("why no flush counts is said as the text of each policy has it", () => {
  const reasonOf = (policy: string, cpu: string): string => {
    const checker = new Checker(builtInCpu(cpu));
    simulateSmall(loadPolicy(policy), builtInCpu(cpu), checker);
    return checker.finish().findings.find(({ class: of }) => of === "unsafe")!.reason!;
  };
  assert.equal(reasonOf("remove-no-flush", "cortex-a72"), "no-flush");
  // IPAS2E1IS; DSB ISHST, which completes nothing; VMALLE1IS; DSB ISH
  assert.equal(reasonOf("series-v3-patch1", "cortex-a72"), "no-dsb-between");
  // FEAT_nTLBPA: IPAS2E1IS, and then DSB ISHST at the most
  assert.equal(reasonOf("series-v1", "arch-maximal"), "dsb-of-one-type");
  // which the repeat's DSB ISH completes, where there is one: stage 1 is left
  assert.equal(reasonOf("series-v1", "neoverse-v3"), "stage-2-only");
  // no DSB in front
  assert.equal(reasonOf("va-ipa-range", "neoverse-v3"), "no-dsb-before");
  assert.equal(reasonOf("xen-4.17", "neoverse-v3"), "no-repeat");
});
