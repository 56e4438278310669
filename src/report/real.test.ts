import assert from "node:assert/strict";
import test from "node:test";
import { withWorkaround } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { hostNames, loadHost, loadPolicy, loadScenario, policyNames } from "../catalog/index.js";
import { type CompareResult, compare } from "../compare/index.js";
import type { Scenario } from "../xen/scenario.js";
import { compareTables, renderReport } from "./index.js";

/** The built-in scenarios, cut short, under the built-in policies on the built-in hosts. */
function real(cpu: string, policies = policyNames()): CompareResult {
  const disk = loadScenario("create-domu") as Scenario;
  const domu = disk.domu.map((d) => ({
    ...d,
    segment: d.segment.map((s) => ({ ...s, pages: Math.min(s.pages, 40) })),
  }));
  const busy = loadScenario("vcpu-switch") as Scenario;
  const scenarios: Scenario[] = [
    { ...disk, domu },
    { ...busy, run: { ...busy.run, "time-us": 4 * busy.run["slice-us"] } },
  ];
  return compare({
    scenarios,
    policies: policies.map(loadPolicy),
    hosts: hostNames().map(loadHost),
    ipaBits: [40, 48],
    cpuOf: () => builtInCpu(cpu),
  });
}

const v2 = real("neoverse-v2");

test("a policy is said to execute no TLBI where its code has none, on occasions that the scenario has", () => {
  assert.deepEqual(
    v2.scenarios.map(({ withoutTlbi }) => withoutTlbi),
    [
      [{ policy: "remove-no-flush", occasion: "revoke" }],
      [
        { policy: "switch-no-flush", occasion: "switch" },
        { policy: "vmid-per-vcpu", occasion: "switch" },
      ],
    ],
  );
});

test("with FEAT_nTLBPA the policies that then leave out the switch's TLBI are named, too", () => {
  const [, busy] = real("neoverse-v3").scenarios;
  assert.deepEqual(
    busy!.withoutTlbi.map(({ policy }) => policy),
    ["switch-no-flush", "series-v1", "series-v3-patch2", "vmid-per-vcpu"],
  );
});

test("VALE2IS among the counts is explained by the CPU that needs it, and only there", () => {
  assert.match(v2.notes[1]!, /^On neoverse-v2, TLBIs are repeated for CVE-2025-10263: .* VALE2IS/);
  const none = compare({
    scenarios: [loadScenario("vcpu-switch")],
    policies: [loadPolicy("xen-today")],
    hosts: [loadHost("bare-metal")],
    ipaBits: [48],
    cpuOf: () => withWorkaround(builtInCpu("neoverse-v2"), "repeat-tlbi", false),
  });
  assert.equal(none.notes.length, 1, "whose features and prices, and no more");
});

test("policies that do the same in several scenarios are named in one sentence", () => {
  const { notes } = real("neoverse-n1", ["kvm-ipa", "kvm-ipa-no-ttl"]); // a CPU without FEAT_TTL
  assert.ok(
    notes.includes("In create-domu and vcpu-switch, kvm-ipa-no-ttl does the same as kvm-ipa."),
    notes.join("\n"),
  );
  assert.ok(v2.notes.includes("In create-domu, series-v3-patch2 does the same as series-v3-patch1."));
});

test("every calibrated price of a host file is marked so, and every price says what it pays for", () => {
  for (const host of v2.hosts)
    assert.deepEqual(
      host.prices.filter(({ calibratedOn }) => calibratedOn !== undefined).map(({ key }) => key),
      host.prices
        .filter(
          ({ key, source }) =>
            key === "broadcast" || (host.nested && key === "exit") || /through shootdown calibrate/.test(source),
        )
        .map(({ key }) => key),
      host.name,
    );
  assert.ok(v2.hosts.every(({ prices }) => prices.every(({ meaning }) => (meaning ?? "").length > 5)));
});

test("real results fit 80 columns and make a report without a broken figure", async () => {
  const tables = compareTables(v2, 80);
  assert.deepEqual(
    tables.split("\n").filter((line) => line.length > 80),
    [],
  );
  for (const text of [tables, await renderReport(v2)]) assert.doesNotMatch(text, /NaN|undefined|Infinity/);
});
