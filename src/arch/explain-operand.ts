/**
 * The operand Xt of a TLBI, field by field, and the bytes that it names (DDI 0487, C5.5). An edge of the program: 64-bit
 * values are bigints here.
 */
import { decodeXt, GRANULE_OF_TG, type OperandFields } from "./operand.js";
import {
  type AddressRange,
  baseAddress,
  baseShift,
  counts,
  fieldsRange,
  GRANULE_NAME,
  pageAddress,
  type Tables,
  ttlOf,
} from "./operand-range.js";
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
  readonly range?: AddressRange;
}

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

/** Xt of a TLBI, explained; `value` if it is known, and what is known of the tables that it is for. */
export function explainOperand(op: TlbiOp, value: bigint | undefined, tables: Tables = {}): ExplainedOperand {
  const fields = LAYOUT[op.operand].map(([name, high, low]): OperandField => {
    // VAA*: the ASID field is there in the layout, but not looked at.
    const shown = name === "ASID" && op.matchesAsid === "any" ? "RES0" : name;
    return { name: shown, bits: [high, low] };
  });
  if (value === undefined) return { fields };
  const decoded = decodeXt(op.operand, value);
  const range = fieldsRange(decoded, tables);
  return {
    value,
    fields: fields.map(({ name, bits }) => {
      const field = BigInt.asUintN(bits[0] - bits[1] + 1, value >> BigInt(bits[1]));
      return { name, bits, value: field, meaning: fieldMeaning(name, field, decoded, tables) };
    }),
    ...(range && { range }),
  };
}

function fieldMeaning(name: string, value: bigint, decoded: OperandFields, tables: Tables): string {
  switch (name) {
    case "ASID":
      return `ASID ${value}`;
    case "RES0":
      return value === 0n ? "" : `${hexOf(value)}, expected 0`;
    case "TG": {
      const granule = GRANULE_OF_TG[Number(value)];
      return granule === undefined ? "reserved" : `${GRANULE_NAME[granule]} granule`;
    }
    case "TTL":
      return ttlMeaning(decoded, tables);
    case "SCALE":
    case "NUM":
      return "granules" in decoded && name === "NUM"
        ? `(${decoded.num} + 1) * 2^(5 * ${decoded.scale} + 1) = ${decoded.granules.toLocaleString("en")} granules`
        : "";
    case "BaseADDR": {
      const range = fieldsRange(decoded, tables);
      return range === undefined ? "in granules, unknown" : `from ${hexOf(range.start)}`;
    }
    default:
      return "page" in decoded ? hexOf(pageAddress(decoded)) : "";
  }
}

function ttlMeaning(decoded: OperandFields, { lpa2 }: Tables): string {
  const ttl = ttlOf(decoded);
  if (!ttl.hint) return ttl.why;
  const text = `${GRANULE_NAME[ttl.granuleBits]} granule, leaf at level ${ttl.level}`;
  return !counts(ttl, lpa2) ? `${text} with ${ttl.onlyWith}; without it no hint` : text;
}

function lpa2Remark(decoded: Extract<OperandFields, { kind: "va-range" | "ipa-range" }>): string {
  const start = baseAddress(decoded, baseShift(12, true));
  return `With 52-bit addresses of FEAT_LPA2 (${decoded.kind === "va-range" ? "TCR_ELx" : "VTCR_EL2"}.DS = 1) BaseADDR counts 64 KiB, whatever the granule: the range then begins at ${hexOf(start)}.`;
}

/** What is easily taken wrongly of an operand whose value is known; what is wrong with it, operand-lint.ts says. */
export function operandRemarks(op: TlbiOp, value: bigint | undefined, { lpa2 }: Tables): string[] {
  if (value === undefined) return [];
  const remarks: string[] = [];
  const decoded = decodeXt(op.operand, value);
  if ("granules" in decoded && decoded.granuleBits !== undefined) {
    remarks.push(
      `Only for tables with the ${GRANULE_NAME[decoded.granuleBits]} granule: no entry of tables with another granule is required to go.`,
    );
    if (!lpa2 && baseShift(decoded.granuleBits) !== baseShift(decoded.granuleBits, true))
      remarks.push(lpa2Remark(decoded));
  }
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
