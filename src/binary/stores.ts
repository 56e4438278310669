/**
 * Where Xen writes stage-2 descriptors: 64-bit stores with a DSB on the way to them and another on the way from them, as
 * write_pte has them (asm/arm64/page.h), wherever the compiler puts checks, spills and other instructions between.
 */
import { decodeStores, storesPerhaps } from "../arch/index.js";
import { barriersMet, storeBarrierAt } from "./flow.js";
import type { XenFunction, XenText } from "./text.js";

/** A place where a descriptor is written. */
export interface StorePlace {
  readonly address: number;
  readonly in: XenFunction;
  /** addresses of DSBs that are executed with it, whichever way is taken */
  readonly opened: readonly number[];
  readonly closed: readonly number[];
  /** true in a function that serves others as well: it is one of the p2m's when a p2m function has called */
  readonly shared: boolean;
}

/** What was looked for, and what was found. */
export interface StorePlaces {
  /** places that can be followed */
  readonly found: readonly StorePlace[];
  /** places that cannot: "FUNCTION+0xOFFSET (why)" */
  readonly lost: readonly string[];
  /** functions that write descriptors in Xen's source, and in which (and in what they call) no place was found */
  readonly without: readonly string[];
  /** places in functions of which none is the p2m's, by function: Xen's own tables */
  readonly elsewhere: Readonly<Record<string, number>>;
}

/** Xen's stage 2 is its p2m; its own tables are written by the same inline function (write_pte). */
export const isP2m = (f: XenFunction): boolean => f.name.includes("p2m");

/** Functions that write descriptors, themselves or by static ones: xen/arch/arm/p2m.c, since 4.20 mmu/p2m.c. */
const WRITERS = [
  "__p2m_set_entry",
  "p2m_set_entry",
  "p2m_split_superpage",
  "p2m_next_level",
  "p2m_create_table",
  "p2m_write_pte",
  "p2m_remove_pte",
  "p2m_invalidate_table",
  "p2m_invalidate_root",
  "p2m_resolve_translation_fault",
];

interface Bracketed {
  readonly address: number;
  readonly in: XenFunction;
  readonly opens: ReadonlyMap<number, number>;
  readonly closes: ReadonlyMap<number, number>;
  readonly opened: readonly number[];
  readonly closed: readonly number[];
  /** 0: between two DSBs that are its neighbours; 1: the second is; 2: neither is certain to be */
  readonly looseness: number;
  /** what it stores is known before it is executed */
  readonly certain: boolean;
}

/** Finds them. `stop`: addresses of TLBIs and of writes of VTTBR_EL2, over which no way leads. */
export function findStores(text: XenText, stop: ReadonlySet<number>): StorePlaces {
  const all: Bracketed[] = [];
  text.forEachWord((word, address) => {
    const certain = decodeStores(word).length > 0;
    const f = certain || storesPerhaps(word) ? text.functionAt(address) : undefined;
    // Replacements of alternatives stand outside every function. What SP points to is no table; what was put in writes none.
    if (!f || ((word >>> 5) & 31) === 31 || text.injectedAt(address) !== undefined) return;
    const place = bracketed(text, f, address, stop);
    if (place) all.push({ ...place, certain });
  });
  const places = withoutNeighbours(all);
  const found: StorePlace[] = [];
  const lost: string[] = [];
  const elsewhere: Record<string, number> = Object.create(null) as Record<string, number>;
  for (const { address, in: f, opened, closed, certain } of places) {
    const why = lostBecause(text, f, certain);
    if (!isP2m(f) && !calledByP2m(text, f)) elsewhere[f.name] = (elsewhere[f.name] ?? 0) + 1;
    else if (why !== undefined) lost.push(`${f.name}+0x${(address - f.address).toString(16)} (${why})`);
    else found.push({ address, in: f, opened, closed, shared: !isP2m(f) });
  }
  return { found, lost, without: withoutAny(text, new Set(found.map(({ in: f }) => f))), elsewhere };
}

function lostBecause(text: XenText, f: XenFunction, certain: boolean): string | undefined {
  if (!certain) return "an atomic operation: what it stores is not known before it is executed";
  // Whose store it is tells X30, which a function that calls others has somewhere else.
  return isP2m(f) || text.isLeaf(f) ? undefined : "a function that serves others than the p2m too, and calls functions";
}

/** Most callers of a function that does nothing but write descriptors; one with more serves everybody. */
const MOST_CALLERS = 16;

function calledByP2m(text: XenText, f: XenFunction): boolean {
  const callers = text.callersOf(f);
  return callers.length <= MOST_CALLERS && callers.some(isP2m);
}

function bracketed(
  text: XenText,
  f: XenFunction,
  address: number,
  stop: ReadonlySet<number>,
): Omit<Bracketed, "certain"> | undefined {
  const closing = barriersMet(text, f, address, "down", stop);
  if (closing.barriers.size === 0) return undefined;
  const opening = barriersMet(text, f, address, "up", stop);
  const kinds = new Set([...closing.barriers.keys()].map((at) => storeBarrierAt(text, at)));
  // write_pte's two are of one kind; the DSB ISHST before a TLBI and the DSB ISH behind it are not.
  const opens = new Map([...opening.barriers].filter(([at]) => kinds.has(storeBarrierAt(text, at))));
  if (opens.size === 0) return undefined;
  const [near, behind] = [opens.has(address - 4), closing.barriers.has(address + 4)];
  return {
    address,
    in: f,
    opens,
    closes: closing.barriers,
    opened: opening.all ? [...opening.barriers.keys()] : [],
    closed: closing.all ? [...closing.barriers.keys()] : [],
    looseness: near && behind ? 0 : behind ? 1 : 2,
  };
}

/** Without those between the second DSB of one store and the first of another, where one of these is tighter. */
function withoutNeighbours(all: readonly Bracketed[]): Bracketed[] {
  const opens = new Map<number, number>();
  const closes = new Map<number, number>();
  const least = (map: Map<number, number>, at: number, looseness: number): void =>
    void map.set(at, Math.min(map.get(at) ?? looseness, looseness));
  for (const { opens: o, closes: c, looseness } of all) {
    for (const at of o.keys()) least(opens, at, looseness);
    for (const at of c.keys()) least(closes, at, looseness);
  }
  return all.filter(
    ({ opens: o, closes: c, looseness }) =>
      [...o.keys()].some((at) => (closes.get(at) ?? looseness) >= looseness) &&
      [...c.keys()].some((at) => (opens.get(at) ?? looseness) >= looseness),
  );
}

/** The writers of this build that have no place of theirs and call no function that has one. */
function withoutAny(text: XenText, writing: ReadonlySet<XenFunction>): string[] {
  const called = new Set([...writing].flatMap((f) => text.callersOf(f)));
  const twice = new Set([...called].flatMap((f) => text.callersOf(f)));
  return text.functions
    .filter(
      (f) => WRITERS.includes(f.name.replace(/\.(part|constprop|isra|cold)\b.*$/, "")) && !f.name.includes(".cold"),
    )
    .filter((f) => !writing.has(f) && !called.has(f) && !twice.has(f))
    .map(({ name }) => name);
}

/** The sentences about what was not found; none where all was. */
export function storesUnknown({ found, lost, without }: StorePlaces): string[] {
  const of = found.length + lost.length;
  if (of === 0) return ["stage-2 descriptor writes: no p2m function has a 64-bit store between two DSBs"];
  return [
    ...(lost.length === 0
      ? []
      : [`stage-2 descriptor writes: ${found.length} of ${of} places are followed; not ${lost.join(", ")}`]),
    ...(without.length === 0
      ? []
      : [`stage-2 descriptor writes of ${without.join(", ")}: no 64-bit store between two DSBs there`]),
  ];
}
