/**
 * The bytes that an operand names, and what its level hint says (DDI 0487, C5.5): of a TLBI by address the page, or the block
 * of its TTL; of one by range, (NUM + 1) * 2^(5*SCALE + 1) granules from BaseADDR. An edge of the program: addresses are bigints.
 */
import { levelShift } from "./geometry.js";
import { decodeXt, GRANULE_OF_TG, type GranuleBits, type OperandFields } from "./operand.js";
import type { TlbiOp } from "./tlbi.js";

/** Bytes [start, end); a VA of the upper half is sign-extended to 64 bits, and `end` may be 2^64. */
export interface AddressRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** What an operand does not say itself of the tables that it is for. */
export interface Tables {
  /** log2 of their granule; not known when absent */
  readonly granuleBits?: GranuleBits;
  /** level of the leaf entries that shall go, 0 to 3; any when absent */
  readonly level?: number;
  /** 52-bit addresses of FEAT_LPA2 (VTCR_EL2.DS = 1, TCR_ELx.DS = 1): BaseADDR of a range counts 64 KiB */
  readonly lpa2?: boolean;
}

/** Granules as people write them. */
export const GRANULE_NAME: Record<GranuleBits, string> = { 12: "4 KiB", 14: "16 KiB", 16: "64 KiB" };

/** log2 of the unit of BaseADDR where FEAT_LPA2 gives 52-bit addresses (DS = 1): Address[52:16]. */
const LPA2_SHIFT = 16;

/** log2 of the bytes that BaseADDR of a range operand counts. */
export const baseShift = (granuleBits: GranuleBits, lpa2 = false): number => (lpa2 ? LPA2_SHIFT : granuleBits);

/** What a TTL field says: the granule and level of the leaf entry, no hint, or a value that is treated as no hint. */
type Ttl =
  | { readonly hint: false; readonly why: string; readonly reserved?: true }
  | { readonly hint: true; readonly level: number; readonly granuleBits: GranuleBits; readonly onlyWith?: "FEAT_LPA2" };

/** The TTL field of an operand: of a range its granule is TG. An operand without the field has no hint. */
export function ttlOf(fields: OperandFields): Ttl {
  if (!("ttl" in fields)) return { hint: false, why: "" };
  const granuleBits = "granules" in fields ? fields.granuleBits : GRANULE_OF_TG[fields.ttl >> 2];
  const level = fields.ttl & 3;
  if ("granules" in fields ? level === 0 || granuleBits === undefined : fields.ttl === 0)
    return { hint: false, why: "no hint: any level" };
  if (granuleBits === undefined)
    return { hint: false, why: `no hint (bits [1:0] are RES0 then, not ${level})`, reserved: true };
  if (level === 0 && granuleBits !== 12)
    return {
      ...{ hint: false, reserved: true },
      why: `reserved: the ${GRANULE_NAME[granuleBits]} granule has no leaf at level 0; treated as no hint`,
    };
  return { hint: true, level, granuleBits, ...(isLpa2Level(level, granuleBits) && { onlyWith: "FEAT_LPA2" }) };
}

/** Leaves stand at levels 1 to 3, with 16 KiB at 2 and 3; one level up needs FEAT_LPA2. 64 KiB at level 1 is FEAT_LPA's 4 TiB block. */
const isLpa2Level = (level: number, granuleBits: GranuleBits): boolean =>
  (level === 0 && granuleBits === 12) || (level === 1 && granuleBits === 14);

/** Can a leaf of that granule stand at the level? */
export const hasLeaf = (level: number, granuleBits: GranuleBits, lpa2 = false): boolean =>
  level <= 3 && (level >= (granuleBits === 14 ? 2 : 1) || (lpa2 && isLpa2Level(level, granuleBits)));

/** Does the hint count, or is it treated as none because its level is FEAT_LPA2's? */
export const counts = (ttl: Extract<Ttl, { hint: true }>, lpa2 = false): boolean => ttl.onlyWith === undefined || lpa2;

/** VAs are sign-extended from their highest bit in the operand, as TLBI operands of the upper half are meant. */
const canonical = (address: bigint, bits: number): bigint => BigInt.asUintN(64, BigInt.asIntN(bits, address));

/** The address in an operand by VA or IPA. */
export function pageAddress(fields: Extract<OperandFields, { kind: "va" | "ipa" }>): bigint {
  const address = BigInt(fields.page) << 12n;
  return fields.kind === "va" ? canonical(address, 56) : address;
}

/** The address at which a range begins; BaseADDR counts 2^shift bytes. */
export function baseAddress(fields: Extract<OperandFields, { granules: number }>, shift: number): bigint {
  const base = BigInt(fields.base) << BigInt(shift);
  return fields.kind === "va-range" ? canonical(base, 37 + shift) : base;
}

/**
 * The bytes that an operand names: the range; or the block of the level that TTL gives, or the page without a hint (of 4 KiB
 * where the tables' granule is not known). Entries that overlap them match. A range that passes the top of the address space
 * ends there. Undefined for an ASID, and for the reserved TG = 0.
 */
export function fieldsRange(fields: OperandFields, { granuleBits, lpa2 }: Tables = {}): AddressRange | undefined {
  if ("granules" in fields) {
    if (fields.granuleBits === undefined) return undefined;
    const start = baseAddress(fields, baseShift(fields.granuleBits, lpa2));
    const end = start + (BigInt(fields.granules) << BigInt(fields.granuleBits));
    return { start, end: end > 1n << 64n ? 1n << 64n : end };
  }
  if (!("page" in fields)) return undefined;
  const ttl = ttlOf(fields);
  const shift = BigInt(ttl.hint && counts(ttl, lpa2) ? levelShift(ttl.level, ttl.granuleBits) : (granuleBits ?? 12));
  const start = (pageAddress(fields) >> shift) << shift;
  return { start, end: start + (1n << shift) };
}

/** The bytes that a TLBI with that Xt names: see {@link fieldsRange}. The way back of {@link coverRange}. */
export const operandRange = (op: TlbiOp, xt: bigint, tables: Tables = {}): AddressRange | undefined =>
  fieldsRange(decodeXt(op.operand, xt), tables);

/**
 * Is the base of a range aligned to the level of its TTL hint? It is UNPREDICTABLE what goes otherwise. With `lpa2` the base
 * counts 64 KiB.
 */
export function isAlignedRange(base: number, ttl: number, granuleBits: GranuleBits, lpa2 = false): boolean {
  if (ttl === 0 || ttl === 3 || (!lpa2 && isLpa2Level(ttl, granuleBits))) return true;
  return base % 2 ** (levelShift(ttl, granuleBits) - baseShift(granuleBits, lpa2)) === 0;
}
