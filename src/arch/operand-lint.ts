/**
 * What is wrong with the operand Xt of a TLBI, or probably is: by name, in a sentence, with the section of the manual (DDI 0487)
 * that it follows from. What only the values of other things can tell (which range was meant, which tables, which EL) is looked
 * at where they are given. An edge of the program: 64-bit values are bigints here.
 */
import { levelShift } from "./geometry.js";
import { decodeXt, type GranuleBits, type OperandFields } from "./operand.js";
import {
  type AddressRange,
  baseAddress,
  baseShift,
  counts,
  fieldsRange,
  GRANULE_NAME,
  isAlignedRange,
  pageAddress,
  type Tables,
  ttlOf,
} from "./operand-range.js";
import type { TlbiOp } from "./tlbi.js";

/** What can be wrong, and what of the instruction's page in C5.5 says so. */
const PLACE = {
  "unshifted-address": "the address field",
  "unmasked-address": "the address field",
  "num-minus-one": "NUM and SCALE",
  "odd-page": "NUM and SCALE",
  "falls-short": "the address field",
  "reaches-beyond": "the address field",
  "misaligned-base": "TTL and BaseADDR",
  "ttl-reserved": "TTL",
  "ttl-needs-lpa2": "TTL",
  "ttl-granule": "TTL",
  "ttl-level": "TTL",
  "tg-reserved": "TG",
  "tg-granule": "TG",
  "asid-differs": "ASID",
  res0: "RES0 fields",
  "el-may-not": "Accessibility",
} as const;

/** The name of a finding, as documents and `--json` have it. */
type LintName = keyof typeof PLACE;

/** A finding. */
export interface Lint {
  readonly name: LintName;
  /** false: it looks like it, but a value that is meant so is possible */
  readonly certain: boolean;
  readonly sentence: string;
  /** of DDI 0487: "C5.5, TLBI IPAS2E1IS: TTL" */
  readonly section: string;
}

/** What the operand is meant for, as far as it is known. */
export interface Intent extends Tables {
  /** the bytes that shall go */
  readonly range?: AddressRange;
  readonly asid?: number;
  /** the Exception level that executes it */
  readonly el?: 1 | 2;
}

type Say = (name: LintName, sentence: string, certain?: boolean) => void;

const hexOf = (n: bigint): string => `0x${n.toString(16)}`;
const bits = (xt: bigint, high: number, low: number): bigint => BigInt.asUintN(high - low + 1, xt >> BigInt(low));
const ones = (xt: bigint, high: number, low: number): boolean =>
  bits(xt, high, low) === (1n << BigInt(high - low + 1)) - 1n;

/** What is wrong with `op` executed with that Xt, for that purpose; without a value, what is wrong with any. */
export function lintOperand(op: TlbiOp, xt: bigint | undefined, intent: Intent = {}): Lint[] {
  const found: Lint[] = [];
  const say: Say = (name, sentence, certain = true) =>
    found.push({ name, certain, sentence, section: `C5.5, TLBI ${op.name}: ${PLACE[name]}` });
  if (intent.el === 1 && op.op1 === 4)
    say(
      "el-may-not",
      `${op.name} is not EL1's to execute: it is UNDEFINED there, or trapped to EL2 where HCR_EL2.NV = 1.`,
    );
  if (xt === undefined || op.operand === "none") return found;
  const fields = decodeXt(op.operand, xt);
  // What an address in the wrong place spoils comes behind it.
  lintAddress(xt, fields, intent, say);
  lintRes0(op, xt, fields, intent, say);
  lintGranule(fields, intent, say);
  lintTtl(fields, intent, say);
  if (intent.asid !== undefined && "asid" in fields && op.matchesAsid !== "any" && fields.asid !== intent.asid)
    say("asid-differs", `The operand says ASID ${fields.asid}, and ASID ${intent.asid} was meant.`);
  return found;
}

/** Low bits of the page number that a larger granule leaves RES0: VA[13:12] with 16 KiB, VA[15:12] with 64 KiB. */
const lowBits = (granuleBits: GranuleBits): number => granuleBits - 12;

function lintRes0(op: TlbiOp, xt: bigint, fields: OperandFields, { granuleBits }: Intent, say: Say): void {
  const res0 = (high: number, low: number, more = ""): void => {
    const value = bits(xt, high, low);
    const field = high === low ? `Bit ${high} is` : `Bits [${high}:${low}] are`;
    if (value !== 0n)
      say(
        "res0",
        `${field} RES0 in this operand and hold${high === low ? "s" : ""} ${hexOf(value)}: software must write 0.${more}`,
      );
  };
  const isIpa = op.operand.startsWith("ipa");
  if (isIpa) res0(63, 48, " (Bit 63 is NS in the Secure state.)");
  else if (op.operand.startsWith("va") && op.matchesAsid === "any") res0(63, 48, ` (${op.name} looks at no ASID.)`);
  if (op.operand === "asid") res0(47, 0);
  if (op.operand === "ipa") res0(43, 40);
  if (!("page" in fields)) return;
  const ttl = ttlOf(fields);
  const granule = granuleBits ?? (ttl.hint ? ttl.granuleBits : 12);
  if (granule > 12)
    res0(lowBits(granule) - 1, 0, ` They are below a page of the ${GRANULE_NAME[granule]} granule, and ignored.`);
}

/** TG of a range, and the alignment that its TTL asks for. */
function lintGranule(fields: OperandFields, intent: Intent, say: Say): void {
  if (!("granules" in fields)) return;
  const { granuleBits, base, ttl } = fields;
  if (granuleBits === undefined) {
    say("tg-reserved", "TG = 0 is reserved: no entry is certain to go.");
    return;
  }
  if (intent.granuleBits !== undefined && granuleBits !== intent.granuleBits)
    say(
      "tg-granule",
      `TG says ${GRANULE_NAME[granuleBits]}, and the tables have ${GRANULE_NAME[intent.granuleBits]}: no entry of theirs is required to go.`,
    );
  if (!isAlignedRange(base, ttl, granuleBits, intent.lpa2))
    say(
      "misaligned-base",
      `BaseADDR is not aligned to a block of level ${ttl}, as this TTL wants it: the range is UNPREDICTABLE, and no entry is certain to go.`,
    );
}

/** TTL, by itself and beside the tables. */
function lintTtl(fields: OperandFields, intent: Intent, say: Say): void {
  const ttl = ttlOf(fields);
  if (!ttl.hint) {
    if (ttl.reserved) say("ttl-reserved", `TTL is ${ttl.why}.`);
    return;
  }
  if (!counts(ttl, intent.lpa2)) {
    say(
      "ttl-needs-lpa2",
      `A leaf at level ${ttl.level} of the ${GRANULE_NAME[ttl.granuleBits]} granule is FEAT_LPA2's: without it TTL is no hint.`,
    );
    return;
  }
  if (!("granules" in fields) && intent.granuleBits !== undefined && ttl.granuleBits !== intent.granuleBits)
    say(
      "ttl-granule",
      `TTL is of the ${GRANULE_NAME[ttl.granuleBits]} granule, and the tables have ${GRANULE_NAME[intent.granuleBits]}: no entry of theirs is required to go.`,
    );
  if (intent.level !== undefined && ttl.level !== intent.level)
    say(
      "ttl-level",
      `TTL says that the leaf stands at level ${ttl.level}, and it stands at level ${intent.level}: it is not required to go.`,
    );
}

/** The address that a field would have named, had it been shifted. */
interface AddressField {
  /** the field's bits */
  readonly value: bigint;
  /** what it names */
  readonly address: bigint;
  /** log2 of what it counts */
  readonly shift: number;
  readonly bits: number;
  readonly isVa: boolean;
}

function addressField(xt: bigint, fields: OperandFields, { granuleBits, lpa2 }: Intent): AddressField | undefined {
  if ("page" in fields)
    return {
      ...{ value: BigInt(fields.page), address: pageAddress(fields), shift: 12 },
      ...{ bits: fields.kind === "va" ? 44 : 40, isVa: fields.kind === "va" },
    };
  if (!("granules" in fields) || fields.granuleBits === undefined) return undefined;
  // Where TG itself is not the tables', the base is still meant for them.
  const shift = baseShift(granuleBits ?? fields.granuleBits, lpa2);
  return {
    ...{ value: bits(xt, 36, 0), address: baseAddress(fields, shift), shift, bits: 37 },
    isVa: fields.kind === "va-range",
  };
}

function lintAddress(xt: bigint, fields: OperandFields, intent: Intent, say: Say): void {
  const field = addressField(xt, fields, intent);
  if (field === undefined) return;
  if (intent.range) lintRange(xt, fields, field, { ...intent, range: intent.range }, say);
  else lintLooks(xt, fields, field, say);
}

/** What a value looks like where it is not known which range was meant. */
function lintLooks(xt: bigint, fields: OperandFields, field: AddressField, say: Say): void {
  if (looksUnmasked(xt, fields))
    say(
      "unmasked-address",
      `Bits [51:${field.bits}] are all 1: it looks like the address of the upper half, shifted but not masked, so that its upper bits are the fields above ${hexOf(field.value)}.`,
      false,
    );
  else if ("granules" in fields && ones(xt, 63, 39))
    say(
      "num-minus-one",
      "Bits [63:39] are all 1: it looks like NUM = -1, of a range that is too short for SCALE.",
      false,
    );
  else if (looksUnshifted(xt, field))
    say(
      "unshifted-address",
      `The field holds ${hexOf(field.value)}, and so names ${hexOf(field.address)}: it looks like an address that was not shifted right by ${field.shift}.`,
      false,
    );
}

/** Physical memory seldom begins below: as an address it is usual, and as the number of a page of 4 KiB it names 1 TiB. */
const USUAL = 1n << 28n;
const isUpper = (address: bigint): boolean => address >> 48n === 0xffffn;

/** A page-aligned number that names what few have: beyond 1 TiB (or a VA that is not canonical), or 0xffff... as the ASID. */
function looksUnshifted(xt: bigint, { value, address, isVa }: AddressField): boolean {
  if (bits(value, 11, 0) !== 0n || value === 0n) return false;
  return (isVa && ones(xt, 63, 47)) || (value >= USUAL && !(isVa && isUpper(address)));
}

/** The bits above the field are those of an address of the upper half, whatever ASID was put upon them. */
const looksUnmasked = (xt: bigint, fields: OperandFields): boolean =>
  ("page" in fields && fields.kind === "va" && ones(xt, 51, 36)) || ("granules" in fields && ones(xt, 51, 36));

type Aim = Intent & { readonly range: AddressRange };

/** What the operand names, held against the bytes that were meant: the reason if it is one of the known, else how they differ. */
function lintRange(xt: bigint, fields: OperandFields, field: AddressField, intent: Aim, say: Say): void {
  const { start, end } = intent.range;
  const named = fieldsRange(fields, intent);
  if (named === undefined) return;
  const fits = (address: bigint): bigint => BigInt.asUintN(field.bits, address);
  const right = fits(start >> BigInt(field.shift));
  const meant = `[${hexOf(start)}, ${hexOf(end)})`;
  const covers = `It names [${hexOf(named.start)}, ${hexOf(named.end)})`;
  // What is shifted and not masked has its bits above the field too; an ASID or TTL may lie upon them, but is not right then.
  const unmasked = start >> BigInt(field.shift + field.bits);
  const asidIsRight = intent.asid !== undefined && "asid" in fields && fields.asid === intent.asid;
  if (field.value !== 0n && field.value !== right && fits(start) === field.value)
    say(
      "unshifted-address",
      `The field holds ${hexOf(field.value)}, the address itself: shifted right by ${field.shift} it is ${hexOf(right)}.`,
    );
  else if (
    field.value === right &&
    unmasked !== 0n &&
    !asidIsRight &&
    ((xt >> BigInt(field.bits)) & unmasked) === unmasked
  )
    say(
      "unmasked-address",
      `Bits [63:${field.bits}] hold ${hexOf(xt >> BigInt(field.bits))}, in them the upper bits of ${hexOf(start)} >> ${field.shift}: mask it to ${field.bits} bits.`,
    );
  else if ("granules" in fields && ones(xt, 63, 39))
    say("num-minus-one", "Bits [63:39] are all 1: NUM = -1, of a range that is too short for SCALE.");
  else lintExtent(fields, named, intent, `${covers}, and ${meant} was meant`, say);
}

/** The bytes are others: a page is left, a NUM of -1, or simply too few or too many. */
function lintExtent(fields: OperandFields, named: AddressRange, intent: Aim, text: string, say: Say): void {
  const { start, end } = intent.range;
  const granule = ("granules" in fields ? fields.granuleBits : intent.granuleBits) ?? 12;
  // An entry that is touched goes whole: where the level of the leaves is known, they are what is named.
  const unit = 1n << BigInt(intent.level === undefined ? granule : levelShift(intent.level, granule));
  const from = (named.start / unit) * unit;
  const to = ((named.end + unit - 1n) / unit) * unit;
  const short = from > start || to < end;
  const beyond = from < start || to > end;
  if ("granules" in fields && fields.num === 31 && beyond && from <= start && isTooShort(fields.scale, granule, intent))
    say(
      "num-minus-one",
      `${text}: SCALE ${fields.scale} is too large for it, and NUM = 31 is what -1 leaves in 5 bits.`,
    );
  else if (from === start && to === end - unit && "granules" in fields)
    say("odd-page", `${text}: the last ${hexOf(unit)} bytes are left over, for the single-address form.`);
  else {
    if (short) say("falls-short", `${text}: entries of the rest may stay.`);
    if (beyond) say("reaches-beyond", `${text}: more entries go than need to.`);
  }
}

/** Has the range fewer granules than NUM = 0 of that SCALE, so that NUM comes out as -1? */
function isTooShort(scale: number, granuleBits: number, { range }: Aim): boolean {
  const granules = (range.end - range.start) >> BigInt(granuleBits);
  return granules < 1n << BigInt(5 * scale + 1);
}
