import assert from "node:assert/strict";
import { test } from "node:test";
import { type CpuProfile, pagesAtLevel } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { missingFeature, type Policy, parsePolicy } from "../policy/index.js";
import { NO_DOMAIN } from "../trace/index.js";
import { parseScenario, simulate, XEN } from "../xen/index.js";
import type { Scenario } from "../xen/scenario.js";
import { Collector, type Seen } from "../xen/world.fixture.js";
import { builtInText, loadPolicy, loadScenario, policyNames } from "./index.js";
import { summaryOf } from "./simulations.fixture.js";

const V2 = builtInCpu("neoverse-v2");

const SMALL = `
name = "small"
title = "a small domU, made, run and destroyed twice"
source = "a test"
lives = 2
destroy = true
[machine]
pcpus = 2
ram-mib = 64
[dom0]
memory-mib = 16
working-set = 2
[toolstack]
preempt-after = 5
special-pages = 2
[[domu]]
memory-mib = 6
vcpus = 3
working-set = 4
shared-set = 2
[[domu.segment]]
name = "kernel"
gfn = 0x40000
pages = 13
[[domu.segment]]
name = "devicetree"
gfn = 0x40200
pages = 2
[run]
time-us = 80_000
`;

const scenario = (toml: string): Scenario => parseScenario(toml, "small.toml");

/** Every event of each policy, simulated together. */
function events(of: Scenario, policies: readonly Policy[], cpu: CpuProfile = V2): Seen[][] {
  const sinks = policies.map(() => new Collector());
  simulate(
    of,
    cpu,
    policies.map((policy, i) => ({ policy, sinks: [sinks[i]!] })),
  );
  return sinks.map((sink) => sink.list);
}

const usable = (cpu: CpuProfile): Policy[] =>
  policyNames()
    .map(loadPolicy)
    .filter((policy) => !missingFeature(policy, cpu));

/** The same without an end: all mappings that go are the toolstack's own. */
const ENDLESS = SMALL.replace(/lives = 2\ndestroy = true\n/, "");

/** Policies by what they must agree in to be simulated together. */
function frames(policies: readonly Policy[]): Policy[][] {
  const groups = new Map<string, Policy[]>();
  for (const policy of policies) {
    const key = JSON.stringify(XEN.frameOf(policy));
    groups.set(key, [...(groups.get(key) ?? []), policy]);
  }
  return [...groups.values()];
}

/** A policy with code of its own for the end of a domain: the whole VMID. */
function ownEnd(base: string): Policy {
  const whole = "with owner-vmid\ndsb ishst\ntlbi vmalls12e1is\ndsb ish\nisb\nend";
  const toml = `name = "${base}-end"\ntitle = "t"\nsource = "s"\nbase = "${base}"\n[domain-dies]\ncode = """\n${whole}\n"""\n`;
  return parsePolicy(toml, `${base}-end.toml`, loadPolicy);
}

for (const cpu of ["neoverse-v2", "cortex-a72", "neoverse-v3"])
  test(`policies simulated together on ${cpu} give the very events that each gives alone`, () => {
    const profile = builtInCpu(cpu);
    for (const [toml, policies] of [
      [ENDLESS, usable(profile)],
      [SMALL, [...usable(profile), ownEnd("kvm-ipa"), ownEnd("remove-batch")]],
    ] as const)
      for (const lanes of frames(policies)) {
        const together = events(scenario(toml), lanes, profile);
        lanes.forEach((policy, i) => {
          const [alone] = events(scenario(toml), [policy], profile);
          assert.ok(alone!.length > 300);
          assert.deepEqual(together[i], alone, policy.name);
        });
      }
  });

test("a removal whose VA nobody told is an error under the report's range sequence, not a guess", () => {
  const bare = { ...loadPolicy("va-ipa-range"), own: [] };
  assert.throws(() => events(scenario(SMALL), [bare]), /policies\/va-ipa-range\.toml:\d+: .*va-known/);
});

test("VTTBR_EL2 and the owners of pages go on from what they were, under every policy", () => {
  for (const policy of usable(V2)) {
    const vttbr = new Map<number, string>();
    const owners = new Map<number, string>();
    for (const e of events(scenario(SMALL), [policy])[0]!)
      if (e.kind === "sysreg") {
        assert.equal(e.from, vttbr.get(e.pcpu) ?? "0", policy.name);
        vttbr.set(e.pcpu, e.to);
      } else if (e.kind === "owner") {
        const first = Number(BigInt(`0x${e.address}`) / 4096n);
        for (let page = first; page < first + pagesAtLevel(e.level); page++) {
          assert.equal(e.from, owners.get(page) ?? NO_DOMAIN.toString(16), `${policy.name}, page ${page}`);
          owners.set(page, e.to);
        }
      }
  }
});

test("no occasion comes up that a scenario does not seem to have", () => {
  const unloaded = ENDLESS.replace(/\[\[domu\.segment\]\][^[]*/g, "");
  const idle = unloaded.replace("special-pages = 2", "");
  const variants = [SMALL, ENDLESS, unloaded, idle, ENDLESS, idle].map((toml, i) =>
    i < 4 ? toml : toml.replace("time-us = 80_000", ""),
  );
  for (const toml of variants)
    for (const name of ["xen-today", "remove-batch", "series-v1", "vmid-per-vcpu"]) {
      const of = scenario(toml);
      const { occasions } = simulate(of, V2, [{ policy: loadPolicy(name), sinks: [] }]);
      const possible = XEN.possibleOccasions(of);
      assert.deepEqual(
        occasions.filter((o) => !possible.includes(o)),
        [],
        name,
      );
    }
});

/** The report's 7,458 pages, four magic pages and the grant table. */
const REMOVALS = 7458 + 4 + 1;

test("create-domu today: one VMALLS12E1IS for each removal, one for the new VMID; the allocator's ALLE1IS beside", () => {
  const create = summaryOf(loadScenario("create-domu"), loadPolicy("xen-today"), V2).phases.create!;
  assert.equal(create.hypercalls.XENMEM_remove_from_physmap, REMOVALS);
  assert.equal(create.hypercalls.XENMEM_add_to_physmap_batch, REMOVALS - 1);
  // 65 blocks, nine a call; and the magic pages.
  const populates = Math.ceil(65 / 9) + 1;
  assert.equal(create.hypercalls.XENMEM_populate_physmap, populates);
  assert.deepEqual(create.tlbi, {
    VMALLS12E1IS: REMOVALS + 1,
    ALLE1IS: populates,
    VALE2IS: REMOVALS + 1 + populates,
  });
  assert.deepEqual(
    create.byCaller.filter((c) => c.op !== "VALE2IS").map((c) => [c.op, c.caller, c.vmid, c.count]),
    [
      ["VMALLS12E1IS", "p2m_write_unlock", 1, REMOVALS],
      ["ALLE1IS", "populate_physmap", 1, populates],
      ["VMALLS12E1IS", "p2m_alloc_vmid", 2, 1],
    ],
  );
});

test("create-domu on each version: what the page allocator flushes, and nothing else, depends on it", () => {
  const of = (version: string): Readonly<Record<string, number>> => {
    const toml = builtInText("scenarios", "create-domu").replace(/version = ".*"/, `version = "${version}"`);
    return summaryOf(parseScenario(toml, "x.toml"), loadPolicy("xen-today"), builtInCpu("cortex-a72")).phases.create!
      .tlbi;
  };
  for (const version of ["4.17", "4.20.4"])
    assert.deepEqual(of(version), { VMALLS12E1IS: REMOVALS + 1, ALLE1IS: 9 }, version);
  for (const version of ["4.20.4+39", "4.20.4+63"])
    assert.deepEqual(of(version), { VMALLS12E1IS: REMOVALS + 1 }, version);
});

test("a domU that ran a Linux dies: two flushes of its VMID today, 580 one by one, and 32,774 while its pages are scrubbed", () => {
  const A72 = builtInCpu("cortex-a72");
  const of = (policy: Policy, version = "4.20.4") => {
    const toml = builtInText("scenarios", "destroy-domu").replace(/version = "[^"]*"/, `version = "${version}"`);
    const { destroy, scrub } = summaryOf(parseScenario(toml, "x.toml"), policy, A72).phases;
    return [destroy!.tlbi, scrub!.tlbi];
  };
  // 63 blocks of 2 MiB, 512 pages of the one that was split, four magic pages and the grant table.
  const entries = 63 + 512 + 4 + 1;
  assert.deepEqual(of(loadPolicy("xen-today")), [{ VMALLS12E1IS: 2 }, {}]);
  assert.deepEqual(of(loadPolicy("series-v3-patch1")), [
    { IPAS2E1IS: 63 * 512 + 512 + 5, VMALLE1IS: 1, VMALLS12E1IS: 1 },
    {},
  ]);
  const [destroy] = of(loadPolicy("kvm-ipa"));
  assert.deepEqual(destroy, { IPAS2E1IS: entries, VMALLE1IS: entries, VMALLS12E1IS: 1 });
  assert.deepEqual(of(ownEnd("kvm-ipa")), [{ VMALLS12E1IS: 2 }, {}], "with code of its own for the end");
  // RAM, magic pages, shared info page, grant table.
  assert.deepEqual(of(loadPolicy("xen-today"), "4.20.4+63")[1], { ALLE1IS: 32_768 + 4 + 2 });
});

test("what is flushed depends on the size of the p2m only where Xen tracks accesses: from level 1 on", () => {
  const plain = SMALL.replace(/lives = 2\ndestroy = true\n/, "");
  const counts = [32, 36, 40, 42, 44, 48].map((bits) => {
    const of = scenario(plain.replace("ram-mib = 64", `ram-mib = 64\nipa-bits = ${bits}`));
    const { create, run } = summaryOf(of, loadPolicy("xen-today"), builtInCpu("cortex-a72")).phases;
    const { byCaller, tlbi, hypercalls } = create!;
    const tracked = byCaller.filter(({ caller }) => caller.startsWith("p2m_invalidate_root"));
    assert.equal(
      tracked.reduce((sum, { count }) => sum + count, 0),
      bits < 44 ? 1 : 0,
      `${bits} bits`,
    );
    return [tlbi.VMALLS12E1IS! - (bits < 44 ? 1 : 0), hypercalls, run!.tlbi.VMALLS12E1];
  });
  for (const of of counts) assert.deepEqual(of, counts[0]);
});

test("what does not fit the machine is refused in a sentence", () => {
  const refuses = (from: string | RegExp, to: string, message: RegExp): void => {
    assert.throws(() => events(scenario(SMALL.replace(from, to)), [loadPolicy("xen-today")]), message);
  };
  refuses("memory-mib = 16", "memory-mib = 128", /^InputError: small\.toml: dom0 with 128 MiB does not fit/);
  refuses("memory-mib = 6\n", "memory-mib = 60\n", /does not fit into the machine's RAM/);
  refuses("working-set = 2", "working-set = 99999", /dom0\.working-set is larger than dom0's memory/);
  refuses(
    /gfn = 0x40200\npages = 2/,
    "gfn = 0x40200\npages = 4096",
    /segment 'devicetree': gfn 0x40600 cannot be mapped, domain 1 has no RAM there/,
  );
  refuses("ram-mib = 64", "ram-mib = 8192\nipa-bits = 32", /machine\.ram-mib is more than machine\.ipa-bits = 32/);
  refuses("ram-mib = 64", "ram-mib = 4096\nipa-bits = 32", /has no room for 13 foreign mappings above the RAM/);
  refuses("[run]", '[run]\nscheduler = "null"', /pins each vCPU to a pCPU: 3 vCPUs, 2 pCPUs/);
  refuses("[run]", '[run]\nscheduler = "affinity"', /affinity of d1v0 is missing/);
});

test("segments that share a page, pCPUs that stand twice in a list, and slots without number are refused with their line", () => {
  const refuses = (toml: string, message: RegExp): void => {
    assert.throws(() => scenario(toml), message);
  };
  const segment = (name: string, gfn: number, pages: number): string =>
    `[[domu.segment]]\nname = "${name}"\ngfn = ${gfn}\npages = ${pages}\n`;
  const load = RUN.replace("[run]", `${segment("a", 0x40005, 20)}${segment("b", 0x40000, 5)}[run]`);
  assert.ok(scenario(load), "side by side");
  refuses(
    load.replace("[run]", `${segment("c", 0x40018, 9)}[run]`),
    /^InputError: small\.toml:21: segments 'a' and 'c' overlap at gfn 0x40018, expected pages of their own$/,
  );
  refuses(load.replace("pages = 5", "pages = 6"), /^InputError: small\.toml:17: segments 'b' and 'a' overlap/);
  const affinity = (lists: string): string => RUN.replace("vcpus = 2", `vcpus = 2\naffinity = ${lists}`);
  refuses(affinity("[[0], [1, 0, 1]]"), /^InputError: small\.toml:13: domu\.0\.affinity: vCPU 1 has pCPU 1 twice$/);
  refuses(
    affinity("[[0], [1], [0]]"),
    /^InputError: small\.toml:13: domu\.0\.affinity: 3 lists of pCPUs, expected one/,
  );
  refuses(
    RUN.replace("100_000", "1_000_000_000").replace("10_000", "1"),
    /^InputError: small\.toml:14: run\.time-us: 1000000000 us in slices of 1 us, expected at most 1000000 slices$/,
  );
});

/** Local flushes at switches, while the domains run. */
function switchFlushes(toml: string): number {
  return summaryOf(scenario(toml), loadPolicy("xen-today"), V2).phases.run?.tlbi.VMALLS12E1 ?? 0;
}

const RUN = `
name = "run"
title = "domains that run for 100 ms"
source = "a test"
[machine]
pcpus = 2
ram-mib = 64
[dom0]
memory-mib = 16
[[domu]]
memory-mib = 2
vcpus = 2
[run]
time-us = 100_000
slice-us = 10_000
`;

test("a vCPU with a pCPU of its own never costs a flush", () => {
  assert.equal(switchFlushes(RUN.replace("[run]", '[run]\nscheduler = "null"')), 0);
  assert.equal(switchFlushes(RUN), 0);
});

test("two vCPUs of one domain on one pCPU flush at each turn but the first", () => {
  assert.equal(switchFlushes(RUN.replace("pcpus = 2", "pcpus = 1")), 9);
  const pinned = RUN.replace("vcpus = 2", "vcpus = 2\naffinity = [[1], [1]]");
  assert.equal(switchFlushes(pinned.replace("[run]", '[run]\nscheduler = "affinity"')), 9);
});

test("two domains that take turns on a pCPU flush only where another vCPU of the same domain ran last", () => {
  const other = "\n[[domu]]\nmemory-mib = 2\n";
  const single = RUN.replace("pcpus = 2", "pcpus = 1").replace("vcpus = 2", "vcpus = 1");
  assert.equal(switchFlushes(single.replace("[run]", `${other}[run]`)), 0);
  // d1v0 d1v1 d2v0, again and again in ten slots: at d1v1 each time, at d1v0 each time but the first.
  assert.equal(switchFlushes(RUN.replace("pcpus = 2", "pcpus = 1").replace("[run]", `${other}[run]`)), 3 + 3);
});

test("with a VMID for each vCPU the switch flushes nothing, and a removal each VMID of dom0", () => {
  const toml = SMALL.replace("memory-mib = 16", "memory-mib = 16\nvcpus = 3").replace(
    /lives = 2\ndestroy = true\n/,
    "",
  );
  const { create, run } = summaryOf(scenario(toml), loadPolicy("vmid-per-vcpu"), V2).phases;
  assert.deepEqual(run!.tlbi, {});
  assert.equal(
    create!.tlbi.VMALLS12E1IS,
    3 * (13 + 2 + 2) + 3,
    "three VMIDs for each removal, and three of the new domain",
  );
});
