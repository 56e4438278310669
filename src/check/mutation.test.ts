/**
 * Traces of sound policies with one instruction dropped, weakened or moved: each sort of mutant is found, by its right name.
 * The names are those of the rule that the mutant breaks: DDI 0487, D8.16, and the sentences of arm64's own flushes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { barrierIndex, tlbiIndex } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { loadPolicy } from "../catalog/index.js";
import { EventBuffer, KINDS, type Names, nameOf, type TraceSink } from "../trace/index.js";
import { Checker } from "./checker.js";
import { simulateSmall } from "./small.testing.js";

/** A trace as one block, to be copied row by row. */
class Whole implements TraceSink {
  buffer = new EventBuffer(1 << 16);
  names!: Names;
  events(b: EventBuffer, names: Names): void {
    this.buffer.append(b, 0, b.length);
    this.names = names;
  }
}

const wholes = new Map<string, Whole>();
function whole(policy: string, cpu: string): Whole {
  const key = `${policy} ${cpu}`;
  const known = wholes.get(key);
  if (known !== undefined) return known;
  const sink = new Whole();
  simulateSmall(loadPolicy(policy), builtInCpu(cpu), sink);
  wholes.set(key, sink);
  return sink;
}

/** Rows of a trace in an order of one's own, some of them changed. */
class Mutant {
  readonly rows: number[];
  private readonly changes: ((b: EventBuffer, at: (row: number) => number) => void)[] = [];

  constructor(
    private readonly of: Whole,
    private readonly cpu: string,
  ) {
    this.rows = Array.from({ length: of.buffer.length }, (_, i) => i);
  }

  /** The name of a row: "begin hypercall:x", "tlbi VMALLE1IS", "write PTE". */
  name(row: number): string {
    const { buffer: b, names } = this.of;
    return `${KINDS[b.kind[row]!]} ${nameOf(b.kind[row]!, b.code[row]!, names)}`;
  }

  site(row: number): string {
    return this.of.names.list[this.of.buffer.site[row]!]!;
  }

  /** The first row from `from` on with that name, and of that site. */
  find(name: string, from = 0, site?: string): number {
    for (let row = from; row < this.of.buffer.length; row++)
      if (this.name(row) === name && (site === undefined || this.site(row) === site)) return row;
    throw new Error(`no ${name}`);
  }

  drop(row: number): this {
    this.rows.splice(this.rows.indexOf(row), 1);
    return this;
  }

  /** Puts a row behind another one. */
  move(row: number, behind: number): this {
    this.drop(row);
    this.rows.splice(this.rows.indexOf(behind) + 1, 0, row);
    return this;
  }

  change(row: number, how: (b: EventBuffer, i: number) => void): this {
    this.changes.push((b, at) => how(b, at(row)));
    return this;
  }

  becomes(row: number, name: string): this {
    const code = tlbiIndex(name) ?? barrierIndex(name)!;
    return this.change(row, (b, i) => {
      b.code[i] = code;
    });
  }

  /** "kind/reason" of what is found besides waste, the worst first. */
  found(): string[] {
    const b = new EventBuffer(this.rows.length);
    for (const row of this.rows) b.append(this.of.buffer, row, 1);
    for (const change of this.changes) change(b, (row) => this.rows.indexOf(row));
    const checker = new Checker(builtInCpu(this.cpu));
    checker.events(b, this.of.names);
    return checker
      .finish()
      .findings.filter(({ class: of }) => of !== "wasteful")
      .map(({ kind, reason }) => `${kind}/${reason}`);
  }
}

const A72 = "cortex-a72";
const V2 = "neoverse-v2";
const REMOVE = "begin hypercall:XENMEM_remove_from_physmap";
const FLUSH = "tlbi VMALLS12E1IS";
const SWITCH_SITE = "p2m_restore_state";
const SPLIT_SITE = "__p2m_set_entry";

/** A mutant of a policy's trace: what is done to it, and what is found then, first of all. */
interface Sort {
  readonly policy: string;
  readonly cpu?: string;
  readonly make: (m: Mutant) => Mutant;
  readonly found: string;
}

/** A switch in the run, to another vCPU of the domain. */
const flushOfSwitch = (m: Mutant): number => m.find("tlbi VMALLS12E1", 0, SWITCH_SITE);
const next = (m: Mutant, row: number, name: string): number => m.find(name, row + 1);

const SORTS: Readonly<Record<string, Sort>> = {
  "the TLBI gone": {
    policy: "xen-today",
    make: (m) => m.drop(m.find(FLUSH, m.find(REMOVE))),
    found: "reuse-before-flush/no-flush",
  },
  "the TLBI under another VMID": {
    policy: "xen-today",
    make: (m) =>
      m.change(m.find(FLUSH, m.find(REMOVE)), (b, i) => {
        b.vmid[i] = 2;
      }),
    found: "reuse-before-flush/wrong-vmid",
  },
  "the DSB in front gone": {
    policy: "xen-today",
    make: (m) => m.drop(m.find("barrier DSB ISHST", m.find(REMOVE))),
    found: "reuse-before-flush/no-dsb-before",
  },
  "the DSB in front of its own pCPU only": {
    policy: "xen-today",
    make: (m) => m.becomes(m.find("barrier DSB ISHST", m.find(REMOVE)), "DSB NSHST"),
    found: "reuse-before-flush/no-dsb-before",
  },
  "the DSB behind gone": {
    policy: "xen-today",
    make: (m) => m.drop(m.find("barrier DSB ISH", m.find(REMOVE))),
    found: "reuse-before-flush/no-dsb-after",
  },
  "the DSB behind of stores": {
    policy: "xen-today",
    make: (m) => m.becomes(m.find("barrier DSB ISH", m.find(REMOVE)), "DSB ISHST"),
    found: "reuse-before-flush/dsb-of-one-type",
  },
  "the DSB behind of loads": {
    policy: "xen-today",
    make: (m) => m.becomes(m.find("barrier DSB ISH", m.find(REMOVE)), "DSB ISHLD"),
    found: "reuse-before-flush/dsb-of-one-type",
  },
  "the DSB behind too narrow": {
    policy: "xen-today",
    make: (m) => m.becomes(m.find("barrier DSB ISH", m.find(REMOVE)), "DSB NSH"),
    found: "reuse-before-flush/dsb-too-narrow",
  },
  "the DSB behind a DMB": {
    policy: "xen-today",
    make: (m) => m.becomes(m.find("barrier DSB ISH", m.find(REMOVE)), "DMB ISH"),
    found: "reuse-before-flush/no-dsb-after",
  },
  "the whole flush behind the hypercall's return": {
    policy: "xen-today",
    make: (m) =>
      m.move(m.find(FLUSH, m.find(REMOVE)), m.find("end hypercall:XENMEM_remove_from_physmap", m.find(REMOVE))),
    found: "reuse-before-flush/no-flush",
  },
  "the TLBI before the removal": {
    policy: "xen-today",
    make: (m) => m.move(m.find(FLUSH, m.find(REMOVE)), m.find(REMOVE)),
    found: "reuse-before-flush/no-flush",
  },
  "a TLBI of stage 1 only": {
    policy: "xen-today",
    make: (m) => m.becomes(m.find(FLUSH, m.find(REMOVE)), "VMALLE1IS"),
    found: "reuse-before-flush/stage-1-only",
  },
  "a TLBI of EL2's own": {
    policy: "xen-today",
    make: (m) => m.becomes(m.find(FLUSH, m.find(REMOVE)), "ALLE2IS"),
    found: "reuse-before-flush/no-flush",
  },
  "the erratum's repeat gone": {
    policy: "xen-today",
    cpu: V2,
    make: (m) => m.drop(m.find("tlbi VALE2IS", m.find(REMOVE))),
    found: "reuse-before-flush/no-repeat",
  },
  "the repeat's DSB gone": {
    policy: "xen-today",
    cpu: V2,
    make: (m) => m.drop(next(m, m.find("tlbi VALE2IS", m.find(REMOVE)), "barrier DSB ISH")),
    found: "reuse-before-flush/no-repeat",
  },
  "the repeat local": {
    policy: "xen-today",
    cpu: V2,
    make: (m) => m.becomes(m.find("tlbi VALE2IS", m.find(REMOVE)), "VALE2"),
    found: "reuse-before-flush/no-repeat",
  },
  "no stage-1 TLBI behind that by IPA": {
    policy: "kvm-ipa",
    make: (m) => m.drop(m.find("tlbi VMALLE1IS", m.find(REMOVE))),
    found: "reuse-before-flush/stage-2-only",
  },
  "no TLBI by IPA before that of stage 1": {
    policy: "kvm-ipa",
    make: (m) => m.drop(m.find("tlbi IPAS2E1IS", m.find(REMOVE))),
    found: "reuse-before-flush/stage-1-only",
  },
  "no DSB between the two": {
    policy: "kvm-ipa",
    make: (m) => m.drop(next(m, m.find("tlbi IPAS2E1IS", m.find(REMOVE)), "barrier DSB ISH")),
    found: "reuse-before-flush/no-dsb-between",
  },
  "the two the other way round": {
    policy: "kvm-ipa",
    make: (m) => m.move(m.find("tlbi IPAS2E1IS", m.find(REMOVE)), m.find("tlbi VMALLE1IS", m.find(REMOVE))),
    found: "reuse-before-flush/stage-2-only",
  },
  "the next page's IPA": {
    policy: "kvm-ipa",
    make: (m) =>
      m.change(m.find("tlbi IPAS2E1IS", m.find(REMOVE)), (b, i) => {
        b.to[2 * i]!++;
      }),
    found: "reuse-before-flush/missed",
  },
  "a TTL of another level": {
    policy: "kvm-ipa",
    make: (m) =>
      m.change(m.find("tlbi IPAS2E1IS", m.find(REMOVE)), (b, i) => {
        b.to[2 * i + 1] = (b.to[2 * i + 1]! & ~0xf000) | 0x6000; // TTL [47:44] := 4K, level 2
      }),
    found: "reuse-before-flush/missed",
  },
  "the stage-1 TLBI under another VMID": {
    policy: "kvm-ipa",
    make: (m) =>
      m.change(m.find("tlbi VMALLE1IS", m.find(REMOVE)), (b, i) => {
        b.vmid[i] = 2;
      }),
    found: "reuse-before-flush/wrong-vmid",
  },
  "a range that ends before the last pages": {
    policy: "batch-range",
    cpu: V2,
    make: (m) =>
      m.change(m.find("tlbi RIPAS2E1IS"), (b, i) => {
        b.to[2 * i + 1]! -= 1 << 7; // NUM [43:39]
      }),
    found: "reuse-before-flush/missed",
  },
  "a split without its flush": {
    policy: "xen-today",
    make: (m) => m.drop(m.find(FLUSH, m.find("begin phase:run"), SPLIT_SITE)),
    found: "broken-bbm/no-flush",
  },
  "a split whose flush is not complete": {
    policy: "xen-today",
    make: (m) => m.drop(next(m, m.find(FLUSH, m.find("begin phase:run"), SPLIT_SITE), "barrier DSB ISH")),
    found: "broken-bbm/no-dsb-after",
  },
  "a split without its invalid descriptor": {
    policy: "xen-today",
    make: (m) => {
      const flush = m.find(FLUSH, m.find("begin phase:run"), SPLIT_SITE);
      let broken = flush;
      while (m.name(broken) !== "write PTE") broken--;
      const made = m.find("write PTE", flush);
      let old: readonly number[] = [];
      return m
        .change(broken, (b, i) => {
          old = [b.from[2 * i]!, b.from[2 * i + 1]!];
          b.to.set(old, 2 * i);
        })
        .change(made, (b, i) => {
          b.from.set(old, 2 * i);
        });
    },
    found: "broken-bbm/no-flush",
  },
  "no flush at a vCPU switch": {
    policy: "xen-today",
    make: (m) => m.drop(flushOfSwitch(m)),
    found: "vcpu-collision/no-flush",
  },
  "a flush at a vCPU switch that is not complete": {
    policy: "xen-today",
    make: (m) => m.drop(next(m, flushOfSwitch(m), "barrier DSB NSH")),
    found: "vcpu-collision/no-dsb-after",
  },
  "a flush at a vCPU switch with a DSB of stores": {
    policy: "xen-today",
    make: (m) => m.becomes(next(m, flushOfSwitch(m), "barrier DSB NSH"), "DSB NSHST"),
    found: "vcpu-collision/dsb-of-one-type",
  },
  "a flush at a vCPU switch under the former VMID": {
    policy: "xen-today",
    make: (m) =>
      m.change(flushOfSwitch(m), (b, i) => {
        b.vmid[i] = 1;
      }),
    found: "vcpu-collision/wrong-vmid",
  },
};

for (const [name, { policy, cpu = A72, make, found }] of Object.entries(SORTS))
  test(`a mutant is found by its right name: ${name}`, () => {
    assert.equal(make(new Mutant(whole(policy, cpu), cpu)).found()[0], found);
  });

test("none of the traces that mutants are made of has anything but waste", () => {
  for (const [policy, cpu] of [
    ["xen-today", A72],
    ["xen-today", V2],
    ["kvm-ipa", A72],
    ["batch-range", V2],
  ] as const)
    assert.deepEqual(new Mutant(whole(policy, cpu), cpu).found(), []);
  assert.ok(Object.keys(SORTS).length >= 20);
});
