/** Granules, levels, start level and concatenation of stage-2 tables (DDI 0487, D8.2). */
import type { GranuleBits } from "./operand.js";

/** Bits of address that one level resolves: 9, 11, 13. */
export const bitsPerLevel = (granuleBits: GranuleBits): number => granuleBits - 3;

/** log2 of the bytes that one entry of a level covers: 4 KiB granule: 39, 30, 21, 12 for levels 0 to 3. */
export const levelShift = (level: number, granuleBits: GranuleBits = 12): number =>
  granuleBits + (3 - level) * bitsPerLevel(granuleBits);

/** The lowest level that may hold a block (that of FEAT_LPA2 apart, and of 64 KiB with FEAT_LPA): 1 GiB with 4 KiB, 32 MiB with 16 KiB, 512 MiB with 64 KiB. */
export const minBlockLevel = (granuleBits: GranuleBits): 1 | 2 => (granuleBits === 12 ? 1 : 2);

/**
 * Descriptors of a group whose leaves have the Contiguous bit, so that a TLB may hold one entry for all of them (D8.7.1): 16 with 4 KiB,
 * 128 pages or 32 blocks with 16 KiB, 32 with 64 KiB.
 */
export const contiguousLeaves = (level: number, granuleBits: GranuleBits): number =>
  granuleBits === 12 ? 16 : granuleBits === 14 && level === 3 ? 128 : 32;

/** Addresses and IPAs beyond 48 bits are of FEAT_LPA2 with 4 and 16 KiB granules, and of FEAT_LPA with 64 KiB. */
export function ipaFeature(ipaBits: number, granuleBits: GranuleBits): "FEAT_LPA" | "FEAT_LPA2" | undefined {
  if (ipaBits <= 48) return undefined;
  return granuleBits === 16 ? "FEAT_LPA" : "FEAT_LPA2";
}

/** The uppermost start level: -1 with 4 KiB (FEAT_LPA2, above 48 bits), 0 with 16 KiB, 1 with 64 KiB. */
const UPPERMOST_START: Record<GranuleBits, number> = { 12: -1, 14: 0, 16: 1 };

/** The shape of a stage-2 table for an input size. */
export interface Stage2Geometry {
  readonly ipaBits: number;
  readonly granuleBits: GranuleBits;
  /** -1 to 2 */
  readonly startLevel: number;
  /** levels walked, start level to 3 */
  readonly levels: number;
  /** root tables side by side, 1 to 16 */
  readonly concatenated: number;
}

/**
 * The stage-2 geometry of `ipaBits` (32 to 52; see {@link ipaFeature}): with the start level given, or the fewest levels that
 * concatenation of up to 16 root tables allows (Linux's stage2_pgtable_levels, at least two): 52 bits with 4 KiB are sixteen
 * tables at level 0, so that only who asks for it starts at level -1. Throws a RangeError for a shape that the architecture
 * does not have.
 */
export function stage2Geometry(ipaBits: number, granuleBits: GranuleBits = 12, startLevel?: number): Stage2Geometry {
  if (!Number.isInteger(ipaBits) || ipaBits < 32 || ipaBits > 52)
    throw new RangeError(`${ipaBits} IPA bits, expected 32 to 52 with a ${2 ** (granuleBits - 10)} KiB granule`);
  const per = bitsPerLevel(granuleBits);
  const fewest = Math.max(2, Math.ceil((ipaBits - 4 - granuleBits) / per));
  const start = startLevel ?? 4 - fewest;
  const levels = 4 - start;
  const concatenated = Math.max(1, 2 ** (ipaBits - granuleBits - levels * per));
  if (
    !Number.isInteger(start) ||
    start < UPPERMOST_START[granuleBits] ||
    start > 2 ||
    concatenated > 16 ||
    ipaBits - levelShift(start, granuleBits) < 1
  )
    throw new RangeError(`start level ${start} cannot translate ${ipaBits} IPA bits`);
  return { ipaBits, granuleBits, startLevel: start, levels, concatenated };
}
