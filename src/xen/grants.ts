/** Grants, as far as they change a p2m (xen/common/grant_table.c, xen/arch/arm/mm.c): a page that another domain offers is mapped, and unmapped. */
import type { Domain, Xen } from "./domain.js";
import { EINVAL, ESRCH } from "./errno.js";
import { UNKNOWN_VA } from "./p2m.js";
import { removePage } from "./physmap.js";
import { P2m } from "./types.js";

export class Grants {
  constructor(private readonly xen: Xen) {}

  /**
   * GNTTABOP_map_grant_ref (create_grant_host_mapping): pages of another domain, at `idxs` in its p2m, at gfns of the caller's;
   * each is a new mapping, and holds a reference. Returns 0, or -errno of the first that cannot be mapped (those before it are).
   */
  map(domid: number, foreignDomid: number, idxs: readonly number[], gpfns: readonly number[]): number {
    return this.xen.hypercall("hypercall:GNTTABOP_map_grant_ref", () => {
      const domain = this.xen.domain(domid);
      const foreign = this.xen.domain(foreignDomid);
      if (!domain || !foreign) return -ESRCH;
      for (let i = 0; i < idxs.length; i++) {
        const rc = this.mapOne(domain, foreign, idxs[i]!, gpfns[i]!);
        if (rc !== 0) return rc;
      }
      return 0;
    });
  }

  private mapOne(domain: Domain, foreign: Domain, idx: number, gpfn: number): number {
    if (!domain.p2m.holds(gpfn) || !foreign.p2m.lookup(idx)) return -EINVAL;
    const page = foreign.p2m.foundMfn;
    if (!this.xen.machine.heap.get(page)) return -EINVAL;
    domain.p2m.lock();
    const rc = domain.p2m.setEntry(gpfn, 1, page, P2m.grant_map_rw);
    domain.p2m.unlock();
    return rc;
  }

  /**
   * GNTTABOP_unmap_grant_ref (replace_grant_host_mapping): guest_physmap_remove_page for each, with its lock and its flush; then
   * the pages' references go. (gnttab_flush_tlb, behind every 32, flushes nothing where the guest has a p2m.) `va`: of the
   * first, the others behind it, for policies that are told it.
   */
  unmap(domid: number, gpfns: readonly number[], va = UNKNOWN_VA): number {
    return this.xen.hypercall("hypercall:GNTTABOP_unmap_grant_ref", () => {
      const domain = this.xen.domain(domid);
      if (!domain) return -ESRCH;
      const { heap } = this.xen.machine;
      for (const [i, gpfn] of gpfns.entries()) {
        if (!domain.p2m.lookup(gpfn) || domain.p2m.foundType !== P2m.grant_map_rw) return -EINVAL;
        const { foundMfn: page } = domain.p2m;
        const owner = heap.owner[page]!;
        removePage(domain, gpfn, va === UNKNOWN_VA ? va : va + i);
        if (heap.putPage(page)) this.xen.pageFreed(page, owner);
      }
      return 0;
    });
  }
}
