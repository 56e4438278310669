/** A policy's own text, unrolled for a concrete case, as assembly of a scenario. */
import { type CpuProfile, TLBI_OPS } from "../../arch/index.js";
import { Case, type Occasion, type Policy, unroll } from "../../policy/index.js";
import type { Pcpu } from "./source.js";

/** Page numbers that stand for the first page of `ipa1`, and of the VA that the owner has for it, while a policy is unrolled. */
const GFN = 2 ** 30;
const VPN = 2 ** 31;

/** What a flush is about. */
export interface Flush {
  readonly policy: Policy;
  readonly cpu: CpuProfile;
  readonly occasion: Occasion;
  /** VMIDs of the owner, and the one in VTTBR_EL2 */
  readonly ownerVmids: readonly number[];
  readonly currentVmid: number;
  /** VTTBR_EL2 of a VMID, as an expression of the litmus form */
  readonly vttbr: (vmid: number) => string;
  /** 4 KiB pages from ipa1, from page `first`; 0 for an occasion about a whole VMID */
  readonly first: number;
  readonly pages: number;
  /** pages of one entry: 1, or 512 for a block */
  readonly step: number;
  /** pages from ipa1 that the story touches; instructions for other pages of the same entry do what these do */
  readonly touched: readonly number[];
}

/** The instructions of a policy on one pCPU. */
export function flushLines(flush: Flush, pcpu: Pcpu): string[] {
  const on = new Case();
  on.currentVmid = flush.currentVmid;
  on.ownerVmids = flush.ownerVmids;
  if (flush.pages > 0) on.add(GFN + flush.first, flush.pages, VPN + flush.first, flush.step);
  const lines: string[] = [];
  for (const i of unroll(flush.policy.code[flush.occasion], on, flush.cpu, flush.policy.file))
    if (i.kind === "barrier") lines.push(i.text.toUpperCase());
    else if (i.kind === "vttbr") lines.push(`MSR VTTBR_EL2,${pcpu.constant(flush.vttbr(i.vmid))}`);
    else {
      const op = TLBI_OPS[i.op]!;
      if (op.operand === "none") lines.push(`TLBI ${op.name}`);
      else {
        const operand = operandOf(i.operand, flush.touched);
        if (operand !== undefined) lines.push(`TLBI ${op.name},${operand === "" ? "XZR" : pcpu.constant(operand)}`);
      }
    }
  return lines;
}

/** Xt as an expression; "" = XZR; undefined when it is about a single page that the story does not touch. */
function operandOf(operand: bigint, touched: readonly number[]): string | undefined {
  if (operand === 0n) return "";
  const base = Number(operand & ((1n << 37n) - 1n));
  const byVa = base >= VPN;
  const page = base - (byVa ? VPN : GFN);
  const fields = operand - BigInt(base);
  if (fields === 0n && !touched.includes(page)) return undefined;
  const name = `extz(page(${byVa ? "x" : "ipa1"}), 64)`;
  const rest = fields + BigInt(page);
  return rest === 0n ? name : `bvadd(${name}, extz(0x${rest.toString(16)}, 64))`;
}
