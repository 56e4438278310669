/** One flush as it was executed: its case and its instructions, and when two are alike. */
import { decodeOperand, low48, TLBI_OPS } from "../arch/index.js";
import type { Occasion } from "../policy/index.js";

/** An instruction of a flush. */
export type Lifted =
  | { readonly kind: "barrier"; readonly barrier: number }
  /** `lo`, `hi`: the operand; its page modulo what is known of it (see Flush.bySlot) */
  | { readonly kind: "tlbi"; readonly op: number; readonly lo: number; readonly hi: number }
  | { readonly kind: "vttbr"; readonly vmid: number };

/** A removed entry. */
export interface Removed {
  /** its first page */
  readonly gfn: number;
  /** 4 KiB pages that it mapped, and that its smallest leaf mapped */
  readonly pages: number;
  readonly step: number;
}

/** A flush as it was executed, once for all that are alike; numbers are those of the first. */
export interface Flush {
  readonly occasion: Occasion;
  readonly currentVmid: number;
  /** of the p2m; empty: the trace does not show it */
  readonly ownerVmids: readonly number[];
  /** what was removed and not yet flushed; empty where the occasion is about a whole VMID */
  readonly removed: readonly Removed[];
  /** of the removals only the slot in their table is known: page numbers are modulo a table */
  readonly bySlot: boolean;
  /** within a hypercall that removes one page, or pages in batches */
  readonly within: "single" | "batch" | undefined;
  /** of a flush in a batch: the batch removed more after it */
  readonly goesOn: boolean;
  /** of a change of permissions: flushed between the invalid entry and its successor */
  readonly amid: boolean;
  /** of a switch: the vCPU before ran under the same VMID */
  readonly sameVmid: boolean;
  readonly instructions: readonly Lifted[];
  /** how many there were, and by call path of their first instruction ("": nothing was executed) */
  count: number;
  readonly callers: Map<string, number>;
}

/** An IPA operand's page modulo that. */
export function reduced(x: Lifted, modulus: number): Lifted {
  if (x.kind !== "tlbi") return x;
  const { operand } = TLBI_OPS[x.op]!;
  if (operand !== "ipa" && operand !== "ipa-range") return x;
  const page = pageOfOperand(x);
  const low = low48(x.lo, x.hi) - page + (page % modulus);
  const lo = low % 2 ** 32;
  return { ...x, lo, hi: ((x.hi & 0xffff_0000) | ((low - lo) / 2 ** 32)) >>> 0 };
}

/** The page of a TLBI's operand, the first one of a range; 0 where it has none. It stands in the low bits in all forms. */
export function pageOfOperand({ op, lo, hi }: { op: number; lo: number; hi: number }): number {
  const fields = decodeOperand(TLBI_OPS[op]!.operand, lo, hi);
  return "page" in fields ? fields.page : "base" in fields ? fields.base : 0;
}

/** Equal for flushes that are alike: the same on the same occasion, but for which pages and VMIDs they are. */
export function keyOf(
  tags: string,
  current: number,
  owners: readonly number[],
  removed: readonly Removed[],
  instructions: readonly Lifted[],
): string {
  const first = removed[0]?.gfn ?? 0;
  let key = `${tags} ${owners.map((vmid) => (vmid === current ? "c" : "o")).join("")}`;
  for (const { gfn, pages, step } of removed) key += ` ${gfn - first},${pages},${step}`;
  for (const x of instructions)
    if (x.kind === "barrier") key += ` B${x.barrier}`;
    else if (x.kind === "vttbr")
      key += x.vmid === current ? " Vc" : ` V${owners.indexOf(x.vmid) < 0 ? x.vmid : `o${owners.indexOf(x.vmid)}`}`;
    else key += keyOfTlbi(x, first);
  return key;
}

function keyOfTlbi(x: Lifted & { kind: "tlbi" }, first: number): string {
  const { operand } = TLBI_OPS[x.op]!;
  if (operand !== "ipa" && operand !== "ipa-range") return ` T${x.op}:${x.hi}:${x.lo}`;
  const page = pageOfOperand(x);
  return ` T${x.op}:${x.hi >>> 16}:${low48(x.lo, x.hi) - page}:${page - first}`;
}
