/**
 * The operand Xt of a TLBI, field by field, and the bytes that it names (DDI 0487, C5.5). An edge of the program: 64-bit
 * values are bigints here.
 */
import { halvesOf } from "./address.js";
import { levelShift } from "./geometry.js";
import { decodeOperand, type GranuleBits, type OperandFields } from "./operand.js";
import { isAlignedRange } from "./reach.js";
import type { OperandKind, TlbiOp } from "./tlbi.js";

/** A field of Xt. */
export interface OperandField {
  /** as the manual names it; "RES0" for bits that must be 0 */
  readonly name: string;
  /** highest and lowest bit */
  readonly bits: readonly [number, number];
  /** with `meaning`, absent when the operand's value is not known */
  readonly value?: bigint;
  readonly meaning?: string;
}

/** Xt: its layout, and what it says when its value is known. */
export interface ExplainedOperand {
  readonly value?: bigint;
  readonly fields: readonly OperandField[];
  /** the bytes that it names, [start, end); absent for an ASID and a reserved encoding. An entry that overlaps them matches. */
  readonly range?: { readonly start: bigint; readonly end: bigint };
}

const GRANULE_NAME: Record<GranuleBits, string> = { 12: "4 KiB", 14: "16 KiB", 16: "64 KiB" };
const TTL_GRANULE: readonly (GranuleBits | undefined)[] = [undefined, 12, 14, 16];

/** log2 of the unit of BaseADDR where FEAT_LPA2 gives 52-bit addresses (DS = 1): Address[52:16]. */
const LPA2_SHIFT = 16;

const hexOf = (n: bigint): string => `0x${n.toString(16)}`;

/** Fields of Xt by operand kind: name, highest bit, lowest bit (DDI 0487, C5.5). */
const LAYOUT: Record<OperandKind, readonly (readonly [string, number, number])[]> = {
  none: [],
  asid: [
    ["ASID", 63, 48],
    ["RES0", 47, 0],
  ],
  va: [
    ["ASID", 63, 48],
    ["TTL", 47, 44],
    ["VA[55:12]", 43, 0],
  ],
  ipa: [
    ["RES0", 63, 48],
    ["TTL", 47, 44],
    ["RES0", 43, 40],
    ["IPA[51:12]", 39, 0],
  ],
  "va-range": [
    ["ASID", 63, 48],
    ["TG", 47, 46],
    ["SCALE", 45, 44],
    ["NUM", 43, 39],
    ["TTL", 38, 37],
    ["BaseADDR", 36, 0],
  ],
  "ipa-range": [
    ["RES0", 63, 48],
    ["TG", 47, 46],
    ["SCALE", 45, 44],
    ["NUM", 43, 39],
    ["TTL", 38, 37],
    ["BaseADDR", 36, 0],
  ],
};

/** Xt of a TLBI, explained; `value` if it is known. */
export function explainOperand(op: TlbiOp, value: bigint | undefined): ExplainedOperand {
  const fields = LAYOUT[op.operand].map(([name, high, low]): OperandField => {
    // VAA*: the ASID field is there in the layout, but not looked at.
    const shown = name === "ASID" && op.matchesAsid === "any" ? "RES0" : name;
    return { name: shown, bits: [high, low] };
  });
  if (value === undefined) return { fields };
  const decoded = decode(op, value);
  const range = byteRange(decoded);
  return {
    value,
    fields: fields.map(({ name, bits }) => {
      const field = BigInt.asUintN(bits[0] - bits[1] + 1, value >> BigInt(bits[1]));
      return { name, bits, value: field, meaning: fieldMeaning(name, field, decoded) };
    }),
    ...(range && { range }),
  };
}

function decode(op: TlbiOp, value: bigint): OperandFields {
  const { lo, hi } = halvesOf(value);
  return decodeOperand(op.operand, lo, hi);
}

function fieldMeaning(name: string, value: bigint, decoded: OperandFields): string {
  switch (name) {
    case "ASID":
      return `ASID ${value}`;
    case "RES0":
      return value === 0n ? "" : `${hexOf(value)}, expected 0`;
    case "TG": {
      const granule = TTL_GRANULE[Number(value)];
      return granule === undefined ? "reserved" : `${GRANULE_NAME[granule]} granule`;
    }
    case "TTL":
      return ttlMeaning(decoded);
    case "SCALE":
    case "NUM":
      return "granules" in decoded && name === "NUM"
        ? `(${decoded.num} + 1) * 2^(5 * ${decoded.scale} + 1) = ${decoded.granules.toLocaleString("en")} granules`
        : "";
    case "BaseADDR": {
      const range = byteRange(decoded);
      return range === undefined ? "in granules, unknown" : `from ${hexOf(range.start)}`;
    }
    default:
      return "page" in decoded ? hexOf(pageAddress(decoded)) : "";
  }
}

/** What a TTL field says: the granule and level of the leaf entry, no hint, or a value that is treated as no hint. */
type Ttl =
  | { readonly hint: false; readonly why: string }
  | { readonly hint: true; readonly level: number; readonly granuleBits: GranuleBits; readonly onlyWith?: string };

function ttlOf(decoded: OperandFields): Ttl {
  if ("granules" in decoded) {
    if (decoded.ttl === 0 || decoded.granuleBits === undefined) return { hint: false, why: "no hint: any level" };
    return checkedTtl(decoded.granuleBits, decoded.ttl);
  }
  if (!("ttl" in decoded)) return { hint: false, why: "" };
  const granuleBits = TTL_GRANULE[decoded.ttl >> 2];
  const level = decoded.ttl & 3;
  if (granuleBits === undefined)
    return {
      hint: false,
      why: level === 0 ? "no hint: any level" : `no hint (bits [1:0] are RES0 then, not ${level})`,
    };
  return checkedTtl(granuleBits, level);
}

/** Leaves stand at levels 1 to 3, with 16 KiB at 2 and 3; one level up needs FEAT_LPA2. 64 KiB at level 1 is FEAT_LPA's 4 TiB block. */
function checkedTtl(granuleBits: GranuleBits, level: number): Ttl {
  const name = `${GRANULE_NAME[granuleBits]} granule`;
  if (level === 0 && granuleBits !== 12)
    return { hint: false, why: `reserved: the ${name} has no leaf at level 0; treated as no hint` };
  if ((level === 0 && granuleBits === 12) || (level === 1 && granuleBits === 14))
    return { hint: true, level, granuleBits, onlyWith: "FEAT_LPA2" };
  return { hint: true, level, granuleBits };
}

function ttlMeaning(decoded: OperandFields): string {
  const ttl = ttlOf(decoded);
  if (!ttl.hint) return ttl.why;
  const text = `${GRANULE_NAME[ttl.granuleBits]} granule, leaf at level ${ttl.level}`;
  return ttl.onlyWith ? `${text} with ${ttl.onlyWith}; without it no hint` : text;
}

/** VAs are sign-extended from their highest bit in the operand, as TLBI operands of the upper half are meant. */
const canonical = (address: bigint, bits: number): bigint => BigInt.asUintN(64, BigInt.asIntN(bits, address));

function pageAddress(decoded: Extract<OperandFields, { kind: "va" | "ipa" }>): bigint {
  const address = BigInt(decoded.page) << 12n;
  return decoded.kind === "va" ? canonical(address, 56) : address;
}

/**
 * The bytes an operand names: the range; or the block of the level that TTL gives, or the 4 KiB page without a hint.
 * A range that passes the top of the address space ends there.
 */
function byteRange(decoded: OperandFields): { start: bigint; end: bigint } | undefined {
  if ("granules" in decoded) {
    if (decoded.granuleBits === undefined) return undefined;
    const shift = BigInt(decoded.granuleBits);
    const base = BigInt(decoded.base) << shift;
    const start = decoded.kind === "va-range" ? canonical(base, 37 + decoded.granuleBits) : base;
    const end = start + (BigInt(decoded.granules) << shift);
    return { start, end: end > 1n << 64n ? 1n << 64n : end };
  }
  if (!("page" in decoded)) return undefined;
  const ttl = ttlOf(decoded);
  const shift = BigInt(ttl.hint && !ttl.onlyWith ? levelShift(ttl.level, ttl.granuleBits) : 12);
  const start = (pageAddress(decoded) >> shift) << shift;
  return { start, end: start + (1n << shift) };
}

function lpa2Remark(decoded: Extract<OperandFields, { kind: "va-range" | "ipa-range" }>): string {
  const isVa = decoded.kind === "va-range";
  const address = BigInt(decoded.base) << BigInt(LPA2_SHIFT);
  const start = isVa ? canonical(address, 37 + LPA2_SHIFT) : address;
  return `With 52-bit addresses of FEAT_LPA2 (${isVa ? "TCR_ELx" : "VTCR_EL2"}.DS = 1) BaseADDR counts 64 KiB, whatever the granule: the range then begins at ${hexOf(start)}.`;
}

/** What is wrong with an operand, or easily taken wrongly. */
export function operandRemarks(op: TlbiOp, operand: ExplainedOperand): string[] {
  const remarks: string[] = [];
  for (const field of operand.fields)
    if (field.name === "RES0" && field.value)
      remarks.push(
        `Bits [${field.bits.join(":")}] are RES0 in this operand and hold ${hexOf(field.value)}: software must write 0.${
          field.bits[0] === 63 && op.operand.startsWith("ipa") ? " (Bit 63 is NS in the Secure state.)" : ""
        }`,
      );
  if (operand.value === undefined) return remarks;
  const decoded = decode(op, operand.value);
  if ("granules" in decoded)
    remarks.push(
      decoded.granuleBits === undefined
        ? "TG = 0 is reserved: no entry is certain to go."
        : `Only for tables with the ${GRANULE_NAME[decoded.granuleBits]} granule: no entry of tables with another granule is required to go.`,
    );
  if ("granules" in decoded && decoded.granuleBits !== undefined && decoded.granuleBits !== LPA2_SHIFT)
    remarks.push(lpa2Remark(decoded));
  if ("granules" in decoded && decoded.granuleBits === 12 && !isAlignedRange(decoded))
    remarks.push(
      `BaseADDR is not aligned to a block of level ${decoded.ttl}, as this TTL wants it: the range is UNPREDICTABLE, and no entry is certain to go.`,
    );
  const ttl = ttlOf(decoded);
  if (ttl.hint)
    remarks.push(
      `TTL needs FEAT_TTL${ttl.onlyWith ? ` and here ${ttl.onlyWith}` : ""}, and must be right: no entry is required to go when the leaf stands at another level.`,
    );
  else if ("page" in decoded)
    remarks.push(
      "Without a TTL hint the entry that contains this address goes, whatever the size of its page or block.",
    );
  return remarks;
}
