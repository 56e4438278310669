/**
 * Translation table descriptors of the VMSAv8-64 long format (DDI 0487, D8.3), as two 32-bit halves. Addresses are page
 * numbers of 4 KiB; output addresses up to 48 bits.
 */
import { pageHi, pageLo } from "./address.js";

/** Bit 0: the descriptor is valid. */
export const VALID = 1;
/** Bit 1: a table (levels 0 to 2) or a page (level 3); 0 = a block. */
export const TABLE_OR_PAGE = 2;
/** Bit 10: the access flag. */
export const AF = 1 << 10;
/** Bits [9:8], shareability: inner shareable. */
export const SH_INNER = 3 << 8;
/** Stage 2: S2AP read and write, bits 6 and 7. */
export const S2AP_R = 1 << 6;
export const S2AP_W = 1 << 7;
/** Stage 2: MemAttr [5:2], Normal write-back. */
export const S2_MEMATTR_WB = 0xf << 2;
/** Stage 2: MemAttr [5:2], Device-nGnRE. */
export const S2_MEMATTR_DEVICE = 0x1 << 2;
/** Stage 1: nG, bit 11: not global, tagged with the ASID. */
export const NG = 1 << 11;
/** Stage 1: AP[2] (read-only) and AP[1] (EL0 may access), bits 7 and 6. */
export const AP_RO = 1 << 7;
export const AP_EL0 = 1 << 6;
/** Bit 54 in the high half: XN (stage 2: XN[1]; stage 1: UXN). */
export const XN_HI = 1 << (54 - 32);
/** Bit 52 in the high half: the contiguous hint. */
export const CONTIG_HI = 1 << (52 - 32);
/** Bits [58:55] for software, as a shift in the high half; Xen keeps the p2m type here. */
export const SOFTWARE_SHIFT_HI = 55 - 32;

type DescriptorKind = "invalid" | "table" | "block" | "page";

/** What a descriptor is at a level. Reserved encodings (a block at level 3 or at level 0) fault like invalid ones. */
export function descriptorKind(lo: number, level: number): DescriptorKind {
  if ((lo & VALID) === 0) return "invalid";
  if ((lo & TABLE_OR_PAGE) !== 0) return level === 3 ? "page" : "table";
  return level === 1 || level === 2 ? "block" : "invalid";
}

/** The page number in bits [47:12]: next-level table, block base or page. */
export const outputPage = (lo: number, hi: number): number => (hi & 0xffff) * 0x10_0000 + (lo >>> 12);

/** A valid leaf at a level with attributes in bits [11:2] and [63:50] (`low`, and `high` as bits of the high half). */
export const leafLo = (page: number, level: number, low: number): number =>
  (pageLo(page) | low | VALID | (level === 3 ? TABLE_OR_PAGE : 0)) >>> 0;
export const leafHi = (page: number, high: number): number => ((pageHi(page) & 0xffff) | high) >>> 0;

/** 4 KiB pages that a leaf at a level maps (4 KiB granule): 1, 512 or 262,144 (2^27 at level 0). */
export const pagesAtLevel = (level: number): number => PAGES_AT_LEVEL[level]!;
// A table, because a power is slow on hot paths.
const PAGES_AT_LEVEL = [2 ** 27, 2 ** 18, 2 ** 9, 1];
