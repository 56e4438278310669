/**
 * What is injected, executed in the Xen that it was put into: calls of __p2m_set_entry and the unlock behind them, beside what the
 * policy's own runner makes of the same.
 */
import assert from "node:assert/strict";
import { BARRIERS, type CpuProfile, TLBI_OPS, tlbiIndex } from "../arch/index.js";
import { Case, type Policy, type Sequence, unroll } from "../policy/index.js";
import { type Done, Machine } from "./machine.testing.js";
import { injectedInto, type OpenedXen } from "./xen.testing.js";

export const P2M = 0x7000_0000;
export const OWNER = 0x0002_0000_1234_5000n;

/** An entry that goes: order, and the order of what maps its first page before (less: a table). */
export interface Gone {
  readonly gfn: number;
  readonly order: number;
  readonly before?: number;
  /** the block around is split for it, or it is replaced: a flush of break-before-make first */
  readonly breaks?: "split" | "replaced";
  /** false: there was nothing */
  readonly valid?: boolean;
}

/** Executes set_entry for each, then the unlock; what was executed, by step. */
export function executed(
  policy: Policy,
  cpu: CpuProfile,
  entries: readonly Gone[],
  prepare: (m: Machine, xen: Xen) => void = () => {},
  build?: OpenedXen,
): Done[][] {
  const xen = injectedInto(policy, cpu, build);
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
export type Xen = ReturnType<typeof injectedInto>;

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
export function meant(policy: Policy, cpu: CpuProfile, occasion: Injected, ...removed: readonly Gone[]): Done[] {
  const on = new Case();
  for (const { gfn, order, before = order } of removed) on.add(gfn, 2 ** order, -1, 2 ** Math.min(order, before));
  return doneBy(policy, cpu, occasion, on);
}
type Injected = "revoke" | "split" | "vmid-assigned";

export const doneBy = (policy: Policy, cpu: CpuProfile, occasion: Injected, on: Case): Done[] =>
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
export const same = (is: readonly Done[], as: readonly Done[], why?: string): void =>
  assert.deepEqual(named(is), named(as), why);
const WHOLE = tlbiIndex("vmalls12e1is")!;
export const isWhole = (list: readonly Done[]): boolean => list.some(([kind, op]) => kind === "tlbi" && op === WHOLE);

/** A repeatable stream of numbers. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Entries that one lock covers: some runs upwards, some downwards, of pages or blocks, as the list joins them. */
export function someRuns(seed: number): { entries: Gone[]; joined: { gfn: number; order: number; count: number }[] } {
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
