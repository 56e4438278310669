/**
 * What is injected, executed in the Xen that it was put into, against the policy's own runner: the same TLBIs with the same operands
 * and the same barriers, whatever goes; and where that is not certain, Xen's own flush of the whole VMID.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BARRIERS } from "../arch/index.js";
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import { Case, parsePolicy } from "../policy/index.js";
import {
  doneBy,
  executed,
  type Gone,
  isWhole,
  meant,
  OWNER,
  P2M,
  same,
  someRuns,
  type Xen,
} from "./executed.testing.js";
import { SLOT } from "./list.js";
import { Machine } from "./machine.testing.js";
import { injectedInto, skip } from "./xen.testing.js";

const MAX = builtInCpu("arch-maximal");
const N1 = builtInCpu("neoverse-n1");
const kvmIpa = builtInPolicy("kvm-ipa");
const MINE = parsePolicy(
  `name = "mine"
title = "t"
source = "s"
base = "kvm-ipa"
requires = ["FEAT_TLBIRANGE"]
[revoke]
due = "unlock"
code = """
with owner-vmid
  dsb ishst
  if pages <= 600
    for page
      tlbi ipas2e1is, ipa, ttl
    end
    dsb ish
    for entry
      tlbi ipas2le1is, ipa
    end
    tlbi vmalle1is
  else
    for range
      tlbi ripas2e1is, ipa, ttl
    end
    dsb ishst
    tlbi vmalle1is
  end
  dsb ish
  isb
end
"""
[vmid-assigned]
code = """
with owner-vmid
  dsb ish
  tlbi alle1is
  dsb ish
end
"""
`,
  "mine.toml",
  builtInPolicy,
);

const PAGE: Gone = { gfn: 0x39001, order: 0 };
const BLOCK: Gone = { gfn: 0x39200, order: 9 };
const HUGE: Gone = { gfn: 0x40000, order: 18 };

test("code that is due at once runs for each entry with its IPA and level, and nothing is left for the unlock", {
  skip,
}, () => {
  for (const cpu of [MAX, N1])
    for (const policy of [kvmIpa, builtInPolicy("kvm-ipa-no-ttl"), builtInPolicy("series-v1")])
      for (const entry of [PAGE, BLOCK, HUGE, { ...PAGE, gfn: 2 ** 36 - 1 }]) {
        if (policy.name === "series-v1" && entry.order === 18) continue;
        const [now, unlock] = executed(policy, cpu, [entry]);
        same(now!, meant(policy, cpu, "revoke", entry), `${policy.name} ${cpu.name} ${entry.order}`);
        same(unlock!, []);
      }
});

test("an entry that was not valid is flushed neither at once nor at the unlock", { skip }, () => {
  for (const policy of [kvmIpa, MINE, builtInPolicy("kvm-ipa-range")])
    assert.deepEqual(executed(policy, MAX, [{ ...PAGE, valid: false }]), [[], []]);
});

test("a table that goes ends in Xen's own flush where one invalidation would be for one leaf, and is gone over where all pages are", {
  skip,
}, () => {
  const table: Gone = { ...BLOCK, before: 0 };
  assert.ok(isWhole(executed(kvmIpa, MAX, [table])[0]!));
  assert.ok(isWhole(executed(MINE, MAX, [table])[1]!));
  for (const name of ["kvm-ipa-range", "series-v3-patch1"])
    same(executed(builtInPolicy(name), MAX, [table])[1]!, meant(builtInPolicy(name), MAX, "revoke", table));
});

test("a split and a replaced entry have the split code, of the block and of the entry, with registers kept", {
  skip,
}, () => {
  const inBlock: Gone = { gfn: 0x39234, order: 0, before: 9, breaks: "split" };
  const [now] = executed(kvmIpa, MAX, [inBlock]);
  const split = meant(kvmIpa, MAX, "split", { gfn: 0x39200, order: 9 });
  same(now!, [...split, ...meant(kvmIpa, MAX, "revoke", { gfn: 0x39234, order: 0 })]);
  same(executed(kvmIpa, MAX, [{ ...PAGE, breaks: "replaced" }])[0]!, meant(kvmIpa, MAX, "split", PAGE));
  assert.ok(isWhole(executed(kvmIpa, MAX, [{ ...BLOCK, before: 0, breaks: "replaced" }])[0]!), "a table is replaced");
  assert.ok(isWhole(executed(builtInPolicy("series-v3-patch1"), MAX, [inBlock])[0]!), "its split is Xen's own");
});

test("what one lock covers is listed, joined upwards and downwards, and flushed once with the runner's operands", {
  skip,
}, () => {
  for (const policy of [builtInPolicy("kvm-ipa-range"), MINE, builtInPolicy("series-v3-patch2")])
    for (let seed = 1; seed <= 12; seed++) {
      const { entries, joined } = someRuns(seed);
      const steps = executed(policy, MAX, entries);
      const on = new Case();
      for (const { gfn, order, count } of joined)
        for (let i = 0; i < count; i++) on.add(gfn + i * 2 ** order, 2 ** order, -1);
      const expected = doneBy(policy, MAX, "revoke", on);
      assert.ok(steps.slice(0, -1).every((step) => step.length === 0));
      same(steps.at(-1)!, expected, `${policy.name}, seed ${seed}`);
    }
});

test("a list that is full, or counts too many pages, ends in Xen's own flush, and the next lock begins anew", {
  skip,
}, () => {
  const policy = builtInPolicy("kvm-ipa-range");
  const apart = (n: number): Gone[] => Array.from({ length: n }, (_, i) => ({ gfn: 0x1000 + 2 * i, order: 0 }));
  const most = injectedInto(policy, MAX).records;
  assert.ok(most >= 2);
  assert.ok(!isWhole(executed(policy, MAX, apart(most)).at(-1)!), "as many as there is room for");
  assert.ok(isWhole(executed(policy, MAX, apart(most + 1)).at(-1)!), "one more");
  assert.ok(!isWhole(executed(policy, MAX, [HUGE]).at(-1)!), "2^18 pages");
  assert.ok(isWhole(executed(policy, MAX, [HUGE, { ...HUGE, gfn: 0x80000 }]).at(-1)!), "2^19 pages");
});

test("whatever is not certain ends in Xen's own flush: another's list, a flag that somebody set, an entry that cannot be", {
  skip,
}, () => {
  const policy = builtInPolicy("kvm-ipa-range");
  const slot = (m: Machine, xen: Xen): number => Number(m.tpidr) + xen.slot;
  const set = (m: Machine, xen: Xen, value: bigint) => m.write(P2M + xen.sites.needFlush, 1, value);
  const doubts: Readonly<Record<string, [(m: Machine, xen: Xen) => void, Gone]>> = {
    "another p2m's list on the pCPU": [(m, xen) => m.write(slot(m, xen) + SLOT.p2m, 8, 0x1234n), PAGE],
    "something is pending that is not listed": [(m, xen) => set(m, xen, 1n), PAGE],
    "the flag says listed, the list is another's": [
      (m, xen) => {
        set(m, xen, 3n);
        m.write(slot(m, xen) + SLOT.p2m, 8, 0x1234n);
      },
      PAGE,
    ],
    "the flag says listed, there is no list": [(m, xen) => set(m, xen, 3n), PAGE],
    "a gfn beyond what an IPA can have": [() => {}, { gfn: 2 ** 36, order: 0 }],
    "an order that no entry has": [() => {}, { gfn: 0, order: 27 }],
  };
  for (const [what, [prepare, entry]] of Object.entries(doubts))
    assert.ok(isWhole(executed(policy, MAX, [entry], prepare).at(-1)!), what);
  for (const gone of [
    { gfn: 2 ** 36, order: 0 },
    { gfn: 0, order: 27 },
  ])
    assert.ok(isWhole(executed(kvmIpa, MAX, [gone])[0]!), "at once, too");
});

test("VTTBR_EL2 is the owner's around the policy's code where it is not in force, by Xen's own words", { skip }, () => {
  const [now] = executed(kvmIpa, MAX, [PAGE], (m) => {
    m.vttbr = 0x0001_0000_4321_0000n;
  });
  const isb = BARRIERS.findIndex(({ kind }) => kind === "ISB");
  same(now!, [
    ["vttbr", OWNER],
    ["barrier", isb],
    ...meant(kvmIpa, MAX, "revoke", PAGE),
    ["vttbr", 0x0001_0000_4321_0000n],
    ["barrier", isb],
  ]);
});

test("what was pending before a break-before-make is flushed at the unlock all the same", { skip }, () => {
  const policy = builtInPolicy("kvm-ipa-range");
  const replaced: Gone = { gfn: 0x5000, order: 0, breaks: "replaced" };
  const steps = executed(policy, MAX, [PAGE, replaced]);
  same(steps[0]!, []);
  same(steps[1]!, meant(policy, MAX, "split", replaced));
  same(steps[2]!, meant(policy, MAX, "revoke", PAGE));
});

test("a policy that flushes nothing leaves nothing pending, and one of a VMID's own has it where Xen gives one out", {
  skip,
}, () => {
  assert.deepEqual(executed(builtInPolicy("remove-no-flush"), MAX, [PAGE, BLOCK]), [[], [], []]);
  const xen = injectedInto(MINE, MAX);
  assert.equal(xen.sites.assigned.length, 2);
  const machine = new Machine(xen.text, new Map());
  machine.registers[0] = BigInt(P2M);
  machine.call(xen.sites.flush.in.address, xen.sites.assigned[0]);
  same(machine.done, meant(MINE, MAX, "vmid-assigned"));
});
