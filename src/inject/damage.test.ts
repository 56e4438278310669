/**
 * Damaged builds: each is refused, or what is put in is the same word for word and does what it is to do. Nothing is guessed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tlbiIndex } from "../arch/index.js";
import type { ElfSymbol, XenFunction, XenText } from "../binary/index.js";
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import { InputError } from "../input/index.js";
import { Machine } from "./machine.testing.js";
import { findCaves, findSpareData } from "./room.js";
import { findXenSites } from "./sites.js";
import { injectedInto, skip, theXen } from "./xen.testing.js";

const NOP = 0xd503201f;
/** MOV X0, X1: in place of a NOP, and of anything. */
const MOV_X0_X1 = 0xaa0103e0;
const MAX = builtInCpu("arch-maximal");
const P2M = 0x7000_0000;
const OWNER = 0x2_0000_1234_5000n;

/** What a damage comes to: refused with these words, or the sites are what they were. */
function outcome(damage: () => () => void): string {
  const { text, sites } = theXen();
  const mend = damage();
  try {
    assert.deepEqual(findXenSites(text), sites);
    return "";
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, /^nothing can be injected into this Xen: [^\n]+$/);
    return error.message;
  } finally {
    mend();
  }
}

/** A word of the build is another one. */
const word = (address: number, to: number) => () => {
  const { text } = theXen();
  const was = text.word(address)!;
  text.patch(address, [to]);
  return () => text.patch(address, [was]);
};

/** With the damage in it, the flush for one page is the policy's with its IPA, or of the whole VMID; whoever's VTTBR_EL2 is in force. */
function flushesAsMeant(address: number, to: number): void {
  const { text, sites, vttbrOffset, vmidOffset } = injectedInto(builtInPolicy("kvm-ipa"), MAX);
  const was = text.word(address)!;
  text.patch(address, [to]);
  const standIns = new Map<number, (m: Machine) => void>([
    [sites.setEntry.address + 4, (m) => setEntry(m)],
    [sites.getEntry.address, (m) => m.write(Number(m.registers[4]), 4, 0n)],
  ]);
  for (const current of [OWNER, 0x1_0000_4321_0000n]) {
    const machine = new Machine(text, standIns);
    machine.write(P2M + vttbrOffset, 8, OWNER);
    machine.write(P2M + vmidOffset, 2, OWNER >> 48n);
    machine.vttbr = current;
    [BigInt(P2M), 0x39001n, 0n, 0n, 0n, 0n].forEach((value, i) => {
      machine.registers[i] = value;
    });
    machine.call(sites.setEntry.address);
    let inForce = current;
    const done = machine.done.flatMap((one) => {
      if (one[0] === "vttbr") inForce = one[1];
      return one[0] === "tlbi" && inForce >> 48n === OWNER >> 48n ? [`${one[1]} ${one[2]}`] : [];
    });
    const one = `${tlbiIndex("ipas2e1is")} ${0x39001n | (7n << 44n)}`;
    assert.ok(done.includes(one) || done.includes(`${tlbiIndex("vmalls12e1is")} 0`), done.join("; "));
  }
  text.patch(address, [was]);

  function setEntry(m: Machine): void {
    const { frame } = injectedInto(builtInPolicy("kvm-ipa"), MAX);
    m.write(P2M + sites.needFlush, 1, 1n);
    m.registers.sp = m.registers.sp! + frame;
  }
}

/** Words on which the injection stands, one at a time. */
function places(): [string, number][] {
  const { text, sites } = theXen();
  const all = (f: XenFunction): [string, number][] =>
    Array.from({ length: f.size / 4 }, (_, i) => [`${f.name}+0x${(4 * i).toString(16)}`, f.address + 4 * i]);
  const split = text.branchesTo(text.functionNamed("p2m_split_superpage")!.address);
  const { vcpu } = sites;
  return [
    ...all(sites.flush.in),
    ...all(sites.deferred.in),
    ...Array.from({ length: (vcpu.end - vcpu.first) / 4 }, (_, i): [string, number] => [
      `switch ${i}`,
      vcpu.first + 4 * i,
    ]),
    ["the call of the split", split.find(({ from }) => text.functionAt(from) === sites.setEntry)!.from],
    ["the flush behind the split", sites.split - 4],
    ["the flush of a replaced entry", sites.replaced - 4],
  ];
}

test("one word damaged, at each place that the injection stands on: refused, or put in as ever and doing what it is to do", {
  skip,
}, (t) => {
  const { text } = theXen();
  const refused: string[] = [];
  const accepted: string[] = [];
  for (const [name, address] of places())
    for (const to of [NOP, MOV_X0_X1]) {
      if (text.word(address) === to) continue;
      if (outcome(word(address, to)) !== "") refused.push(`${name} ${to === NOP}`);
      else {
        accepted.push(`${name} ${to === NOP}`);
        flushesAsMeant(address, to);
      }
    }
  t.diagnostic(`${refused.length} refused, ${accepted.length} harmless: ${accepted.join(", ")}`);
  assert.ok(refused.length >= 40, `${refused.length} refused`);
  const { flush, vcpu, split, replaced } = theXen().sites;
  for (const at of [flush, vcpu])
    for (let i = 0; at.first + 4 * i < at.end; i++)
      if (text.word(at.first + 4 * i) !== NOP)
        assert.notEqual(outcome(word(at.first + 4 * i, NOP)), "", "a word of a flush");
  for (const at of [split, replaced]) assert.match(outcome(word(at - 4, NOP)), /1 flushes and 1 splits/);
});

test("another TLBI, other barriers, another byte, a first instruction that cannot be moved, a branch into the flush: refused", {
  skip,
}, () => {
  const { text, sites } = theXen();
  const { flush, deferred, setEntry, needFlush, vcpu } = sites;
  const branch = (from: number, to: number): number => (0x14000000 | (((to - from) / 4) & 0x3ffffff)) >>> 0;
  const cases: [RegExp, number, number][] = [
    [/has 0 VMALLS12E1IS/, flush.first + 4, 0xd50c839f],
    [/barriers around VMALLS12E1IS/, flush.first, 0xd503369f],
    [/barriers around VMALLS12E1 /, vcpu.end - 8, 0xd5033a9f],
    [/does not clear the byte/, deferred.in.address, text.word(deferred.in.address)! + (1 << 10)],
    [/need_flush/, deferred.in.address, 0x39400021 | (needFlush << 10)],
    [/cannot be moved/, setEntry.address, 0x10000000],
    [/cannot be moved/, setEntry.address, branch(setEntry.address, setEntry.address + 16)],
    [/branches to the second instruction/, setEntry.address + 40, branch(setEntry.address + 40, setEntry.address + 4)],
    [/branches into the flush/, setEntry.address + 40, branch(setEntry.address + 40, flush.first + 8)],
    [/calls functions/, flush.in.address + 4, 0x94000100],
    [/uses the stack/, flush.in.address + 4, 0xf94007e3],
    [/changes X0/, flush.in.address + 4, 0xf9401400],
    [/ways to/, deferred.from - 4, branch(deferred.from - 4, flush.in.address)],
  ];
  for (const [why, address, to] of cases) assert.match(outcome(word(address, to)), why);
});

/** The build without a symbol, or with another one. */
function withSymbols(change: (list: ElfSymbol[]) => ElfSymbol[]): {
  text: XenText;
  elf: Parameters<typeof findCaves>[1];
} {
  const { text, elf } = theXen();
  const symbols = change(elf.symbols());
  const other = Object.create(elf, { symbols: { value: () => symbols } }) as typeof elf;
  const named = new Map(symbols.map((symbol) => [symbol.name, symbol]));
  const without = Object.create(text, {
    functionNamed: { value: (name: string) => (named.has(name) ? text.functionNamed(name) : undefined) },
    variableNamed: { value: (name: string) => (named.has(name) ? text.variableNamed(name) : undefined) },
  }) as XenText;
  return { text: without, elf: other };
}

test("a build without one of the symbols is refused by its name", { skip }, () => {
  const refusal = (name: string, find: (xen: ReturnType<typeof withSymbols>) => unknown): void => {
    const xen = withSymbols((list) => list.filter((symbol) => symbol.name !== name));
    assert.throws(
      () => find(xen),
      (error) => error instanceof InputError && error.message.includes(name),
      name,
    );
  };
  for (const name of [
    "p2m_force_tlb_flush_sync",
    "p2m_tlb_flush_sync",
    "__p2m_set_entry",
    "p2m_restore_state",
    "p2m_split_superpage",
    "p2m_get_entry",
  ])
    refusal(name, ({ text }) => findXenSites(text));
  refusal("key_table", ({ text, elf }) => findCaves(text, elf));
  for (const name of ["__per_cpu_start", "__per_cpu_data_end"])
    refusal(name, ({ text, elf }) => findSpareData(text, elf, 48));
});

test("data that is taken is not used: another hole is, or none", { skip }, () => {
  const { text, elf } = theXen();
  const spare = findSpareData(text, elf, 48);
  const taken = (address: number, size: number): ElfSymbol => ({ name: "taken", address, size, kind: "object" });
  const inIt = (stretch: { first: number; end: number }, at: number): boolean =>
    at >= stretch.first && at < stretch.end;
  for (const symbol of [taken(spare.first, 8), taken(spare.end - 8, 8), taken(spare.first + 40, 0)]) {
    const other = withSymbols((list) => [...list, symbol]);
    const found = findSpareData(other.text, other.elf, 48);
    assert.ok(!inIt(found, symbol.address), JSON.stringify(found));
  }
  assert.throws(() => findSpareData(text, elf, 4096), /no hole of 4096 bytes/);
  // LDR X1, [X1, #...] behind an ADRP of its page: code that uses it.
  const adrp = text.functionNamed("dump_runq")!.address;
  const page = (Math.floor(spare.first / 4096) - Math.floor(adrp / 4096)) | 0;
  const mend = [
    word(adrp, (0x90000001 | ((page & 3) << 29) | (((page >> 2) & 0x7ffff) << 5)) >>> 0)(),
    word(adrp + 4, 0xf9400021 | (((spare.first % 4096) / 8) << 10))(),
  ];
  assert.notDeepEqual(findSpareData(text, elf, 48), spare);
  for (const undo of mend.reverse()) undo();
  assert.deepEqual(findSpareData(text, elf, 48), spare);
});

test("a handler that somebody else reaches gives no room", { skip }, () => {
  const { text, elf, sites } = theXen();
  const [largest] = findCaves(text, elf);
  const from = sites.setEntry.address + 40;
  const mend = word(from, (0x94000000 | (((largest!.address - from) / 4) & 0x3ffffff)) >>> 0)();
  assert.notEqual(findCaves(text, elf)[0]!.name, largest!.name);
  mend();
  assert.equal(findCaves(text, elf)[0]!.name, largest!.name);
});
