/**
 * The 64-bit operand Xt of a TLBI (DDI 0487, C5.5): by ASID, by VA, by IPA, and by range (FEAT_TLBIRANGE).
 * Bits [47:0] are a plain number here (they fit a double), bits [63:48], the ASID, a number beside them.
 */
import { bigintOf, type Halves, halvesOf, TWO32 } from "./address.js";
import { type OperandKind, TLBI_OPS, type TlbiOp, tlbiIndex } from "./tlbi.js";

const TWO37 = 2 ** 37;
/** Bit 37: the lowest of TTL in a range operand. */
export const RANGE_TTL = TWO37;
const TWO44 = 2 ** 44;
const TWO46 = 2 ** 46;

/** Translation granule: log2 of bytes. */
export type GranuleBits = 12 | 14 | 16;
const TG: Record<GranuleBits, number> = { 12: 1, 14: 2, 16: 3 };
/** The granule of a TG field and of TTL[3:2]; 0 has none. */
export const GRANULE_OF_TG: readonly (GranuleBits | undefined)[] = [undefined, 12, 14, 16];

/** Bits [47:0] of the operand of a TLBI by VA or IPA: 4 KiB page number in [43:0], TTL in [47:44] (0 = no hint). */
export function addressOperand(page: number, ttl = 0): number {
  return (page < TWO44 ? page : page % TWO44) + ttl * TWO44; // the remainder of doubles is slow, and seldom needed
}

/** The TTL field for a level with a granule (FEAT_TTL): [3:2] = 1, 2, 3 for 4, 16, 64 KiB, [1:0] = level. */
export const ttlOf = (level: 1 | 2 | 3, granuleBits: GranuleBits = 12): number => (TG[granuleBits] << 2) | level;

/** One encodable range: `granules` = (num + 1) * 2^(5 * scale + 1), from 2 to 2^21 granules. */
interface EncodedRange {
  readonly scale: number;
  readonly num: number;
  readonly granules: number;
}

/** Granules that (NUM + 1) * 2^(5*SCALE + 1) covers. */
const rangeGranules = (scale: number, num: number): number => (num + 1) * 2 ** (5 * scale + 1);

/**
 * Bits [47:0] of a range operand: BaseADDR [36:0] in granules, TTL [38:37], NUM [43:39], SCALE [45:44], TG [47:46].
 * `base` is the first granule's number; bits beyond BaseADDR are not in the operand (the upper half of VAs has them). With 52-bit
 * addresses of FEAT_LPA2 (VTCR_EL2.DS = 1, TCR_ELx.DS = 1) it counts 64 KiB, whatever the granule.
 */
export function rangeOperand(base: number, scale: number, num: number, granuleBits: GranuleBits = 12, ttl = 0): number {
  return (base < TWO37 ? base : base % TWO37) + ttl * TWO37 + num * 2 ** 39 + scale * TWO44 + TG[granuleBits] * TWO46;
}

/** Granules of NUM = 0 at each SCALE. */
const UNITS = [0, 1, 2, 3].map((scale) => rangeGranules(scale, 0));

/**
 * The largest encodable range that fits into `granules` (at least 2), as Linux's __flush_tlb_range_op takes it: greedily
 * from SCALE 3 down. Repeating it on the rest covers any range exactly; a last odd granule is left for the
 * single-address form (`granules` = 1 gives undefined).
 */
export function largestRange(granules: number): EncodedRange | undefined {
  if (granules < 2) return undefined;
  for (let scale = 3; scale >= 0; scale--) {
    const unit = UNITS[scale]!;
    if (granules >= unit) {
      const num = Math.min(32, Math.floor(granules / unit)) - 1;
      return { scale, num, granules: (num + 1) * unit };
    }
  }
  return undefined;
}

const singleOf = new Map<TlbiOp, number>();
for (const op of TLBI_OPS) if (op.operand.endsWith("-range")) singleOf.set(op, tlbiIndex(op.name.slice(1)) ?? -1);

/** Index in TLBI_OPS of the single-address form of a range TLBI: RIPAS2E1IS -> IPAS2E1IS. */
export function singleFormOf(op: TlbiOp): number {
  return singleOf.get(op) ?? -1;
}

/** The fields of Xt, as an operand of that kind reads them. Sizes in pages of 4 KiB unless the granule says otherwise. */
export type OperandFields =
  | { readonly kind: "none" }
  | { readonly kind: "asid"; readonly asid: number }
  | { readonly kind: "va"; readonly asid: number; readonly page: number; readonly ttl: number }
  | { readonly kind: "ipa"; readonly page: number; readonly ttl: number }
  | {
      readonly kind: "va-range" | "ipa-range";
      readonly asid: number;
      readonly granuleBits: GranuleBits | undefined;
      readonly scale: number;
      readonly num: number;
      readonly ttl: number;
      readonly base: number;
      readonly granules: number;
    };

/** Bits [47:0] of two halves. */
export const low48 = (lo: number, hi: number): number => (lo >>> 0) + (hi & 0xffff) * TWO32;

/** Decodes Xt for a TLBI of that operand kind. A range whose TG is the reserved 0 has granuleBits undefined and reaches nothing. */
export function decodeOperand(kind: OperandKind, lo: number, hi: number): OperandFields {
  const asid = hi >>> 16;
  const low = low48(lo, hi);
  switch (kind) {
    case "none":
      return { kind };
    case "asid":
      return { kind, asid };
    case "va":
      return { kind, asid, page: low % TWO44, ttl: Math.floor(low / TWO44) };
    case "ipa":
      return { kind, page: low % 2 ** 40, ttl: Math.floor(low / TWO44) };
    case "va-range":
    case "ipa-range": {
      const scale = Math.floor(low / TWO44) & 3;
      const num = Math.floor(low / 2 ** 39) & 0x1f;
      return {
        kind,
        asid: kind === "va-range" ? asid : 0,
        granuleBits: GRANULE_OF_TG[Math.floor(low / TWO46)],
        scale,
        num,
        ttl: Math.floor(low / TWO37) & 3,
        base: low % TWO37,
        granules: rangeGranules(scale, num),
      };
    }
  }
}

/** {@link decodeOperand} of a 64-bit value. */
export function decodeXt(kind: OperandKind, xt: bigint): OperandFields {
  const { lo, hi } = halvesOf(xt);
  return decodeOperand(kind, lo, hi);
}

/** Xt from its fields: the inverse of {@link decodeOperand} (RES0 bits are 0). */
export function encodeOperand(fields: OperandFields): bigint {
  switch (fields.kind) {
    case "none":
      return 0n;
    case "asid":
      return BigInt(fields.asid) << 48n;
    case "va":
      return (BigInt(fields.asid) << 48n) | BigInt(addressOperand(fields.page, fields.ttl));
    case "ipa":
      return BigInt(addressOperand(fields.page, fields.ttl));
    default: {
      if (fields.granuleBits === undefined) throw new RangeError("a range operand needs a granule (TG 1, 2 or 3)");
      const low = rangeOperand(fields.base, fields.scale, fields.num, fields.granuleBits, fields.ttl);
      return (BigInt(fields.asid) << 48n) | BigInt(low);
    }
  }
}

/** Halves of an operand given as bits [47:0] and an ASID. */
export function operandHalves(low: number, asid = 0): Halves {
  return halvesOf(bigintOf(low % TWO32, Math.floor(low / TWO32) + asid * 0x1_0000));
}
