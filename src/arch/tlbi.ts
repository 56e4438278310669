/**
 * Every TLBI of the EL1&0 and EL2 regimes as one table: encoding, operand, and what it reaches and matches
 * (DDI 0487, C5.5 for the encodings, D8 "TLB maintenance" for the effects).
 */
import type { Feature } from "./features.js";

/** Which PEs an invalidation reaches: the executing one, its Inner Shareable domain, or the Outer Shareable one. */
export type Reach = "local" | "inner" | "outer";
/** What Xt holds. */
export type OperandKind = "none" | "asid" | "va" | "ipa" | "va-range" | "ipa-range";

export interface TlbiOp {
  /** "VAE1IS", "RIPAS2E1", "VMALLS12E1ISNXS": the manual's name in upper case */
  readonly name: string;
  /** the name without reach and nXS: "VAE1", "RIPAS2E1" */
  readonly base: string;
  readonly regime: "EL1&0" | "EL2";
  readonly reach: Reach;
  readonly nXS: boolean;
  readonly operand: OperandKind;
  /** which kinds of cached entry it must remove (EL1&0 regime; for EL2 the regime's own stage-1 entries) */
  readonly stage1: boolean;
  readonly stage2: boolean;
  /** false for IPAS2*: they are *not required* to apply to combined entries */
  readonly combined: boolean;
  /** true when only entries of the current VMID match; false for ALLE1 and for the EL2 regime */
  readonly matchesVmid: boolean;
  /** "exact-or-global": the operand's ASID, or a global entry; "exact": the operand's ASID, not global; "any": not looked at */
  readonly matchesAsid: "exact-or-global" | "exact" | "any";
  /** VAL*, IPAS2L*: only last-level (leaf) entries need go */
  readonly lastLevel: boolean;
  /** features without which the instruction is UNDEFINED */
  readonly needs: readonly Feature[];
  /** SYS #op1, C8 or C9, Cm, #op2 */
  readonly op1: number;
  readonly crn: number;
  readonly crm: number;
  readonly op2: number;
  /** the instruction word with Rt = 0 */
  readonly word: number;
}

interface Family {
  base: string;
  op1: 0 | 4;
  /** [CRm, op2] for local, inner, outer */
  at: readonly [readonly [number, number], readonly [number, number], readonly [number, number]];
  operand: OperandKind;
  /** which entries: s1 = stage-1 and combined; s2 = stage-2 only; s12 = all three; el2 = the EL2 regime's own */
  rows: "s1" | "s2" | "s12" | "el2";
  asid: TlbiOp["matchesAsid"];
  lastLevel?: true;
  anyVmid?: true;
}

const usual = (op2: number): Family["at"] => [
  [7, op2],
  [3, op2],
  [1, op2],
];
const ranged = (op2: number): Family["at"] => [
  [6, op2],
  [2, op2],
  [5, op2],
];

// One row per family, in the order of the manual's C5.5 listing by op1 and op2.
const FAMILIES: readonly Family[] = [
  { base: "VMALLE1", op1: 0, at: usual(0), operand: "none", rows: "s1", asid: "any" },
  { base: "VAE1", op1: 0, at: usual(1), operand: "va", rows: "s1", asid: "exact-or-global" },
  { base: "ASIDE1", op1: 0, at: usual(2), operand: "asid", rows: "s1", asid: "exact" },
  { base: "VAAE1", op1: 0, at: usual(3), operand: "va", rows: "s1", asid: "any" },
  { base: "VALE1", op1: 0, at: usual(5), operand: "va", rows: "s1", asid: "exact-or-global", lastLevel: true },
  { base: "VAALE1", op1: 0, at: usual(7), operand: "va", rows: "s1", asid: "any", lastLevel: true },
  { base: "RVAE1", op1: 0, at: ranged(1), operand: "va-range", rows: "s1", asid: "exact-or-global" },
  { base: "RVAAE1", op1: 0, at: ranged(3), operand: "va-range", rows: "s1", asid: "any" },
  { base: "RVALE1", op1: 0, at: ranged(5), operand: "va-range", rows: "s1", asid: "exact-or-global", lastLevel: true },
  { base: "RVAALE1", op1: 0, at: ranged(7), operand: "va-range", rows: "s1", asid: "any", lastLevel: true },
  { base: "IPAS2E1", op1: 4, at: [[4, 1], [0, 1], [4, 0]], operand: "ipa", rows: "s2", asid: "any" }, // biome-ignore format: a table
  { base: "RIPAS2E1", op1: 4, at: [[4, 2], [0, 2], [4, 3]], operand: "ipa-range", rows: "s2", asid: "any" }, // biome-ignore format: a table
  { base: "IPAS2LE1", op1: 4, at: [[4, 5], [0, 5], [4, 4]], operand: "ipa", rows: "s2", asid: "any", lastLevel: true }, // biome-ignore format: a table
  { base: "RIPAS2LE1", op1: 4, at: [[4, 6], [0, 6], [4, 7]], operand: "ipa-range", rows: "s2", asid: "any", lastLevel: true }, // biome-ignore format: a table
  { base: "ALLE1", op1: 4, at: usual(4), operand: "none", rows: "s12", asid: "any", anyVmid: true },
  { base: "VMALLS12E1", op1: 4, at: usual(6), operand: "none", rows: "s12", asid: "any" },
  { base: "ALLE2", op1: 4, at: usual(0), operand: "none", rows: "el2", asid: "any" },
  { base: "VAE2", op1: 4, at: usual(1), operand: "va", rows: "el2", asid: "exact-or-global" },
  { base: "VALE2", op1: 4, at: usual(5), operand: "va", rows: "el2", asid: "exact-or-global", lastLevel: true },
  { base: "RVAE2", op1: 4, at: ranged(1), operand: "va-range", rows: "el2", asid: "exact-or-global" },
  { base: "RVALE2", op1: 4, at: ranged(5), operand: "va-range", rows: "el2", asid: "exact-or-global", lastLevel: true },
];

const REACHES = ["local", "inner", "outer"] as const;
const SUFFIX: Record<Reach, string> = { local: "", inner: "IS", outer: "OS" };

function build(): TlbiOp[] {
  const list: TlbiOp[] = [];
  for (const nXS of [false, true])
    for (const f of FAMILIES)
      REACHES.forEach((reach, r) => {
        const [crm, op2] = f.at[r]!;
        const crn = nXS ? 9 : 8;
        const needs: Feature[] = [];
        if (f.operand.endsWith("-range")) needs.push("FEAT_TLBIRANGE");
        if (reach === "outer") needs.push("FEAT_TLBIOS");
        if (nXS) needs.push("FEAT_XS");
        list.push({
          name: f.base + SUFFIX[reach] + (nXS ? "NXS" : ""),
          base: f.base,
          regime: f.rows === "el2" ? "EL2" : "EL1&0",
          reach,
          nXS,
          operand: f.operand,
          stage1: f.rows !== "s2",
          stage2: f.rows === "s2" || f.rows === "s12",
          combined: f.rows === "s1" || f.rows === "s12",
          matchesVmid: f.rows !== "el2" && !f.anyVmid,
          matchesAsid: f.asid,
          lastLevel: f.lastLevel ?? false,
          needs,
          op1: f.op1,
          crn,
          crm,
          op2,
          word: (0xd5080000 | (f.op1 << 16) | (crn << 12) | (crm << 8) | (op2 << 5)) >>> 0,
        });
      });
  return list;
}

/** Every TLBI; the index in this list is the instruction's code in a trace. Entries before the nXS half need no FEAT_XS. */
export const TLBI_OPS: readonly TlbiOp[] = build();
const byName = new Map(TLBI_OPS.map((op, i) => [op.name, i]));
const byWord = new Map(TLBI_OPS.map((op, i) => [op.word, i]));

/** Index in {@link TLBI_OPS} of a name in any case ("vmalls12e1is", "VAE1ISnXS"), or undefined. */
export function tlbiIndex(name: string): number | undefined {
  return byName.get(name.trim().toUpperCase());
}

/** The TLBI of that name; throws a RangeError when there is none. */
export function tlbiOp(name: string): TlbiOp {
  const index = tlbiIndex(name);
  if (index === undefined) throw new RangeError(`unknown TLBI operation '${name}'`);
  return TLBI_OPS[index]!;
}

/** The instruction word of a TLBI with Xt = X<rt> (31 = XZR, as it must be where there is no operand). */
export function encodeTlbi(op: TlbiOp, rt: number): number {
  if (!Number.isInteger(rt) || rt < 0 || rt > 31) throw new RangeError(`register number ${rt}, expected 0 to 31`);
  return (op.word | rt) >>> 0;
}

/** The TLBI that an instruction word is, with its register; undefined when the word is something else. */
export function decodeTlbi(word: number): { op: TlbiOp; index: number; rt: number } | undefined {
  const index = byWord.get((word & ~0x1f) >>> 0);
  return index === undefined ? undefined : { op: TLBI_OPS[index]!, index, rt: word & 0x1f };
}
