/** Where control may go within a function: the next instructions, and those before, without calls. */
import { accessesMemory, accessesStack, BARRIERS, barrierFromWord, endsInException } from "../arch/index.js";
import type { XenFunction, XenText } from "./text.js";

/** Most instructions on a way from one place to another. */
const REACH = 32;

/** The barrier at an address (index in BARRIERS), where that is a DSB that waits for stores; undefined for anything else. */
export function storeBarrierAt(text: XenText, address: number): number | undefined {
  const word = text.word(address);
  const barrier = word === undefined ? undefined : barrierFromWord(word);
  if (barrier === undefined) return undefined;
  const { kind, type } = BARRIERS[barrier]!;
  return kind === "DSB" && type !== "LD" ? barrier : undefined;
}

/** Addresses in the function that may be next; none behind a call, which may do anything. */
function after(text: XenText, f: XenFunction, address: number): number[] {
  const word = text.word(address);
  if (word === undefined || endsInException(word)) return [];
  const branch = text.branchAt(address);
  const list = branch === undefined || branch.conditional ? [address + 4] : [];
  if (branch?.target !== undefined && !branch.call) list.push(branch.target);
  return list.filter((next) => next >= f.address && next < f.address + f.size);
}

/** Addresses in the function that may be before. */
function before(text: XenText, f: XenFunction, address: number): number[] {
  const from = text.branchesTo(address).flatMap(({ from, call }) => (call ? [] : [from]));
  return [...new Set([address - 4, ...from])].filter(
    (last) => last >= f.address && last < f.address + f.size && after(text, f, last).includes(address),
  );
}

/** Barriers that ways from a place come to first, with how far they are; `all`: each way comes to one. */
interface Met {
  /** by address: instructions on the shortest way */
  readonly barriers: ReadonlyMap<number, number>;
  readonly all: boolean;
}

/**
 * Follows each way from a place up or down to the first DSB on it. A way ends without one at a call, a return, a `stop`,
 * and where memory other than the stack is accessed: no compiler moves that over a barrier, so between the two of a
 * store (write_pte, asm/arm64/page.h) there is nothing but the store, whatever is checked and spilled, and wherever the
 * compiler has put one block for several.
 */
export function barriersMet(
  text: XenText,
  f: XenFunction,
  place: number,
  way: "up" | "down",
  stop: ReadonlySet<number>,
): Met {
  const next = way === "up" ? before : after;
  const barriers = new Map<number, number>();
  const seen = new Set([place]);
  let ring = [place];
  let all = true;
  for (let steps = 1; ring.length > 0; steps++) {
    const further = new Set<number>();
    for (const at of ring) {
      const list = next(text, f, at);
      // Up, the function's first instruction and what is branched to from elsewhere are ways in as well.
      if (list.length === 0 || (way === "up" && entered(text, f, at))) all = false;
      for (const to of list) {
        if (storeBarrierAt(text, to) !== undefined) {
          if (!barriers.has(to)) barriers.set(to, steps);
          continue;
        }
        const word = text.word(to)!;
        if (steps >= REACH || stop.has(to) || (accessesMemory(word) && !accessesStack(word))) all = false;
        else if (!seen.has(to)) {
          seen.add(to);
          further.add(to);
        }
      }
    }
    ring = [...further];
  }
  return { barriers, all: all && barriers.size > 0 };
}

/** True where control may come from somewhere that {@link before} does not name. */
function entered(text: XenText, f: XenFunction, address: number): boolean {
  const known = before(text, f, address);
  return address === f.address || text.branchesTo(address).some(({ from }) => !known.includes(from));
}
