import assert from "node:assert/strict";
import test from "node:test";
import { sampleResult } from "./sample.fixture.js";
import { priceGroups, scenarioViews, spread } from "./view.js";

test("hosts without shadow tables are told from nested ones, IPA sizes ascend", () => {
  const [view] = scenarioViews(sampleResult());
  assert.deepEqual(
    view!.native.map(({ name }) => name),
    ["bare-metal"],
  );
  assert.deepEqual(
    view!.nested.map(({ name }) => name),
    ["kvm-nested-7.2", "kvm-nested-unmap-all", "kvm-nested-skip-holes"],
  );
  assert.deepEqual(view!.ipaBits, [40, 44, 48]);
});

test("policies with equal prices share a letter, the dearest comes first, none is lost", () => {
  const [view] = scenarioViews(sampleResult());
  const groups = priceGroups(view!);
  assert.deepEqual(groups[0], { letter: "A", policies: ["vmid-per-vcpu"], verdict: undefined });
  assert.deepEqual(groups[1], {
    ...{ letter: "B", verdict: undefined },
    policies: ["xen-today", "switch-no-flush", "switch-vmalle1"],
  });
  assert.deepEqual(groups.flatMap(({ policies }) => policies).sort(), [...view!.policies].sort());
});

test("policies that cost nothing are not put together with those that cost little", () => {
  const result = sampleResult();
  const cheap = result.rows.map((row) =>
    row.scenario === "vcpu-switch" && row.policy === "kvm-ipa" ? { ...row, microseconds: 1e-9 } : row,
  );
  const view = scenarioViews({ ...result, rows: cheap }).find(({ scenario }) => scenario.name === "vcpu-switch");
  const group = priceGroups(view!).find(({ policies }) => policies.includes("kvm-ipa"));
  assert.deepEqual(group!.policies, ["kvm-ipa"]);
});

test("a scenario without rows and a policy without rows are left out", () => {
  const result = sampleResult();
  const rows = result.rows.filter((row) => row.scenario === "create-domu" && row.policy !== "kvm-ipa");
  const views = scenarioViews({ ...result, rows });
  assert.equal(views.length, 1);
  assert.ok(!views[0]!.policies.includes("kvm-ipa"));
});

test("the spread of prices is that of the row that spreads most", () => {
  const rows = sampleResult().rows.filter((row) => row.host === "bare-metal");
  const [low, high] = spread(rows);
  assert.ok(Math.abs(low - 0.98) < 1e-9 && Math.abs(high - 2) < 1e-9);
});
