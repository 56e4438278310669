/**
 * What is injected, executed in the Xen that it was put into, against the policy's own runner: the same TLBIs with the same operands
 * and the same barriers, whatever goes; and where that is not certain, Xen's own flush of the whole VMID.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BARRIERS, type CpuProfile, TLBI_OPS, tlbiIndex } from "../arch/index.js";
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import { Case, type Policy, parsePolicy, type Sequence, unroll } from "../policy/index.js";
import { SLOT } from "./list.js";
import { type Done, Machine } from "./machine.testing.js";
import { injectedInto, skip } from "./xen.testing.js";

const MAX = builtInCpu("arch-maximal");
const N1 = builtInCpu("neoverse-n1");
const P2M = 0x7000_0000;
const OWNER = 0x0002_0000_1234_5000n;

/** An entry that goes: order, and the order of what maps its first page before (less: a table). */
interface Gone {
  readonly gfn: number;
  readonly order: number;
  readonly before?: number;
  /** the block around is split for it, or it is replaced: a flush of break-before-make first */
  readonly breaks?: "split" | "replaced";
  /** false: there was nothing */
  readonly valid?: boolean;
}

/** Executes set_entry for each, then the unlock; what was executed, by step. */
function executed(
  policy: Policy,
  cpu: CpuProfile,
  entries: readonly Gone[],
  prepare: (m: Machine, xen: Xen) => void = () => {},
): Done[][] {
  const xen = injectedInto(policy, cpu);
  const { sites, text } = xen;
  let entry: Gone;
  const steps: Done[][] = [];
  const stub = new Map<number, (m: Machine) => void>([
    [
      sites.getEntry.address,
      (m) => {
        assert.deepEqual([m.registers[0], m.registers[1]], [BigInt(P2M), BigInt(entry.gfn)]);
        m.write(Number(m.registers[4]), 4, BigInt(entry.before ?? entry.order));
        for (let i = 0; i <= 17; i++) m.registers[i] = 0xdead_beef_dead_beefn;
      },
    ],
    [
      sites.setEntry.address + 4,
      (m) => {
        assert.deepEqual(
          [0, 1, 2, 3, 4, 5].map((i) => m.registers[i]),
          setArguments(entry),
        );
        const returnsTo = m.registers[30]!;
        if (entry.breaks) {
          const returns = entry.breaks === "split" ? sites.split : sites.replaced;
          const kept = Object.entries(m.registers).filter(([name]) => !/^([1-4]|30)$/.test(name));
          m.call(sites.flush.in.address, returns);
          assert.deepEqual(
            Object.entries(m.registers).filter(([name]) => !/^([1-4]|30)$/.test(name)),
            kept,
            "FORCE changes X1 to X4 at most",
          );
        }
        if (entry.valid !== false && entry.breaks !== "replaced") m.write(P2M + sites.needFlush, 1, 1n);
        // Its own first instruction moves SP; what it returns is its own too.
        m.registers.sp = m.registers.sp! + xen.frame;
        m.registers[30] = returnsTo;
        for (let i = 0; i <= 17; i++) m.registers[i] = 0xfeed_feed_feed_feedn;
        m.registers[0] = 7n;
      },
    ],
  ]);
  const machine = new Machine(text, stub);
  machine.write(P2M + xen.vttbrOffset, 8, OWNER);
  machine.vttbr = OWNER;
  prepare(machine, xen);
  const take = (): void => void steps.push(machine.done.splice(0));
  for (entry of entries) {
    setArguments(entry).forEach((value, i) => {
      machine.registers[i] = value;
    });
    const sp = machine.registers.sp;
    machine.call(sites.setEntry.address);
    assert.deepEqual([machine.registers[0], machine.registers.sp], [7n, sp], "its result, and the stack as it was");
    take();
  }
  machine.registers[0] = BigInt(P2M);
  machine.call(sites.deferred.in.address);
  take();
  assert.equal(machine.read(P2M + sites.needFlush, 1), 0n, "nothing is pending behind the unlock");
  return steps;
}
type Xen = ReturnType<typeof injectedInto>;

/** Garbage stands above the 32 bits of the order, as the procedure call standard lets it. */
const setArguments = ({ gfn, order }: Gone): bigint[] => [
  BigInt(P2M),
  BigInt(gfn),
  0xabcd_0000_0000n + BigInt(order),
  0x8_1234n,
  5n,
  6n,
];

/** What the policy's runner makes of the same, in the words of {@link Done}. */
function meant(policy: Policy, cpu: CpuProfile, occasion: Injected, ...removed: readonly Gone[]): Done[] {
  const on = new Case();
  for (const { gfn, order, before = order } of removed) on.add(gfn, 2 ** order, -1, 2 ** Math.min(order, before));
  return doneBy(policy, cpu, occasion, on);
}
type Injected = "revoke" | "split" | "vmid-assigned";

const doneBy = (policy: Policy, cpu: CpuProfile, occasion: Injected, on: Case): Done[] =>
  unroll(withinOwner(policy.code[occasion]), on, cpu).map((x): Done => {
    if (x.kind === "tlbi") return ["tlbi", x.op, x.operand];
    if (x.kind === "barrier") return ["barrier", x.barrier];
    throw new Error(`${x.kind} within`);
  });

/** The code is executed with the owner's VTTBR_EL2 in force. */
const withinOwner = (code: Sequence): Sequence => code.flatMap((s) => (s.kind === "with-owner" ? s.body : [s]));

const named = (list: readonly Done[]): string[] =>
  list.map(([kind, what, operand]) =>
    kind === "tlbi"
      ? `${TLBI_OPS[what as number]!.name} 0x${operand!.toString(16)}`
      : kind === "barrier"
        ? BARRIERS[what as number]!.name
        : `VTTBR ${what}`,
  );
const same = (is: readonly Done[], as: readonly Done[], why?: string): void =>
  assert.deepEqual(named(is), named(as), why);
const WHOLE = tlbiIndex("vmalls12e1is")!;
const isWhole = (list: readonly Done[]): boolean => list.some(([kind, op]) => kind === "tlbi" && op === WHOLE);

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

/** A repeatable stream of numbers. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Entries that one lock covers: some runs upwards, some downwards, of pages or blocks, as the list joins them. */
function someRuns(seed: number): { entries: Gone[]; joined: { gfn: number; order: number; count: number }[] } {
  const next = numbers(seed);
  const entries: Gone[] = [];
  const joined = [];
  for (let run = 0; run <= next(8); run++) {
    const order = next(4) === 0 ? 9 : 0;
    const count = 1 + next(order === 9 ? 5 : 90);
    const gfn = (run + 1) * 0x10_000 + next(0x40) * 512;
    const list = Array.from({ length: count }, (_, i): Gone => ({ gfn: gfn + i * 2 ** order, order }));
    entries.push(...(next(2) === 0 ? list : list.reverse()));
    joined.push({ gfn, order, count });
  }
  return { entries, joined };
}

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
