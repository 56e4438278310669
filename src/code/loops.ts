/** The loops of a function: their heads, and what belongs to each (natural loops). */
import { decodeA64, decodeSysreg, decodeTlbi, endsInException } from "../arch/index.js";
import { type CodeFile, type ElfSymbol, fullAddress } from "../binary/index.js";
import type { Machine } from "./machine.js";
import { number, type Value } from "./value.js";

/** A loop. */
export interface Loop {
  readonly head: number;
  readonly body: ReadonlySet<number>;
}

/** How values that a loop changes call it. */
export const loopName = (head: number): string => `loop ${fullAddress(head)}`;

/** Largest function whose loops are looked for, in instructions. */
const LARGEST = 20_000;

/** Where control may go from an instruction, within the function; alternatives and static keys both ways, calls come back. */
export function successors(code: CodeFile, f: ElfSymbol, address: number): number[] {
  const word = code.word(address);
  if (word === undefined || endsInException(word)) return [];
  const list = successorsOf(word, address);
  const alternative = code.alternatives.get(address);
  if (alternative) {
    // A branch that is put here is meant from where it stands; a callback puts NOPs here.
    const other = alternative.callback === undefined ? code.word(alternative.replacement) : undefined;
    list.push(...(other === undefined ? [address + 4] : successorsOf(other, alternative.replacement, address)));
  }
  const jump = code.jumpLabels.get(address);
  if (jump) list.push(jump.target, address + 4);
  return [...new Set(list)].filter((to) => to >= f.address && to < f.address + f.size);
}

function successorsOf(word: number, from: number, at = from): number[] {
  const does = decodeA64(word, from);
  if (does?.kind !== "branch" || does.call) return [at + 4];
  const target = does.target === undefined ? [] : [does.target];
  return does.condition === undefined ? target : [at + 4, ...target];
}

/** Loops by their heads. */
export function loopsOf(code: CodeFile, f: ElfSymbol): ReadonlyMap<number, Loop> {
  const loops = new Map<number, Set<number>>();
  if (f.size / 4 > LARGEST) return new Map();
  const before = new Map<number, number[]>();
  const state = new Map<number, "open" | "done">();
  const backs: [from: number, head: number][] = [];
  // Depth first without recursion: an edge to what is still open goes round.
  const stack: { readonly at: number; readonly next: number[] }[] = [
    { at: f.address, next: successors(code, f, f.address) },
  ];
  state.set(f.address, "open");
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const to = top.next.pop();
    if (to === undefined) {
      state.set(top.at, "done");
      stack.pop();
      continue;
    }
    before.set(to, [...(before.get(to) ?? []), top.at]);
    const seen = state.get(to);
    if (seen === "open") backs.push([top.at, to]);
    else if (seen === undefined) {
      state.set(to, "open");
      stack.push({ at: to, next: successors(code, f, to) });
    }
  }
  for (const [from, head] of backs) {
    const body = loops.get(head) ?? new Set([head]);
    loops.set(head, body);
    const ring = [from];
    for (let at = ring.pop(); at !== undefined; at = ring.pop()) {
      if (body.has(at)) continue;
      body.add(at);
      ring.push(...(before.get(at) ?? []));
    }
  }
  return new Map([...loops].map(([head, body]) => [head, { head, body }]));
}

/** What a round of a loop may write. */
interface Written {
  readonly grows: ReadonlyMap<number, Value>;
  readonly writes: ReadonlySet<number>;
  readonly stores: readonly Value[];
  readonly all: boolean;
}

/**
 * What a round of a loop may write: registers, and by how much those grow that only have something added once; addresses on the
 * stack; `all`: memory besides. `machine` is the state in which the loop is entered.
 */
export function writtenIn(code: CodeFile, loop: Loop, machine: Machine): Written {
  const count = new Map<number, number>();
  const grows = new Map<number, Value>();
  const by = new Map<number, number>();
  const stores: Value[] = [];
  let all = false;
  const assigned = (rd: number | "sp"): void =>
    void (rd !== "sp" && rd !== 31 && count.set(rd, (count.get(rd) ?? 0) + 1));
  for (const at of loop.body) {
    const does = decodeA64(code.word(at) ?? 0, at);
    const move = decodeSysreg(code.word(at) ?? 0);
    if (move?.reads) assigned(move.rt);
    if (does === undefined) continue;
    if (does.kind === "branch" && does.call) {
      for (let i = 0; i <= 18; i++) count.set(i, 2);
      count.set(30, 2);
      all = true;
    }
    if (does.kind === "load") does.registers.forEach(assigned);
    if (does.kind === "select") assigned(does.rd);
    if ("sets" in does) for (const { rd } of does.sets) assigned(rd);
    if (does.kind === "store") {
      const address = machine.value(does.address);
      if (machine.stackOffset(address) === undefined) all = true;
      else stores.push(address);
    }
    if (does.kind === "compute" && does.sets.length === 1) {
      const [{ rd, value }] = does.sets as [
        { rd: number; value: undefined | { op?: string; of?: readonly unknown[] } },
      ];
      const [left, right] = (value?.op === "add" ? value.of : []) as [
        { reg?: number } | undefined,
        { reg?: number; imm?: bigint } | undefined,
      ];
      if (left?.reg === rd && right && (right.imm !== undefined || right.reg !== undefined))
        grows.set(rd, right.imm !== undefined ? number(right.imm) : machine.read(right.reg!));
      if (left?.reg === rd && right?.reg !== undefined) by.set(rd, right.reg);
    }
  }
  // What is added must be the same in all rounds.
  for (const [register, times] of count) if (times > 1 || count.has(by.get(register) ?? -1)) grows.delete(register);
  return { grows, writes: new Set(count.keys()), stores, all };
}

/** True where a TLBI stands in some of these places, or in what may be put there. */
export const flushesIn = (code: CodeFile, places: Iterable<number>): boolean => {
  for (const at of places) {
    const word = code.word(at);
    if (word !== undefined && decodeTlbi(word)) return true;
  }
  return false;
};
