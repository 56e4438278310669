/** Which barriers are certain to be executed with a site, so that they can be recorded with it. */
import { barrierFromWord } from "../arch/index.js";
import { storeBarrierAt } from "./flow.js";
import type { StorePlace } from "./stores.js";
import type { XenText } from "./text.js";

/** Barriers that are certain to be executed with a site: indexes in BARRIERS, in code order. */
export interface Barriers {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Most words to look at for barriers on each side. */
const REACH = 16;
const NOP = 0xd503201f;

function barrierAt(text: XenText, address: number): number | undefined {
  const word = text.word(address);
  return word === undefined ? undefined : barrierFromWord(word);
}

/** The barriers of each site. A barrier between two sites is the first one's. */
export function barriersOf(
  text: XenText,
  sites: ReadonlySet<number>,
  stores: ReadonlyMap<number, StorePlace>,
): Map<number, Barriers> {
  const behind = new Map(
    [...sites].map((at) => [at, withDsb(barriersBehind(text, at, sites), stores.get(at)?.closed)]),
  );
  const taken = new Set([...behind.values()].flat());
  const list = new Map<number, Barriers>();
  for (const [at, after] of behind) {
    const straight = barriersBefore(text, at, sites);
    const before = withDsb(straight, stores.get(at)?.opened).filter((barrier) => !taken.has(barrier));
    list.set(at, { before: kinds(text, before), after: kinds(text, after) });
  }
  return list;

  /** The DSBs of a store stand beside it, or behind a check, where only the ways to it tell. */
  function withDsb(straight: number[], onEachWay: readonly number[] = []): number[] {
    if (straight.some((at) => storeBarrierAt(text, at) !== undefined)) return straight;
    // Of several only one is executed: which does not matter where all are the same.
    const one = new Set(onEachWay.map((at) => storeBarrierAt(text, at)));
    return one.size === 1 ? [onEachWay[0]!] : straight;
  }
}

const kinds = (text: XenText, addresses: readonly number[]): number[] => addresses.map((at) => barrierAt(text, at)!);

/** Addresses of barriers on the straight way from a site: no branch away, nothing that joins, no other site between. */
function barriersBehind(text: XenText, address: number, sites: ReadonlySet<number>): number[] {
  const list: number[] = [];
  for (let at = address + 4; at <= address + 4 * REACH; at += 4) {
    if (sites.has(at) || text.branchesTo(at).length > 0 || text.branchAt(at) || text.word(at) === undefined) break;
    if (barrierAt(text, at) !== undefined) list.push(at);
  }
  return list;
}

/** The same on the straight way to it. */
function barriersBefore(text: XenText, address: number, sites: ReadonlySet<number>): number[] {
  const list: number[] = [];
  if (text.branchesTo(address).length > 0) return list;
  for (let at = address - 4; at >= address - 4 * REACH; at -= 4) {
    if (sites.has(at)) return [];
    const barrier = barrierAt(text, at);
    if (barrier === undefined && text.word(at) !== NOP) break;
    if (barrier !== undefined) list.unshift(at);
    if (text.branchesTo(at).length > 0) break;
  }
  return list;
}
