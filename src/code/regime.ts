/**
 * Of which regime a TLBI is that code executes at EL2 with HCR_EL2.E2H = 1: TGE decides it for those of EL1's own (VMALLE1, VAE1,
 * ASIDE1, ...; C5.5). A policy runs with E2H = 0, so that what is EL2&0's is said of EL2's there: no guest has any of it.
 */
import { TLBI_OPS, type TlbiOp } from "../arch/index.js";
import { fullAddress } from "../binary/index.js";
import type { Place } from "./following.js";
import type { Event, Own, Remark } from "./tree.js";
import type { Code, Step } from "./ways.js";

type Tlbi = Extract<Event, { kind: "tlbi" }>;

/** Whether a TLBI is for EL2&0; undefined: for EL1&0, or for EL2's own by its name. */
export function ownRegime(op: TlbiOp, { tge, former }: Pick<Place, "tge" | "former">): Own | undefined {
  if (op.op1 !== 0) return undefined;
  if (tge === "as found" && former === "as found") return "as found";
  // Until an ISB the former value may still hold, and what does less counts.
  const isOwn = (value: Place["tge"]): boolean => value === 1 || value === "as found";
  return isOwn(tge) || isOwn(former) ? "switched" : undefined;
}

/** A TLBI's operation in EL2's regime, of the same reach. */
function inEl2(op: TlbiOp): number {
  const base = op.operand === "none" || op.operand === "asid" ? "ALLE2" : "VALE2";
  return TLBI_OPS.findIndex((other) => other.base === base && other.reach === op.reach && other.nXS === op.nXS);
}

/**
 * Code as a policy can say it: what is EL2's, or EL2&0's, has no operand there, for nothing of it is wanted. `guests`: what the
 * function found, EL2&0, stands for a guest's stage 1, which has the same rules.
 */
export function inPolicyWords(code: Code, guests: boolean, remark: (kind: Remark["kind"], text: string) => void): Code {
  const word = (one: Tlbi): Tlbi => {
    const op = TLBI_OPS[one.op]!;
    const where = `TLBI ${op.name} at ${one.at.map(fullAddress).join(", ")}`;
    if (one.own === "as found" && guests) {
      remark(
        "taken",
        `${where} is for EL2&0, the kernel's own stage 1 (HCR_EL2.TGE = 1 when the function is called): judged as if that were a guest's stage 1, under the VMID of that guest`,
      );
      return one;
    }
    if (one.own !== undefined) {
      const why = one.own === "as found" ? "when the function is called" : "there, or until an ISB";
      remark("taken", `${where} is for EL2&0 (HCR_EL2.TGE = 1 ${why}): of a guest it removes nothing`);
      return { ...one, op: inEl2(op), operand: op.operand === "none" || op.operand === "asid" ? NONE : ZERO };
    }
    if (op.regime !== "EL2" || op.operand === "none" || one.operand.kind === "zero") return one;
    remark(
      "taken",
      `${where} is for the hypervisor's own regime, and its operand is left out: of a guest it removes nothing`,
    );
    return { ...one, operand: ZERO };
  };
  const all = (list: Code): Code =>
    list.map((step): Step => {
      if (step.kind === "tlbi") return word(step);
      if (step.kind === "if") return { ...step, yes: all(step.yes), no: all(step.no) };
      if (step.kind === "with") return { ...step, body: all(step.body) };
      return step.kind === "loop" ? { ...step, rounds: step.rounds.map(all) } : step;
    });
  return all(code);
}

const NONE = { kind: "none" } as const;
const ZERO = { kind: "zero" } as const;
