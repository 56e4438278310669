/** A trace of the form of a recorded one: Xen's phases, and call paths where a simulation has functions. */
import { barrierIndex, leafHi, leafLo, tlbiIndex } from "../arch/index.js";
import type { TraceSink } from "./buffer.js";
import { NO_DOMAIN } from "./event.js";
import { Recorder } from "./recorder.js";

/** The call path of a removal's flush: innermost first, and as long as they get. */
export const REMOVAL_PATH =
  "p2m_force_tlb_flush_sync < p2m_tlb_flush_sync < p2m_set_entry < guest_physmap_remove_page < xenmem_remove_from_physmap < do_memory_op";
/** The call path of a batch's flush. */
export const BATCH_PATH =
  "p2m_force_tlb_flush_sync < p2m_tlb_flush_sync < xenmem_remove_from_physmap_batch < do_memory_op";
export const HEAP_PATH =
  "flush_guest_tlb < alloc_heap_pages < alloc_domheap_pages < p2m_alloc_page < p2m_create_table < p2m_next_level";

/** Records the removal of `pages` pages into the sinks: page by page, or in batches of `batch` with one flush each. */
export function recordRemovals(sinks: readonly TraceSink[], pages: number, batch?: number): void {
  const r = new Recorder(2, sinks);
  const flush = (op: string, site: string): void => {
    r.at(r.names.id(site));
    r.barrier(0, barrierIndex("dsb ishst")!);
    r.tlbi(0, tlbiIndex(op)!, 0, 0);
    r.barrier(0, barrierIndex("dsb ish")!);
    r.at(0);
  };
  const phase = (name: string, work: () => void): void => {
    r.begin(0, r.names.id(`phase:${name}`));
    work();
    r.end(0, r.names.id(`phase:${name}`));
  };
  r.context(0, NO_DOMAIN, 0);
  phase("xen-boot", () => flush("ALLE2IS", ""));
  phase("dom0-build", () => flush("ALLE1IS", HEAP_PATH));
  r.context(0, 0, 1);
  phase("create", () => {
    flush("ALLE1IS", HEAP_PATH);
    const call = r.names.id(`hypercall:XENMEM_remove_from_physmap${batch === undefined ? "" : "_batch"}`);
    const step = batch ?? 1;
    for (let page = 0; page < pages; page += step) {
      r.begin(0, call);
      for (let i = page; i < Math.min(page + step, pages); i++)
        r.write(0, 0x90000 + (i >> 9), 2, 3, i % 512, leafLo(0x40000 + i, 3, 0x7fc), leafHi(0x40000 + i, 0), 0, 0);
      flush("VMALLS12E1IS", batch === undefined ? REMOVAL_PATH : BATCH_PATH);
      r.end(0, call);
    }
  });
  r.flush();
}
