/** A policy's own text, unrolled for a concrete case, as assembly of a scenario. */
import { type CpuProfile, TLBI_OPS } from "../../arch/index.js";
import { Case, levelOfLeaf, type Occasion, type Policy, unroll } from "../../policy/index.js";
import { ASID } from "./domains.js";
import { originRemark } from "./origin.js";
import type { Pcpu } from "./scenario.js";
import { pageOf, plus, type Term } from "./terms.js";

/** Page numbers that stand for the first page removed, and of the VA that the owner has for it, while a policy is unrolled. */
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
  /** VTTBR_EL2 of a VMID */
  readonly vttbr: (vmid: number) => Term;
  /** the pages that it is about; undefined for an occasion about a whole VMID */
  readonly range?: Range;
}

/** Pages of 4 KiB. */
export interface Range {
  /** address of page 0 */
  readonly ipa: Term;
  /** the VA that the owner has for it, if somebody told the hypervisor */
  readonly va: Term | undefined;
  /** the first page, counted from page 0 */
  readonly first: number;
  readonly pages: number;
  /** pages of one entry: 1, or 512 for a block */
  readonly step: number;
  /** a table went with its entries, so that their level is not known */
  readonly table?: boolean;
  /** how many pages from page 0 on the story looks at: code for single other pages changes nothing there, and is left out */
  readonly looked: number;
}

/** The instructions of a policy on one pCPU. */
export function flushLines(flush: Flush, pcpu: Pcpu): string[] {
  const on = new Case();
  on.currentVmid = flush.currentVmid;
  on.ownerVmids = flush.ownerVmids;
  const { range } = flush;
  on.asid = ASID;
  const va = range?.va === undefined ? -1 : VPN + range.first;
  if (range) on.add(GFN + range.first, range.pages, va, range.step, range.table ? 0 : levelOfLeaf(range.step));
  const lines: string[] = [];
  const place = flush.policy.places[flush.occasion];
  const add = (text: string, line: number): number => lines.push(place ? text + originRemark({ ...place, occasion: flush.occasion, line }) : text); // biome-ignore format: one row
  for (const i of unroll(flush.policy.code[flush.occasion], on, flush.cpu, flush.policy.file))
    if (i.kind === "barrier") add(i.text.toUpperCase(), i.line);
    else if (i.kind === "vttbr") add(`MSR VTTBR_EL2,${pcpu.constant(flush.vttbr(i.vmid))}`, i.line);
    else {
      const op = TLBI_OPS[i.op]!;
      if (op.operand === "none") add(`TLBI ${op.name}`, i.line);
      else {
        const operand = i.operand === 0n ? "XZR" : operandOf(i.operand, range!, !op.operand.endsWith("-range"));
        if (operand !== undefined)
          add(`TLBI ${op.name},${operand === "XZR" ? operand : pcpu.constant(operand)}`, i.line);
      }
    }
  return lines;
}

/** What Xt holds; undefined when it is about a single page that the story does not look at. */
function operandOf(operand: bigint, range: Range, single: boolean): Term | undefined {
  const base = Number(operand & ((1n << 37n) - 1n));
  const byVa = base >= VPN;
  const page = base - (byVa ? VPN : GFN);
  const fields = operand - BigInt(base);
  if (single && page >= range.looked) return undefined;
  return plus(pageOf(byVa ? range.va! : range.ipa), fields + BigInt(page));
}
