/** A flush of a trace beside code: the cases on which that code would have run, and when two instructions are the same. */
import { decodeOperand, halvesOf, low48, TLBI_OPS } from "../arch/index.js";
import { Case, type Unrolled } from "../policy/index.js";
import { type Flush, type Lifted, pageOfOperand } from "./flush.js";
import { ownersOf } from "./flush-text.js";

/**
 * Cases that a flush may be of: its entries in the order in which they went, and in ascending order, joined. VAs are those that
 * the flush names, since the trace does not say where the guest had the pages mapped.
 */
export function casesOf(flush: Flush): Case[] {
  const { removed } = flush;
  const sorted = [...removed].sort((a, b) => a.gfn - b.gfn);
  const orders = removed.every((entry, i) => entry === sorted[i]) ? [removed] : [removed, sorted];
  const vas = namedVas(flush.instructions);
  return orders.map((list) => {
    const on = new Case();
    on.currentVmid = flush.currentVmid;
    on.ownerVmids = ownersOf(flush);
    let done = 0;
    for (const { gfn, pages, step } of list) {
      on.add(gfn, pages, vas === undefined ? -1 : vas.at(done), step);
      done += pages;
    }
    on.asid = vas?.asid ?? 0;
    return on;
  });
}

/** The VAs that a flush names, page after page of what was removed; undefined when it names none. */
function namedVas(instructions: readonly Lifted[]): { at(page: number): number; asid: number } | undefined {
  const ranges: { from: number; base: number; pages: number }[] = [];
  let done = 0;
  let asid = 0;
  for (const x of instructions) {
    if (x.kind !== "tlbi" || TLBI_OPS[x.op]!.regime !== "EL1&0") continue;
    const fields = decodeOperand(TLBI_OPS[x.op]!.operand, x.lo, x.hi);
    if (fields.kind !== "va" && fields.kind !== "va-range") continue;
    const pages = fields.kind === "va" ? 1 : fields.granules;
    ranges.push({ from: done, base: fields.kind === "va" ? fields.page : fields.base, pages });
    done += pages;
    asid = fields.asid;
  }
  if (ranges.length === 0) return undefined;
  return {
    asid,
    at(page) {
      const range = ranges.find(({ from, pages }) => page >= from && page < from + pages);
      return range === undefined ? -1 : range.base + page - range.from;
    },
  };
}

/** A policy's instruction as a trace has it; undefined where the policy says that it is unknown. */
export function liftedOf(x: Unrolled): Lifted | undefined {
  if (x.kind === "unknown" || x.kind === "on") return undefined;
  if (x.kind === "tlbi") return { kind: "tlbi", op: x.op, ...halvesOf(x.operand) };
  return x.kind === "vttbr" ? { kind: "vttbr", vmid: x.vmid } : { kind: "barrier", barrier: x.barrier };
}

/** Any IPA within a leaf invalidates it (DDI 0487, TLBI IPAS2E1): which one an operand names makes no difference. */
export function same(a: Lifted, b: Lifted, flush: Pick<Flush, "removed">): boolean {
  if (a.kind === "barrier") return b.kind === "barrier" && a.barrier === b.barrier;
  if (a.kind === "vttbr") return b.kind === "vttbr" && a.vmid === b.vmid;
  if (b.kind !== "tlbi" || a.op !== b.op) return false;
  if (a.lo === b.lo && a.hi === b.hi) return true;
  if (TLBI_OPS[a.op]!.operand !== "ipa") return false;
  const [page, other] = [pageOfOperand(a), pageOfOperand(b)];
  // Bits that are no page number: TTL, and what stands above.
  const rest = low48(a.lo, a.hi) - page === low48(b.lo, b.hi) - other && a.hi >>> 16 === b.hi >>> 16;
  return rest && leafOf(page, flush) === leafOf(other, flush);
}

/** The first page of the removed leaf that a page lies in; the page itself where none was removed. */
function leafOf(page: number, { removed }: Pick<Flush, "removed">): number {
  const entry = removed.find(({ gfn, pages }) => page >= gfn && page < gfn + pages);
  return entry === undefined ? page : page - ((page - entry.gfn) % entry.step);
}
