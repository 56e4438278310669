/** Entries for one address of which a TLB should never hold two: what break-before-make is for (DDI 0487, D8.17, "Using break-before-make"). */
import type { Catalogue, Leaf } from "./entry.js";

/** In what two translations of one address differ, so that going from the one to the other takes break-before-make. */
const DIFFERENCES = {
  "output address": (a: Leaf, b: Leaf) => a.page !== b.page,
  "memory type": (a: Leaf, b: Leaf) => a.memory !== b.memory || a.memory2 !== b.memory2,
  "block size": (a: Leaf, b: Leaf) => a.level !== b.level || a.level2 !== b.level2,
} as const;
export type Difference = keyof typeof DIFFERENCES | "global and not global";

/** Two entries that a PE may hold for one address at one time, though they differ in more than permissions. */
export interface Conflict {
  readonly time: number;
  /** ids of combined entries; the older one first, where they are not of one time */
  readonly entries: readonly [number, number];
  readonly differ: readonly Difference[];
  /** the time of the write of a valid descriptor where another was that makes it so */
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

/** The first conflict among entries for one address; `written` is the write that makes it one. */
export function conflictAmong(
  catalogue: Catalogue,
  entries: readonly number[],
  time: number,
  written: number,
): Conflict | undefined {
  const [first, ...others] = entries;
  for (const other of others) {
    const differ = differences(catalogue, first!, other);
    if (differ.length > 0) return { time, entries: [first!, other], differ, written };
  }
  return undefined;
}

/**
 * True where FEAT_BBM of that level lets software change that in place: the size of a block with level 2 (level 1 asks for the nT bit
 * besides, which is not modelled). The PE then uses one of both entries, or takes a TLB conflict abort, and never an amalgam (RKFLJB,
 * RNGLXZ).
 */
export const isPermitted = ({ differ }: Conflict, bbm: number): boolean =>
  differ.every((one) => one === "block size" && bbm === 2);
