/** Permissions, and what a data abort reports (DDI 0487, D1.3, D8.4, D19 ESR_ELx). */

import { TLBI_OPS } from "../../arch/index.js";
import type { Action } from "../program.js";
import type { Model } from "../rules.js";
import type { Leaf, WalkFault } from "../tlb/index.js";

/** Vectors by where the exception comes from: VBAR + 0x0, 0x200, 0x400. */
export const VECTOR_CURRENT_SP0 = 0x0;
export const VECTOR_CURRENT_SPX = 0x200;
export const VECTOR_LOWER = 0x400;

export type AccessKind = "read" | "write" | "both";

/**
 * The least EL at which an instruction is defined (DDI 0487, C5): TLBIs with op1 = 4 are EL2's, others EL1's; a system register
 * is that of the EL in its name.
 */
export function leastEl(at: Action): number {
  switch (at.op) {
    case "tlbi":
      return TLBI_OPS[at.tlbi]!.op1 === 4 ? 2 : 1;
    case "msr":
    case "mrs":
      return Number(at.sysreg.at(-1));
    case "hvc":
    case "eret":
      return 1;
    default:
      return 0;
  }
}

/** ESR_ELx of an instruction that is UNDEFINED: EC 0, IL. */
export const UNDEFINED = 1 << 25;

/** "ok", or the stage whose permission the access lacks. AP[2:1] as the EL reads it; S2AP[0] read, S2AP[1] write. */
export function permitted(
  leaf: Leaf,
  kind: AccessKind,
  el: number,
  model: Model,
): "ok" | "permission-1" | "permission-2" {
  if (!model.permissions) return "ok";
  const writes = kind !== "read";
  const readOnly = (leaf.ap & 2) !== 0 && !leaf.clean;
  if ((writes && readOnly) || (el === 0 && (leaf.ap & 1) === 0)) return "permission-1";
  if (el < 2 && ((kind !== "write" && (leaf.s2ap & 1) === 0) || (writes && (leaf.s2ap & 2) === 0)))
    return "permission-2";
  return "ok";
}

/** Where a data abort goes, its ESR_ELx (32 bits), the page of the IPA that HPFAR_EL2 gets (-1 = none), and words. */
export function syndrome(
  walk: { readonly leaf: Leaf | undefined; readonly fault: WalkFault | undefined },
  type: string,
  kind: AccessKind,
  el: number,
): { el: 1 | 2; esr: number; ipa: number; text: string } {
  const { leaf, fault } = walk;
  const stage = fault ? fault.stage : type === "permission-2" ? 2 : 1;
  const level = fault ? fault.level : stage === 2 ? leaf!.level2 : leaf!.level;
  const status = (fault?.type === "translation" ? 0b000100 : fault ? 0b001000 : 0b001100) | level;
  const target = el === 2 || stage === 2 ? 2 : 1;
  const ec = target > el ? 0x24 : 0x25;
  const esr = (ec << 26) | (1 << 25) | (fault?.onWalk ? 1 << 7 : 0) | (kind !== "read" ? 1 << 6 : 0) | status;
  const name = fault?.type === "translation" ? "Translation" : fault ? "Access flag" : "Permission";
  return {
    el: target,
    esr: esr >>> 0,
    ipa: stage === 2 ? (fault ? fault.ipa : leaf!.ipa) : -1,
    text: `stage-${stage} ${name} fault at level ${level}`,
  };
}
