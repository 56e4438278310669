/** What a host did for a trace, counted; and the elementary steps of it, for {@link price} to multiply. */

/** How often each elementary step happened, by the key of its price. A missing key is 0. */
export type Amounts<Key extends string = string> = Readonly<Partial<Record<Key, number>>>;

/** The parts of a price; see PriceParts in compare/result.ts. `rest` is not maintenance and stands beside the price. */
export const PARTS = ["trap", "walk", "flush", "refault"] as const;
export type Part = (typeof PARTS)[number];

/** See {@link Counts.noShadow}. */
export interface NoShadow {
  readonly ran: Readonly<Record<string, number>>;
  readonly notRun: Readonly<Record<string, number>>;
}

/** Counts of one trace on one host. All are exact and linear: two traces' counts may be added. */
export interface Counts {
  /** TLBIs that the hypervisor under study executed, by name */
  readonly tlbi: Readonly<Record<string, number>>;
  /** TLBIs that the hardware executed, by name */
  readonly hardwareTlbi: Readonly<Record<string, number>>;
  /** hypercalls, by name (begin marks "hypercall:NAME") */
  readonly hypercalls: Readonly<Record<string, number>>;
  /**
   * TLBIs that found no shadow stage-2 of their VMID, and so cost a trap alone, by VMID ("all": ALLE1*, with no shadow at all):
   * `ran` where its guest had run and the shadow was recycled since, `notRun` where no guest had run under it so far
   */
  readonly noShadow: NoShadow;
  /** traps of TLBIs to the host, slow path and fast path; 0 on bare metal */
  readonly exits: number;
  /**
   * exits to the host by the function of its that handles them (KVM's own names), to be held against a trace of it: TLBIs, shadow
   * faults, and what hypercalls or a trace's own exits tell; none on bare metal
   */
  readonly exitKinds: Readonly<Record<string, number>>;
  /** leaves of shadow stage-2 tables dropped by invalidations and by recycling */
  readonly leavesDropped: number;
  /** shadow stage-2 faults on pages that had been in that shadow before */
  readonly refaults: number;
  /** shadow stage-2 faults on pages that had not */
  readonly firstFaults: number;
  /** elementary steps of each part */
  readonly parts: Readonly<Record<Part, Amounts>>;
  /** elementary steps of the work that no flush causes: hypercall round trips, first faults; undefined where unknown */
  readonly rest: Amounts | undefined;
}

/** Nothing happened, and the rest is unknown. */
export const NO_COUNTS: Counts = {
  tlbi: {},
  hardwareTlbi: {},
  hypercalls: {},
  noShadow: { ran: {}, notRun: {} },
  exits: 0,
  exitKinds: {},
  leavesDropped: 0,
  refaults: 0,
  firstFaults: 0,
  parts: { trap: {}, walk: {}, flush: {}, refault: {} },
  rest: undefined,
};

/** Amounts of several parts added up, in the order of first use. */
export function addAmounts(list: readonly Amounts[]): Amounts {
  const sum: Record<string, number> = {};
  for (const amounts of list)
    for (const [key, n] of Object.entries(amounts) as [string, number][]) sum[key] = (sum[key] ?? 0) + n;
  return sum;
}

/** The positive entries of an array of counts, by name, in the names' order. */
export function byName(counts: ArrayLike<number>, names: (index: number) => string): Record<string, number> {
  const named: Record<string, number> = {};
  for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) named[names(i)] = counts[i]!;
  return named;
}

const plus = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>, sign: 1 | -1) => {
  // A map: the names are a trace's, and may be those of what every object has.
  const sum = new Map(Object.entries(a));
  for (const [key, n] of Object.entries(b)) sum.set(key, (sum.get(key) ?? 0) + sign * n);
  return Object.fromEntries([...sum].filter(([, n]) => n !== 0));
};

/** Counts added up, or with `sign` -1 what came on top of `b`; names that come to 0 are left out. */
export function addCounts(a: Counts, b: Counts, sign: 1 | -1 = 1): Counts {
  const amounts = (x: Amounts, y: Amounts): Amounts =>
    plus(x as Record<string, number>, y as Record<string, number>, sign);
  return {
    tlbi: plus(a.tlbi, b.tlbi, sign),
    hardwareTlbi: plus(a.hardwareTlbi, b.hardwareTlbi, sign),
    hypercalls: plus(a.hypercalls, b.hypercalls, sign),
    noShadow: {
      ran: plus(a.noShadow.ran, b.noShadow.ran, sign),
      notRun: plus(a.noShadow.notRun, b.noShadow.notRun, sign),
    },
    exits: a.exits + sign * b.exits,
    exitKinds: plus(a.exitKinds, b.exitKinds, sign),
    leavesDropped: a.leavesDropped + sign * b.leavesDropped,
    refaults: a.refaults + sign * b.refaults,
    firstFaults: a.firstFaults + sign * b.firstFaults,
    parts: Object.fromEntries(PARTS.map((part) => [part, amounts(a.parts[part], b.parts[part])])) as Counts["parts"],
    rest: a.rest && b.rest ? amounts(a.rest, b.rest) : undefined,
  };
}
