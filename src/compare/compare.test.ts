import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { loadHost, loadPolicy, loadScenario, policyNames } from "../catalog/index.js";
import { countTlbi, type Host, ratioRange } from "../host/index.js";
import { missingFeature, type Policy } from "../policy/index.js";
import { parseScenario, simulate, XEN } from "../xen/index.js";
import type { Scenario } from "../xen/scenario.js";
import {
  type CompareRow,
  type Comparison,
  compare,
  hostSinks,
  PhasePrices,
  questionsOf,
  runJob,
  withVerdicts,
} from "./index.js";
import { traceKey } from "./job.js";

const V2 = builtInCpu("neoverse-v2");
const A72 = builtInCpu("cortex-a72");
const HOSTS = ["bare-metal", "kvm-nested-7.2", "kvm-nested-unmap-all", "kvm-nested-skip-holes"].map(loadHost);
const POLICIES = policyNames().map(loadPolicy);

/** A small scenario: how many vCPUs the domU has, and whether it is loaded, run, destroyed. */
function scenarioOf({ vcpus = 1, load = true, run = true, destroy = false } = {}): Scenario {
  const segment = '[[domu.segment]]\nname = "kernel"\ngfn = 0x40000\npages = 9\n';
  const toml = `name = "small"
title = "t"
source = "s"
destroy = ${destroy}
[machine]
pcpus = 2
ram-mib = 64
[dom0]
memory-mib = 16
working-set = 2
[toolstack]
preempt-after = 4
[[domu]]
memory-mib = 4
vcpus = ${vcpus}
working-set = 4
shared-set = 2
${load ? segment : ""}[run]
time-us = ${run ? 60_000 : 0}
`;
  return parseScenario(toml, "small.toml");
}

const SMALL = scenarioOf({ vcpus: 3 });

const result = compare({
  scenarios: [SMALL],
  policies: POLICIES,
  hosts: HOSTS,
  ipaBits: [40, 48],
  cpuOf: () => V2,
});

/** Everything of a row but whose it is. */
const contentOf = ({ policy: _, ...rest }: CompareRow): Omit<CompareRow, "policy"> => rest;

test("there is a row for each scenario, policy, host and size, in the order asked for", () => {
  const wanted = POLICIES.flatMap((p) => HOSTS.flatMap((h) => [40, 48].map((bits) => [p.name, h.name, bits])));
  assert.deepEqual(
    result.rows.map((r) => [r.policy, r.host, r.ipaBits]),
    wanted,
  );
});

test("a row has the keys that scripts rely on", () => {
  const keys = ["scenario", "policy", "host", "ipaBits", "microseconds", "microsecondsRange", "tlbi", "hypercalls"];
  for (const row of result.rows)
    for (const key of [...keys, "refaults", "parts"]) assert.ok(Object.hasOwn(row, key), key);
  assert.deepEqual(Object.keys(result.rows[0]!.parts).sort(), ["flush", "refault", "trap", "walk"]);
});

test("the parts of a price sum to it, and its range holds it", () => {
  for (const row of result.rows) {
    const { trap, walk, flush, refault } = row.parts;
    const sum = trap + walk + flush + refault;
    assert.ok(Math.abs(sum - row.microseconds) <= 1e-9 * Math.max(1, sum));
    const [low, high] = row.microsecondsRange;
    assert.ok(low <= row.microseconds && row.microseconds <= high, `${row.policy} ${row.host}`);
  }
});

test("on bare metal the hardware executes Xen's own TLBIs, and the IPA size does not matter", () => {
  const bare = result.rows.filter((r) => r.host === "bare-metal");
  for (const row of bare) assert.deepEqual(row.hardwareTlbi, row.tlbi);
  for (let i = 0; i < bare.length; i += 2) assert.equal(bare[i]!.microseconds, bare[i + 1]!.microseconds);
});

test("what Xen does is the same on every host and at every size", () => {
  for (const policy of POLICIES) {
    const rows = result.rows.filter((r) => r.policy === policy.name);
    for (const row of rows) assert.deepEqual([row.tlbi, row.hypercalls], [rows[0]!.tlbi, rows[0]!.hypercalls]);
  }
});

test("the small domU by hand: 9 removals, each flushed once, and the switches of three vCPUs on two pCPUs", () => {
  const of = (policy: string) => result.rows.find((r) => r.policy === policy && r.host === "bare-metal")!.tlbi;
  // Six slots of 10 ms, two pCPUs, three vCPUs in rotation: each pCPU takes in another one five times.
  // The one ALLE1IS is populate_physmap's, no policy's.
  const ALLE1IS = 1;
  assert.deepEqual(of("xen-today"), { VMALLS12E1: 10, VMALLS12E1IS: 10, ALLE1IS, VALE2IS: 11 });
  assert.deepEqual(of("switch-no-flush"), { VMALLS12E1IS: 10, ALLE1IS, VALE2IS: 11 });
  assert.deepEqual(of("remove-no-flush"), { VMALLS12E1: 10, VMALLS12E1IS: 1, ALLE1IS, VALE2IS: 2 });
  assert.deepEqual(
    of("remove-batch"),
    { VMALLS12E1: 10, VMALLS12E1IS: 3 + 1, ALLE1IS, VALE2IS: 3 + 1 + 1 },
    "4 + 4 + 1 pages",
  );
  assert.deepEqual(of("kvm-ipa"), { VMALLE1: 10, VMALLE1IS: 9, VMALLS12E1IS: 1, IPAS2E1IS: 9, ALLE1IS, VALE2IS: 11 });
  assert.deepEqual(of("batch-range"), {
    ALLE1IS,
    VMALLE1: 10,
    VMALLE1IS: 3,
    VMALLS12E1IS: 1,
    RIPAS2E1IS: 2,
    IPAS2E1IS: 1,
    VALE2IS: 5,
  });
});

const VARIANTS = [
  SMALL,
  scenarioOf(),
  scenarioOf({ load: false, vcpus: 3 }),
  scenarioOf({ load: false }),
  scenarioOf({ run: false }),
  scenarioOf({ destroy: true }),
  scenarioOf({ destroy: true, vcpus: 3 }),
];

test("policies of which one is simulated for another have the same rows alone", () => {
  let shared = 0;
  for (const cpu of [V2, A72, builtInCpu("neoverse-v3")])
    for (const scenario of VARIANTS) {
      const usable = POLICIES.filter((p) => !missingFeature(p, cpu));
      const first = new Map<string, { policy: Policy; rows: object[] }>();
      for (const policy of usable) {
        const job = { scenario, cpu, hosts: [HOSTS[0]!, HOSTS[1]!], ipaBits: [40] };
        const rows = runJob({ ...job, policies: [policy] })[0]!.rows.map(contentOf);
        const key = traceKey(policy, cpu, scenario);
        const like = first.get(key);
        if (like) {
          assert.deepEqual(rows, like.rows, `${policy.name} like ${like.policy.name}`);
          shared++;
        } else first.set(key, { policy, rows });
      }
    }
  assert.ok(shared > 50, `${shared} shared`);
});

test("policies of several frames and lanes get the rows that each gets alone", () => {
  for (const policy of POLICIES) {
    const [alone] = runJob({ scenario: SMALL, policies: [policy], cpu: V2, hosts: HOSTS, ipaBits: [40, 48] });
    assert.deepEqual(
      alone!.rows,
      result.rows.filter((r) => r.policy === policy.name),
    );
  }
});

test("a policy that needs what a CPU lacks is left out there, with a note", () => {
  const policies = ["xen-today", "va-ipa-range"].map(loadPolicy);
  const found = compare({ scenarios: [SMALL], policies, hosts: [HOSTS[0]!], ipaBits: [40], cpuOf: () => A72 });
  assert.deepEqual(
    found.rows.map((r) => r.policy),
    ["xen-today"],
  );
  assert.deepEqual(found.notes.slice(1), ["va-ipa-range is left out on cortex-a72: it requires FEAT_TLBIRANGE."]);
});

test("the features of one CPU and the prices of another machine are told apart; a machine that nobody named is said to be none", () => {
  const notes = (hosts: readonly Host[]): string =>
    compare({ scenarios: [SMALL], policies: [POLICIES[0]!], hosts, ipaBits: [40], cpuOf: () => A72 }).notes[0]!;
  const graviton = "AWS Graviton4 (Neoverse V2, 96 cores)";
  assert.equal(
    notes(HOSTS),
    `The policies run with the features of cortex-a72; the elementary prices are those of ${graviton}.`,
  );
  const { machine, ...other } = HOSTS[0]!;
  assert.equal(machine, graviton);
  assert.match(
    notes([HOSTS[1]!, { ...other, name: "mine" }]),
    /those of AWS Graviton4 \(.*\) \(kvm-nested-7\.2\) and those of a machine that the host file does not name \(mine\)\.$/,
  );
});

test("the verdict on a policy that a CPU cannot run is not-applicable, with the reason", () => {
  const policies = ["xen-today", "va-ipa-range"].map(loadPolicy);
  const comparison: Comparison = { scenarios: [SMALL], policies, hosts: [HOSTS[0]!], ipaBits: [40], cpuOf: () => A72 };
  const answers = questionsOf(comparison).map((question) => question.conclude([]));
  const { proof } = withVerdicts(compare(comparison), comparison, answers);
  const [first, ...more] = proof!.results.filter(({ policy }) => policy === "va-ipa-range");
  const { policy, cpu, verdict, reason } = first!;
  assert.deepEqual(
    [policy, cpu, verdict, reason],
    ["va-ipa-range", "cortex-a72", "not-applicable", "requires FEAT_TLBIRANGE, which the CPU does not have"],
  );
  for (const one of more) assert.equal(one.verdict, "not-applicable");
});

test("batch policies whose batch-end code falls away on a CPU share a simulation with the others", () => {
  const batch = loadPolicy("remove-batch");
  const without: Policy = { ...batch, name: "other", due: "unlock", batch: true };
  assert.deepEqual(XEN.frameOf(without), XEN.frameOf(batch));
  const rows = runJob({ scenario: SMALL, policies: [batch, without], cpu: V2, hosts: [HOSTS[0]!], ipaBits: [40] });
  assert.equal(rows[0]!.rows[0]!.tlbi.VMALLS12E1IS, 4);
  assert.equal(rows[1]!.rows[0]!.tlbi.VMALLS12E1IS, 10, "due at each unlock, in a batch too");
});

test("the default comparison's checks all agree; what was calibrated is marked, and three things come out by themselves", () => {
  const found = compare({
    scenarios: [loadScenario("create-domu")],
    policies: [loadPolicy("xen-today")],
    hosts: [loadHost("kvm-nested-7.2")],
    ipaBits: [48],
    cpuOf: () => V2,
  });
  assert.ok(found.checks.length >= 7);
  for (const check of found.checks) {
    assert.equal(check.agrees, true, check.name);
    for (const key of ["name", "predicted", "measuredLow", "measuredHigh", "source"])
      assert.ok(Object.hasOwn(check, key));
  }
  assert.deepEqual(
    found.checks.filter((c) => c.calibration).map((c) => c.name),
    ["one VMALLS12E1IS of Xen in KVM, 48 bits", "one EL1 TLBI of Xen in KVM"],
  );
  const today = found.checks.find((c) => c.name.startsWith("creation of the domU"))!;
  assert.ok(today.predicted >= 180 && today.predicted <= 200);
});

test("one VMALLS12E1IS costs 256 times as much at 48 bits as at 40, within 2 %, and 70,000 IPAS2E1IS within the range", () => {
  const host = loadHost("kvm-nested-7.2");
  const count = (op: string, ipaBits: number) => countTlbi({ op, operand: 0n, host, ipaBits, shadow: 2 });
  const sizes = ratioRange(count("vmalls12e1is", 48), count("vmalls12e1is", 40), host).value;
  assert.ok(Math.abs(sizes / 256 - 1) < 0.02, `${sizes}`);
  const [low, high] = ratioRange(count("vmalls12e1is", 48), count("ipas2e1is", 48), host).range;
  assert.ok(low <= 70_000 && 70_000 <= high, `${low} to ${high}`);
});

test("phases add up to the whole", () => {
  const phases = new PhasePrices(HOSTS, [40, 48], 2);
  const { sinks, counts } = hostSinks(HOSTS, [40, 48], 2);
  simulate(SMALL, V2, [{ policy: loadPolicy("xen-today"), sinks: [phases, ...sinks] }]);
  const list = phases.phases();
  assert.deepEqual([...new Set(list.map((p) => p.phase))], ["boot", "create", "run"]);
  const whole = counts();
  whole.forEach(({ host, ipaBits, counts: total }) => {
    const parts = list.filter((p) => p.host === host && p.ipaBits === ipaBits).map((p) => p.counts);
    const sum = (name: string): number => parts.reduce((n, c) => n + (c.tlbi[name] ?? 0), 0);
    for (const [name, n] of Object.entries(total.tlbi)) assert.equal(sum(name), n, name);
    for (const key of ["exits", "leavesDropped", "refaults", "firstFaults"] as const)
      assert.equal(
        parts.reduce((n, c) => n + c[key], 0),
        total[key],
        key,
      );
  });
  assert.deepEqual(
    phases.total().map((p) => p.counts),
    whole.map((p) => p.counts),
  );
});
