/** Entries for one address of which a TLB should never hold two: what break-before-make is for (DDI 0487, D8.17, "Using break-before-make"). */
import type { Catalogue } from "./catalogue.js";
import type { Leaf } from "./entry.js";

/** In what two translations of one address differ, so that going from the one to the other takes break-before-make. */
const DIFFERENCES = {
  "output address": (a: Leaf, b: Leaf) => a.page !== b.page,
  "memory type": (a: Leaf, b: Leaf) => a.memory !== b.memory || a.memory2 !== b.memory2,
  "Contiguous bit": (a: Leaf, b: Leaf) => a.contiguous !== b.contiguous || a.contiguous2 !== b.contiguous2,
  "block size": (a: Leaf, b: Leaf) => a.level !== b.level || a.level2 !== b.level2,
} as const;
export type Difference = keyof typeof DIFFERENCES | "global and not global";

/** Two entries that a PE may hold for one address at one time, though they differ in more than permissions. */
export interface Conflict {
  readonly time: number;
  /** ids of combined entries; the older one first, where they are not of one time */
  readonly entries: readonly [number, number];
  readonly differ: readonly Difference[];
  /** the time of the write of a valid descriptor where another was that makes it so; 0: the Contiguous bit is misprogrammed */
  readonly written: number;
}

/** In what two combined entries differ that may not be changed in place. */
function differences(catalogue: Catalogue, a: number, b: number): Difference[] {
  const [one, other] = [catalogue.entries[a]!, catalogue.entries[b]!];
  const [leaf, second] = [catalogue.leaves[one.payload]!, catalogue.leaves[other.payload]!];
  const kinds = Object.keys(DIFFERENCES) as (keyof typeof DIFFERENCES)[];
  const differ: Difference[] = kinds.filter((kind) => DIFFERENCES[kind](leaf, second));
  return (one.asid === -1) === (other.asid === -1) ? differ : [...differ, "global and not global"];
}

/**
 * The first conflict among entries for one address; `written` is the write that makes it one, 0 where there was none: then only a
 * Contiguous bit counts that not all descriptors of a group have (RQTRPM, RNGLXZ).
 */
export function conflictAmong(
  catalogue: Catalogue,
  entries: readonly number[],
  time: number,
  written: number,
): Conflict | undefined {
  const [first, ...others] = entries;
  for (const other of others) {
    const differ = differences(catalogue, first!, other);
    if (written > 0 ? differ.length > 0 : differ.includes("Contiguous bit"))
      return { time, entries: [first!, other], differ, written };
  }
  return undefined;
}

/** Levels of FEAT_BBM with which software may change that in place. Level 1 asks for the nT bit besides where a size changes, which is not modelled. */
const PERMITTED: Readonly<Partial<Record<Difference, number>>> = { "block size": 2, "Contiguous bit": 1 };

/**
 * True where FEAT_BBM of that level lets software change that in place: the PE then uses one of both entries, or takes a TLB conflict
 * abort, and never an amalgam (RKFLJB, RKHRBC, RNGLXZ).
 */
export const isPermitted = ({ differ }: Conflict, bbm: number): boolean =>
  differ.every((one) => bbm >= (PERMITTED[one] ?? 3));
