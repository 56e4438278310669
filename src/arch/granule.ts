/** The shape of translation tables of a granule, as walks and entries see it. Pages are of 4 KiB, whatever the granule is. */
import { bitsPerLevel, contiguousLeaves, levelShift, minBlockLevel } from "./geometry.js";
import type { GranuleBits } from "./operand.js";

/** Granules as options and files name them. */
export const GRANULE_WORDS = { "4K": 12, "16K": 14, "64K": 16 } as const satisfies Record<string, GranuleBits>;
export type GranuleWord = keyof typeof GRANULE_WORDS;
/** The word for a granule, of 4 KiB where none is said. */
export const granuleWord = (bits: GranuleBits = 12): GranuleWord =>
  (Object.keys(GRANULE_WORDS) as GranuleWord[]).find((word) => GRANULE_WORDS[word] === bits)!;

/** What a granule makes of tables. */
export interface Granule {
  readonly bits: GranuleBits;
  /** level of the root's descriptors: of stage 1, and of stage 2 */
  readonly first1: number;
  readonly first2: number;
  /** descriptors of a table */
  readonly entries: number;
  /** the lowest level that may hold a block */
  readonly block: number;
  /** pages of 4 KiB that a descriptor of a level covers */
  readonly pages: readonly number[];
  /** descriptors of a contiguous group, by level */
  readonly group: readonly number[];
}

const granule = (bits: GranuleBits, first1: number, first2: number): Granule => ({
  bits,
  first1,
  first2,
  entries: 2 ** bitsPerLevel(bits),
  block: minBlockLevel(bits),
  pages: [0, 1, 2, 3].map((level) => 2 ** (levelShift(level, bits) - 12)),
  group: [0, 1, 2, 3].map((level) => contiguousLeaves(level, bits)),
});

/**
 * Tables of 48-bit addresses (D8.2): with 4 KiB both stages begin at level 0, with 64 KiB at level 1. With 16 KiB stage 1 begins at level
 * 0, stage 2, which may not, at level 1 with 47-bit IPAs.
 */
export const GRANULES: Readonly<Record<GranuleBits, Granule>> = {
  12: granule(12, 0, 0),
  14: granule(14, 0, 1),
  16: granule(16, 1, 1),
};
