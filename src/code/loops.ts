/** The loops of a function: their heads, and what belongs to each (natural loops). */
import { decodeA64, decodeTlbi, endsInException } from "../arch/index.js";
import type { CodeFile, ElfSymbol } from "../binary/index.js";

/** A loop. */
export interface Loop {
  readonly head: number;
  readonly body: ReadonlySet<number>;
}

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

/** True where a TLBI stands in some of these places, or in what may be put there. */
export const flushesIn = (code: CodeFile, places: Iterable<number>): boolean => {
  for (const at of places) {
    const word = code.word(at);
    if (word !== undefined && decodeTlbi(word)) return true;
  }
  return false;
};
