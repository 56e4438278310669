/**
 * Which TLBIs cover a range of addresses, with their operands (DDI 0487, C5.5): greedily the largest ranges that FEAT_TLBIRANGE
 * encodes, as Linux's __flush_tlb_range_op takes them, and the single-address form for what is left. An edge of the program:
 * addresses are bigints.
 */
import { explainTlbi } from "./explain.js";
import { levelShift } from "./geometry.js";
import { encodeOperand, type GranuleBits, largestRange, singleFormOf } from "./operand.js";
import { type Intent, type Lint, lintOperand } from "./operand-lint.js";
import { type AddressRange, baseShift, GRANULE_NAME, hasLeaf, type Tables } from "./operand-range.js";
import { TLBI_OPS, type TlbiOp } from "./tlbi.js";

/** A TLBI of a cover, and the bytes that it names. */
export interface CoverStep extends AddressRange {
  readonly op: TlbiOp;
  readonly xt: bigint;
}

/** A range to be covered. */
export interface Wanted extends AddressRange {
  readonly kind: "ipa" | "va";
}

/** A cover, explained. */
export interface Cover {
  readonly range: Wanted;
  readonly tables: Tables & { readonly granuleBits: GranuleBits };
  readonly asid?: number;
  readonly steps: readonly CoverStep[];
  /** FEAT_ names of what they and their operands need */
  readonly needs: readonly string[];
  /** the DSBs that complete them on every PE they reach, the narrowest first */
  readonly completedBy: readonly string[];
  /** what is easily got wrong with the form, its operand apart */
  readonly remarks: readonly string[];
  readonly lint: readonly Lint[];
}

/** More single-address TLBIs than these are no plan: Linux itself flushes everything long before (MAX_DVM_OPS). */
const MOST_STEPS = 2 ** 16;
/** Granules of the largest range, 8 GiB with 4 KiB: leaves above it are named by address. */
const MOST_GRANULES = 2n ** 21n;

const hexOf = (n: bigint): string => `0x${n.toString(16)}`;

/** "4 KiB", "2 MiB", "1 GiB": the size of a leaf. */
const sizeName = (shift: number): string =>
  `${2 ** (shift % 10)} ${["bytes", "KiB", "MiB", "GiB", "TiB"][Math.floor(shift / 10)]}`;

/** log2 of the bytes of the leaves that are named: those of the level, else pages. Throws where no leaf stands there. */
function leafShift({ granuleBits = 12, level, lpa2 }: Tables): number {
  if (lpa2 && granuleBits === 16)
    throw new RangeError(
      "52-bit addresses of FEAT_LPA2 are of the 4 and 16 KiB granules; with 64 KiB they are FEAT_LPA's",
    );
  if (level === undefined) return granuleBits;
  if (!hasLeaf(level, granuleBits, lpa2))
    throw new RangeError(
      `the ${GRANULE_NAME[granuleBits]} granule has no leaf at level ${level}${hasLeaf(level, granuleBits, true) ? " without FEAT_LPA2" : ""}`,
    );
  return levelShift(level, granuleBits);
}

/** Throws a RangeError for a range that operands cannot say, or whose ends cut a leaf. */
function check({ kind, start, end }: Wanted, tables: Tables, shift: number): void {
  const { granuleBits = 12, lpa2, level } = tables;
  const wide = lpa2 || granuleBits === 16;
  const unit = 1n << BigInt(shift);
  if (end <= start) throw new RangeError("expected at least one page");
  if (start % unit !== 0n || end % unit !== 0n) {
    const [where, what] = start % unit !== 0n ? ["begins at", start] : ["ends at", end];
    const leaf = level === undefined ? "page" : `leaf at level ${level}`;
    throw new RangeError(`the range ${where} ${hexOf(what)}, which is not aligned to a ${leaf} of ${sizeName(shift)}`);
  }
  if (kind === "ipa") {
    if (end > 1n << (wide ? 52n : 48n))
      throw new RangeError(
        `the range ends at ${hexOf(end)}, expected IPAs of at most ${wide ? 52 : "48 bits (52 with FEAT_LPA2)"}${wide ? " bits" : ""}`,
      );
    return;
  }
  // BaseADDR holds VA[48:12] with 4 KiB (VA[52:16] with 52-bit addresses): both halves, each sign-extended from its top bit.
  const bits = wide ? 52n : 48n;
  const lower = end <= 1n << bits;
  const upper = start >= (1n << 64n) - (1n << bits) && end <= 1n << 64n;
  if (!lower && !upper)
    throw new RangeError(
      `VAs [${hexOf(start)}, ${hexOf(end)}) are not all of the lower or the upper half of ${bits} bits, sign-extended to 64`,
    );
}

/**
 * The TLBIs that cover a range of IPAs or VAs, each byte once and no other, in order. `op` says the form: a range TLBI, with
 * the single-address form of the same reach for one page (one leaf of `tables.level`) that is left over, for the pages before
 * the first 64 KiB with `tables.lpa2`, and for leaves larger than any range; or a single-address TLBI, once for each page (leaf).
 * With `tables.level` each operand has a TTL hint. Throws a RangeError, one sentence, for what operands cannot say: unaligned
 * ends, addresses too large, a level without leaves, an ASID that the form does not take.
 */
export function coverRange(op: TlbiOp, range: Wanted, tables: Tables = {}, asid?: number): CoverStep[] {
  const kind = op.operand.startsWith("ipa") ? "ipa" : op.operand.startsWith("va") ? "va" : undefined;
  if (kind !== range.kind) throw new RangeError(`${op.name} takes no ${range.kind === "ipa" ? "IPA" : "VA"}`);
  const takesAsid = kind === "va" && op.matchesAsid !== "any";
  if (asid !== undefined && !takesAsid) throw new RangeError(`${op.name} takes no ASID`);
  if (asid === undefined && takesAsid && op.regime !== "EL2") throw new RangeError(`${op.name} needs an ASID`);
  const shift = leafShift(tables);
  check(range, tables, shift);
  const ranged = op.operand.endsWith("-range");
  const single = ranged ? TLBI_OPS[singleFormOf(op)]! : op;
  const steps: CoverStep[] = [];
  for (let at = range.start; at < range.end; at = steps.at(-1)!.end) {
    if (steps.length === MOST_STEPS)
      throw new RangeError(
        `more than ${MOST_STEPS.toLocaleString("en")} TLBIs: expected a smaller range, leaves of a larger level or a form with ranges (R...)`,
      );
    const wide = ranged ? nextRange(op, at, range.end, tables, shift, asid) : undefined;
    steps.push(wide ?? nextLeaf(single, at, tables, shift, asid));
  }
  return steps;
}

function nextLeaf(op: TlbiOp, at: bigint, tables: Tables, shift: number, asid = 0): CoverStep {
  const { granuleBits = 12, level } = tables;
  // TTL [3:2] is the granule, 1 to 3; 64 bits of a VA have 44 of the page number.
  const ttl = level === undefined ? 0 : (((granuleBits - 10) / 2) << 2) | level;
  const page = Number(BigInt.asUintN(44, at >> 12n));
  const xt = encodeOperand(op.operand === "va" ? { kind: "va", asid, page, ttl } : { kind: "ipa", page, ttl });
  return { op, xt, start: at, end: at + (1n << BigInt(shift)) };
}

/** The largest range from `at`; undefined where one leaf is left, or the leaf or the base asks for the single-address form. */
function nextRange(
  op: TlbiOp,
  at: bigint,
  end: bigint,
  tables: Tables,
  shift: number,
  asid = 0,
): CoverStep | undefined {
  const { granuleBits = 12, level, lpa2 } = tables;
  const unit = BigInt(baseShift(granuleBits, lpa2));
  const granules = (end - at) >> BigInt(granuleBits);
  const leaf = 1n << BigInt(shift - granuleBits);
  if (granules === leaf || leaf > MOST_GRANULES || at % (1n << unit) !== 0n) return undefined;
  const range = largestRange(Number(granules))!;
  const kind = op.operand === "va-range" ? "va-range" : "ipa-range";
  const base = Number(BigInt.asUintN(37, at >> unit));
  const xt = encodeOperand({ kind, asid, granuleBits, ...range, ttl: level ?? 0, base });
  return { op, xt, start: at, end: at + (BigInt(range.granules) << BigInt(granuleBits)) };
}

/** {@link coverRange}, with what is to be known of the instructions; for the EL, tables and ASID of the intent (4 KiB by itself). */
export function explainCover(op: TlbiOp, range: Wanted, intent: Omit<Intent, "range"> = {}): Cover {
  const { granuleBits = 12, level, lpa2, asid } = intent;
  const tables = { granuleBits, ...(level !== undefined && { level }), ...(lpa2 && { lpa2 }) };
  const steps = coverRange(op, range, tables, asid);
  const used = [...new Set(steps.map((step) => step.op))];
  const { completedBy, remarks } = explainTlbi(op, 0);
  return {
    ...{ range, tables, ...(asid !== undefined && { asid }), steps },
    needs: [
      ...new Set([
        ...used.flatMap((one) => one.needs),
        ...(level === undefined ? [] : ["FEAT_TTL"]),
        ...(lpa2 ? ["FEAT_LPA2"] : []),
      ]),
    ],
    ...{ completedBy, remarks, lint: used.flatMap((one) => lintOperand(one, undefined, intent)) },
  };
}

/**
 * Reads "ADDR+PAGES" (IPAs) or "va:ADDR+PAGES": an address in bytes, 0x... or decimal, and pages of the granule. Throws a
 * RangeError, one sentence.
 */
export function parseRange(text: string, granuleBits: GranuleBits = 12): Wanted {
  const match = /^\s*(?:(ipa|va):)?(0x[0-9a-f]{1,16}|\d{1,20})\+(0x[0-9a-f]{1,16}|\d{1,20})\s*$/i.exec(text);
  if (!match) throw new RangeError(`expected IPA+PAGES or va:ADDR+PAGES, such as 0x40000000+512, not '${text}'`);
  const [start, pages] = [BigInt(match[2]!), BigInt(match[3]!)];
  if (pages === 0n) throw new RangeError(`'${text}': expected at least one page`);
  return { kind: match[1]?.toLowerCase() === "va" ? "va" : "ipa", start, end: start + (pages << BigInt(granuleBits)) };
}

/** The form for a range where none is asked for: RIPAS2E1IS; of VAs RVAE1IS with an ASID, else RVAAE1IS. */
export const usualForm = (kind: Wanted["kind"], asid: number | undefined): string =>
  kind === "ipa" ? "RIPAS2E1IS" : asid === undefined ? "RVAAE1IS" : "RVAE1IS";
