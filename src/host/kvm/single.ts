/** One TLBI that traps to KVM, for a shadow that a user describes. */
import { halvesOf, levelShift, PAGE_SHIFT, TLBI_OPS } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import type { Counts } from "../counts.js";
import type { SingleTlbi, TouchedPages } from "../model.js";
import { accountOf, nestedCounts } from "./account.js";
import { TlbiHandlers } from "./handlers.js";
import { NestedMmus } from "./mmus.js";
import { type KvmHost, kvmOf } from "./settings.js";
import { ShadowPool, type ShadowStage2 } from "./shadow.js";
import { Tally } from "./tally.js";

/** Leaves of a described shadow; more is refused, for the sake of memory. */
const MAX_LEAVES = 2 ** 24;
const LAST_PAGE_OF_FIRST_GIB = 2 ** 18 - 1;
const VMID = 1;
/** Room for the tables of most shadows that are described: a probe's prediction makes hundreds of them. */
const FEW_TABLES = 16;

/** A shadow of `leaves` 4 KiB leaves: pages from 0 on, and last a page apart from them at the end of the same GiB (a guest's code). */
function shadowOfLeaves(leaves: number): TouchedPages[] {
  if (leaves === 0) return [];
  const apart = Math.max(LAST_PAGE_OF_FIRST_GIB, leaves - 1);
  return [
    { first: 0, pages: leaves - 1, level: 3 },
    { first: apart, pages: 1, level: 3 },
  ];
}

/** What the host does for a TLBI. An InputError where the IPA size does not reach the shadow, or it has too many leaves. */
export function shadowCounts(op: number, { operand, host, ipaBits, shadow, others = [] }: SingleTlbi): Counts {
  const kvm = kvmOf(host);
  const account = accountOf(host, ipaBits);
  const pool = new ShadowPool(kvm.granuleBits, ipaBits, FEW_TABLES);
  const mmus = new NestedMmus(pool, 1 + others.length);
  const tally = new Tally(1);
  const handlers = new TlbiHandlers(pool, mmus, [ipaBits], tally);
  if (shadow !== undefined) {
    const { stage2 } = mmus.get(0, 0, VMID << 16, handlers.unmapAll.bind(handlers));
    mapTouched(stage2, typeof shadow === "number" ? shadowOfLeaves(shadow) : shadow, kvm, ipaBits);
  }
  others.forEach((touched, i) => {
    const { stage2 } = mmus.get(0, 0, (VMID + 1 + i) << 16, handlers.unmapAll.bind(handlers));
    mapTouched(stage2, touched, kvm, ipaBits);
  });
  const { lo, hi } = halvesOf(operand);
  handlers.handle(op, VMID, lo, hi);
  return nestedCounts(tally, account, 0, { [TLBI_OPS[op]!.name]: 1 }, {});
}

/** Maps what accesses to all those pages would: leaves no larger than the guest's mapping and the host's backing. */
function mapTouched(stage2: ShadowStage2, touched: readonly TouchedPages[], kvm: KvmHost, ipaBits: number): void {
  let leaves = 0;
  for (const { first, pages, level } of touched) {
    if (first + pages > 2 ** (ipaBits - PAGE_SHIFT))
      throw new InputError(`the shadow reaches page ${first + pages - 1}, beyond ${ipaBits} IPA bits`);
    const granulePages = 2 ** (kvm.granuleBits - PAGE_SHIFT);
    const leafLevel = Math.max(level, kvm.backingLevel);
    const leafPages = 2 ** (levelShift(leafLevel, kvm.granuleBits) - PAGE_SHIFT);
    leaves += Math.ceil(pages / leafPages);
    if (leaves > MAX_LEAVES) throw new InputError(`a shadow of more than ${MAX_LEAVES} leaves is not simulated`);
    for (let page = first - (first % leafPages); page < first + pages; page += leafPages) {
      const granule = page / granulePages;
      if (stage2.find(granule) < 0) stage2.map(leafLevel, level);
    }
  }
}
