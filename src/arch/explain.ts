/**
 * What a TLBI does, in words and fields, for people: the encoding, whom it reaches, which cached entries it must remove, what
 * its operand says, what completes it, and what is easily got wrong (DDI 0487: C5.5 for encodings and operand fields, D8 "TLB
 * maintenance" for effects, B2.3 for completion). An edge of the program: 64-bit values are bigints here.
 */
import { BARRIERS, type BarrierDomain, completes } from "./barrier.js";
import { SYMPTOMS, WORKAROUNDS } from "./errata.js";
import { type ExplainedOperand, explainOperand, operandRemarks } from "./explain-operand.js";
import type { Feature } from "./features.js";
import { type Intent, type Lint, lintOperand } from "./operand-lint.js";
import { type EntryKind, removesKind } from "./reach.js";
import { encodeTlbi, type OperandKind, type TlbiOp } from "./tlbi.js";
import { registerName } from "./word.js";

/** One kind of cached entry: must it go, and which of them match. */
export interface Removal {
  /** "absent": the regime has no such entries */
  readonly status: "yes" | "no" | "not required" | "absent";
  /** which entries match; only with "yes" */
  readonly matches?: string;
}

/** A TLBI, explained. */
export interface Explanation {
  readonly name: string;
  /** as an assembler takes it: "TLBI VAE1IS, X0" */
  readonly assembly: string;
  readonly word: number;
  readonly encoding: {
    readonly op1: number;
    readonly CRn: number;
    readonly CRm: number;
    readonly op2: number;
    readonly Rt: number;
  };
  readonly regime: TlbiOp["regime"];
  readonly needs: readonly Feature[];
  readonly reach: string;
  readonly removes: { readonly stage1: Removal; readonly stage2: Removal; readonly combined: Removal };
  /** absent when the instruction takes none */
  readonly operand?: ExplainedOperand;
  /** the DSBs that complete it on every PE it reaches, the narrowest first */
  readonly completedBy: readonly string[];
  readonly remarks: readonly string[];
  /** what is wrong with it, or looks so */
  readonly lint: readonly Lint[];
}

const REACH: Record<TlbiOp["reach"], string> = {
  local: "the executing PE only",
  inner: "every PE of the executing PE's Inner Shareable domain",
  outer: "every PE of the executing PE's Outer Shareable domain",
};

/** The narrowest first. */
const DOMAINS: readonly BarrierDomain[] = ["NSH", "ISH", "OSH", "SY"];

/**
 * Explains `TLBI op, X<rt>`; `xt` is the register's value if it is known (XZR, rt = 31, is 0 by itself), `intent` what it is
 * for, as far as that is known. Throws a RangeError for a register number that does not exist.
 */
export function explainTlbi(op: TlbiOp, rt: number, xt?: bigint, intent: Intent = {}): Explanation {
  const takesOperand = op.operand !== "none";
  const value = takesOperand && rt === 31 ? 0n : xt;
  const operand = takesOperand ? explainOperand(op, value, intent) : undefined;
  return {
    name: op.name,
    assembly: `TLBI ${op.name}${takesOperand || rt !== 31 ? `, ${registerName(rt)}` : ""}`,
    word: encodeTlbi(op, rt),
    encoding: { op1: op.op1, CRn: op.crn, CRm: op.crm, op2: op.op2, Rt: rt },
    regime: op.regime,
    needs: op.needs,
    reach: REACH[op.reach],
    removes: {
      stage1: removal(op, "stage1"),
      stage2: removal(op, "stage2"),
      combined: removal(op, "combined"),
    },
    ...(operand && { operand }),
    completedBy: DOMAINS.flatMap((domain) =>
      BARRIERS.filter((b) => b.domain === domain && completes(b, op)).map((b) => b.name),
    ),
    remarks: [...instructionRemarks(op, rt), ...operandRemarks(op, value, intent)],
    lint: lintOperand(op, value, intent),
  };
}

function removal(op: TlbiOp, kind: EntryKind): Removal {
  if (op.regime === "EL2" && kind !== "stage1") return { status: "absent" };
  if (!removesKind(op, kind)) return { status: kind === "combined" ? "not required" : "no" };
  return { status: "yes", matches: kind === "stage2" ? stage2Match(op) : stage1Match(op) };
}

const vmidMatch = (op: TlbiOp): string => (op.matchesVmid ? "the current VMID" : "every VMID");
const levelMatch = (op: TlbiOp): string => (op.lastLevel ? "last level only" : "every level of the walk");

function addressMatch(kind: OperandKind): string | undefined {
  if (kind === "va" || kind === "va-range") return kind === "va" ? "the VA" : "VAs in the range";
  if (kind === "ipa" || kind === "ipa-range") return kind === "ipa" ? "the IPA" : "IPAs in the range";
  return undefined;
}

function stage1Match(op: TlbiOp): string {
  const asid = {
    "exact-or-global": "the operand's ASID or global",
    exact: "the operand's ASID, not global",
    any: "any ASID, global too",
  }[op.matchesAsid];
  const parts = op.regime === "EL2" ? [] : [vmidMatch(op), asid];
  return [...parts, addressMatch(op.operand), levelMatch(op)].filter(Boolean).join("; ");
}

const stage2Match = (op: TlbiOp): string =>
  [vmidMatch(op), addressMatch(op.operand), levelMatch(op)].filter(Boolean).join("; ");

function instructionRemarks(op: TlbiOp, rt: number): string[] {
  const remarks: string[] = [];
  const say = (when: boolean, text: string): void => {
    if (when) remarks.push(text);
  };
  say(
    op.operand === "none" && rt !== 31,
    `There is no operand, so Rt should be 31, not ${rt}: CONSTRAINED UNPREDICTABLE, either UNDEFINED or executed as if Rt were 31.`,
  );
  say(
    op.stage2 && !op.combined,
    "Not required to apply to combined entries (VA to PA, both stages folded together): where they matter, a VMALLE1 of the same reach must follow, after a DSB that completes this one.",
  );
  say(
    op.regime === "EL1&0" && !op.stage2,
    "Stage-2 entries may stay: after a change of a stage-2 descriptor it is not enough by itself.",
  );
  say(
    op.lastLevel,
    "Entries cached from table descriptors may stay: when a table was unlinked or freed, use the form without L.",
  );
  say(
    op.matchesVmid,
    "At EL2 the VMID is VTTBR_EL2.VMID; a write of VTTBR_EL2 is certain to count only after an ISB (or another context synchronisation event).",
  );
  say(
    op.op1 === 0,
    "Executed at EL2 with HCR_EL2.{E2H,TGE} = {1,1} it applies to the EL2&0 regime instead, not to a guest.",
  );
  say(op.op1 === 0 && op.reach === "local", "Executed at EL1 with HCR_EL2.FB = 1 it acts as the IS form.");
  say(op.regime === "EL2", "The ASID counts only with HCR_EL2.E2H = 1 (the EL2&0 regime); there are no VMIDs here.");
  for (const { id, symptom, workaround } of Object.values(SYMPTOMS)) {
    const { title, remedy, concerns } = WORKAROUNDS[workaround];
    say(concerns(op), `On a CPU with the ${title} erratum (${id}) ${symptom}: ${remedy}.`);
  }
  say(
    op.nXS,
    "Removes the same entries as the form without nXS, but its completion does not wait for accesses with the XS attribute.",
  );
  return remarks;
}
