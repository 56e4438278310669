/**
 * Addresses and the numbers of pages (gfn, mfn: in Xen's words), plain numbers: a page number counts 4 KiB pages, and 40 bits
 * of it (52-bit addresses) fit a double exactly.
 */

export const PAGE_SHIFT = 12;
/** 2^32: splits a number into two 32-bit halves without bigint. */
export const TWO32 = 0x1_0000_0000;

/** The two 32-bit halves of a 64-bit value. */
export interface Halves {
  readonly lo: number;
  readonly hi: number;
}

/** A 64-bit value as halves; `value` from 0 to 2^64-1. */
export function halvesOf(value: bigint): Halves {
  return { lo: Number(value & 0xffff_ffffn), hi: Number((value >> 32n) & 0xffff_ffffn) };
}

/** The 64-bit value of two halves. */
export function bigintOf(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** 64 bits in hex, without leading zeros: "0xd50c83df". */
export function hex(lo: number, hi: number): string {
  return hi === 0
    ? `0x${(lo >>> 0).toString(16)}`
    : `0x${(hi >>> 0).toString(16)}${(lo >>> 0).toString(16).padStart(8, "0")}`;
}

/** 2^-20: a product is faster than a quotient, and as exact. */
const PER_TWO20 = 1 / 0x10_0000;

/** Bits [31:0] of the address of a page. */
export const pageLo = (page: number): number => ((page & 0xfffff) << 12) >>> 0;
/** Bits [63:32] of the address of a page. */
export const pageHi = (page: number): number => Math.floor(page * PER_TWO20) >>> 0;
/** The page number of an address given as halves. */
export const pageOf = (lo: number, hi: number): number => (hi >>> 0) * 0x10_0000 + (lo >>> 12);
