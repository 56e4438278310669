/**
 * The hypercalls that change a domain's memory and physmap (xen/common/memory.c: do_memory_op and its helpers), and the one
 * that is proposed: XENMEM_remove_from_physmap_batch.
 */
import { pagesAtLevel } from "../arch/index.js";
import type { Domain, Xen } from "./domain.js";
import { EDOM, EFAULT, EILSEQ, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, EPERM, ESRCH } from "./errno.js";
import { INVALID_MFN, UNKNOWN_VA } from "./p2m.js";
import { P2m } from "./types.js";

/** XENMAPSPACE_*: where an add_to_physmap takes its pages from. */
export const MapSpace = {
  shared_info: 0,
  grant_table: 1,
  gmfn: 2,
  gmfn_range: 3,
  gmfn_foreign: 4,
  dev_mmio: 5,
} as const;

/** `size` of the batch calls is a uint16_t. */
export const MAX_BATCH = 0xffff;

/** Frames of a grant table: opt_max_grant_frames, as xl has it. */
const MAX_GRANT_FRAMES = 64;

/** A guest's array: what the hypervisor reads from or writes to, item by item. Null is a bad handle (-EFAULT). */
type GuestArray = { [index: number]: number; readonly length: number } | null;

/** struct xen_add_to_physmap_batch, for space gmfn_foreign. */
interface AddBatch {
  readonly domid: number;
  readonly space: number;
  readonly size: number;
  readonly foreignDomid: number;
  /** gfns of the foreign domain */
  readonly idxs: GuestArray;
  readonly gpfns: GuestArray;
  readonly errs: GuestArray;
  /** not in the ABI: each gfn is that of a block of 2^order pages */
  readonly order?: number;
}

/** struct xen_remove_from_physmap_batch: its sibling without the indexes. */
interface RemoveBatch {
  readonly domid: number;
  readonly size: number;
  readonly gpfns: GuestArray;
  readonly errs: GuestArray;
  /** not in the ABI: page numbers of the guest's VAs, for policies that are told them */
  readonly vas?: GuestArray;
  /** not in the ABI: each gfn is that of a block of 2^order pages */
  readonly order?: number;
  /** not in the ABI: items after which each go gives way, in place of `preemptAfter` (a record's) */
  readonly goes?: readonly number[];
}

interface BatchArgs {
  readonly domid: number;
  readonly size: number;
  readonly errs: GuestArray;
  readonly goes?: readonly number[];
}

/** What one of the batch calls does; the frame around it is the same. */
interface BatchCall<B extends BatchArgs> {
  readonly name: `hypercall:${string}`;
  /** the guest's arrays, each `size` items */
  readonly handles: (batch: B) => readonly GuestArray[];
  /** 0, or -errno for arguments that this call does not take */
  readonly check: (batch: B) => number;
  readonly item: (domain: Domain, batch: B, item: number) => number;
  readonly enter: (domain: Domain) => void;
  readonly leave: (domain: Domain) => void;
}

/** guest_physmap_remove_page, of 2^order pages under one lock: -ENOENT when nothing is mapped there. */
export function removePage(domain: Domain, gpfn: number, va: number, order = 0): number {
  if (!domain.p2m.lookup(gpfn)) return -ENOENT;
  domain.p2m.lock();
  const rc = domain.p2m.setEntry(gpfn, 2 ** order, INVALID_MFN, P2m.invalid, va);
  domain.p2m.unlock();
  return rc;
}

/** Physmap hypercalls. `preemptAfter`: items after which hypercall_preempt_check() finds something pending. */
export class Physmap {
  constructor(
    private readonly xen: Xen,
    private readonly preemptAfter: number,
    /** extents after which populate_physmap finds something pending */
    private readonly populatePreemptAfter = Number.POSITIVE_INFINITY,
  ) {
    this.removeMark = xen.machine.recorder.names.id("hypercall:XENMEM_remove_from_physmap");
    this.populateSite = xen.machine.recorder.names.id("populate_physmap");
  }

  private readonly removeMark: number;
  private readonly populateSite: number;

  /**
   * XENMEM_populate_physmap: extents of 2^order pages at the gfns. Returns how many were populated; fewer than asked when
   * memory ends. A continuation is a hypercall again, and flushes again where the version flushes once a call (XenVersion).
   */
  populate(domid: number, extents: readonly number[], order: number): number {
    for (let done = 0; ; ) {
      const rc = this.xen.hypercall("hypercall:XENMEM_populate_physmap", () =>
        this.populateSome(domid, extents, order, done),
      );
      if (rc < 0) return rc;
      const short = rc - done < this.populatePreemptAfter;
      done = rc;
      if (short || done === extents.length) return done;
    }
  }

  /** populate_physmap, from extent `start` on: how many are populated now, or -errno. */
  private populateSome(domid: number, extents: readonly number[], order: number, start: number): number {
    const { xen } = this;
    const domain = xen.domain(domid);
    if (!domain) return -ESRCH;
    const noTlbflush = !domain.creationFinished && xen.machine.version.creationFlush === "call";
    let got = false;
    let done = start;
    while (done < extents.length && done - start < this.populatePreemptAfter) {
      const frame = extents[done]!;
      if (!domain.p2m.holds(frame + 2 ** order - 1)) break;
      const page = xen.allocate(domain, order, noTlbflush);
      if (page === undefined) break;
      got = true;
      domain.p2m.lock();
      const rc = domain.p2m.setEntry(frame, 2 ** order, page, P2m.ram_rw);
      domain.p2m.unlock();
      if (rc !== 0) break;
      done++;
    }
    // What accumulate_tlbflush() reads of a page that was just allocated is PGT_TYPE_INFO_INITIALIZER, for whoever had it.
    if (got && noTlbflush) xen.machine.flushAllGuests(this.populateSite);
    return done;
  }

  /** XENMEM_add_to_physmap: a page at `gpfn`: the one at gfn `idx` of the same domain (gmfn: moved), or one of Xen's. */
  addToPhysmap(domid: number, space: number, idx: number, gpfn: number): number {
    return this.xen.hypercall("hypercall:XENMEM_add_to_physmap", () => {
      const domain = this.xen.domain(domid);
      if (!domain) return -ESRCH;
      return this.addOne(domain, space, domid, idx, gpfn);
    });
  }

  /** xenmem_add_to_physmap_one, for the spaces that this model has: not gmfn_range and dev_mmio. */
  private addOne(domain: Domain, space: number, foreignDomid: number, idx: number, gpfn: number, order = 0): number {
    const { machine } = this.xen;
    if (!domain.p2m.holds(gpfn)) return -EINVAL;
    if (space === MapSpace.gmfn) {
      if (!domain.p2m.lookup(idx) || domain.p2m.foundType !== P2m.ram_rw) return -EINVAL;
      const page = domain.p2m.foundMfn;
      domain.p2m.lock();
      domain.p2m.setEntry(idx, 1, INVALID_MFN, P2m.invalid);
      const rc = domain.p2m.setEntry(gpfn, 1, page, P2m.ram_rw);
      domain.p2m.unlock();
      return rc;
    }
    if (space === MapSpace.shared_info) return this.addXenPage(domain, domain.sharedInfo, gpfn);
    if (space === MapSpace.grant_table) {
      const page = this.grantFrame(domain, idx);
      return page === undefined ? -ENOMEM : this.addXenPage(domain, page, gpfn);
    }
    if (space !== MapSpace.gmfn_foreign) return -EOPNOTSUPP;
    if (foreignDomid === domain.id) return -EINVAL;
    const foreign = this.xen.domain(foreignDomid);
    if (!foreign) return -ESRCH;
    // Only RAM may be mapped; the reference keeps the page until the mapping goes.
    if (!foreign.p2m.lookup(idx)) return -EINVAL;
    const { foundType, foundMfn } = foreign.p2m;
    if (foundType !== P2m.ram_rw && foundType !== P2m.ram_ro) return -EINVAL;
    if (2 ** order > pagesAtLevel(foreign.p2m.foundLevel)) return -EINVAL;
    let got = 0;
    while (got < 2 ** order && machine.heap.get(foundMfn + got)) got++;
    let rc = -EINVAL;
    if (got === 2 ** order) {
      domain.p2m.lock();
      const type = foundType === P2m.ram_rw ? P2m.map_foreign_rw : P2m.map_foreign_ro;
      rc = domain.p2m.setEntry(gpfn, got, foundMfn, type);
      domain.p2m.unlock();
    }
    if (rc !== 0)
      for (let page = foundMfn; page < foundMfn + got; page++)
        if (machine.heap.putPage(page)) this.xen.pageFreed(page, foreignDomid);
    return rc;
  }

  /**
   * XENMEM_acquire_resource of grant-table frames (acquire_resource, gnttab_acquire_resource): Xen's own pages, made when
   * they are asked for first, enter the caller's p2m as foreign mappings.
   */
  acquireGrantFrames(domid: number, foreignDomid: number, gpfn: number, frames: number): number {
    return this.xen.hypercall("hypercall:XENMEM_acquire_resource", () => {
      const domain = this.xen.domain(domid);
      const foreign = this.xen.domain(foreignDomid);
      if (!domain || !foreign) return -ESRCH;
      for (let i = 0; i < frames; i++) {
        if (!domain.p2m.holds(gpfn + i)) return -EINVAL;
        const page = this.grantFrame(foreign, i);
        if (page === undefined) return -ENOMEM;
        this.xen.machine.heap.get(page);
        domain.p2m.lock();
        const rc = domain.p2m.setEntry(gpfn + i, 1, page, P2m.map_foreign_rw);
        domain.p2m.unlock();
        if (rc !== 0) return rc;
      }
      return 0;
    });
  }

  /** gnttab_grow_table: frame `index` of the domain's grant table, made with those before it; undefined when memory ends. */
  private grantFrame(domain: Domain, index: number): number | undefined {
    const { grantFrames } = domain;
    if (index >= MAX_GRANT_FRAMES) return undefined;
    while (grantFrames.length <= index) {
      const page = this.xen.allocate(domain, 0);
      if (page === undefined) return undefined;
      grantFrames.push(page);
    }
    return grantFrames[index];
  }

  /** A page of Xen's own (shared info, grant table) at a gfn of the guest's choice; what was mapped there is replaced. */
  private addXenPage(domain: Domain, page: number, gpfn: number): number {
    domain.p2m.lock();
    const rc = domain.p2m.setEntry(gpfn, 1, page, P2m.ram_rw);
    domain.p2m.unlock();
    return rc;
  }

  /** XENMEM_add_to_physmap_batch: item by item, errors into errs; gives way after `preemptAfter` items. */
  addToPhysmapBatch(batch: AddBatch): number {
    return this.batched(this.addCall, batch);
  }

  private readonly addCall: BatchCall<AddBatch> = {
    name: "hypercall:XENMEM_add_to_physmap_batch",
    handles: (batch) => [batch.idxs, batch.gpfns, batch.errs],
    check: (batch) => (batch.space === MapSpace.gmfn_range ? -EOPNOTSUPP : 0),
    item: (domain, batch, i) =>
      this.addOne(domain, batch.space, batch.foreignDomid, batch.idxs![i]!, batch.gpfns![i]!, batch.order),
    enter: () => {},
    leave: () => {},
  };

  /**
   * XENMEM_remove_from_physmap: one page, one lock, one flush. `va` is for policies that are told it. `order`: a block of 2^order
   * pages, which the ABI does not have (guest_physmap_remove_page does).
   */
  removeFromPhysmap(domid: number, gpfn: number, va = UNKNOWN_VA, order = 0): number {
    const { recorder, here } = this.xen.machine;
    recorder.begin(here, this.removeMark);
    const domain = this.xen.domain(domid);
    const rc = domain ? removePage(domain, gpfn, va, order) : -ESRCH;
    recorder.end(here, this.removeMark, rc);
    return rc;
  }

  /**
   * XENMEM_remove_from_physmap_batch, as proposed: limits and errors as its sibling has them; one flush at the end and one
   * before every continuation; what the removals free is kept until that flush.
   */
  removeFromPhysmapBatch(batch: RemoveBatch): number {
    return this.batched(this.removeCall, batch);
  }

  private readonly removeCall: BatchCall<RemoveBatch> = {
    name: "hypercall:XENMEM_remove_from_physmap_batch",
    handles: (batch) => [batch.gpfns, batch.errs],
    check: () => 0,
    item: (domain, batch, i) => removePage(domain, batch.gpfns![i]!, batch.vas?.[i] ?? UNKNOWN_VA, batch.order),
    enter: (domain) => domain.p2m.beginBatch(),
    leave: (domain) => domain.p2m.endBatch(),
  };

  /**
   * The frame of both batch calls (XENMEM_add_to_physmap_batch in do_memory_op): argument checks, items, preemption. A
   * continuation is a hypercall again, with its own marks; the result is that of the last one.
   */
  private batched<B extends BatchArgs>(call: BatchCall<B>, batch: B): number {
    const { recorder } = this.xen.machine;
    const mark = recorder.names.id(call.name);
    for (let [start, go] = [0, 0]; ; go++) {
      recorder.begin(this.xen.machine.here, mark);
      const rc = this.extents(call, batch, start, batch.goes?.[go] ?? this.preemptAfter);
      recorder.end(this.xen.machine.here, mark, rc);
      if (rc <= 0) return rc;
      start = rc;
    }
  }

  /** One go: the number of the item to continue with, 0 at the end, or -errno. */
  private extents<B extends BatchArgs>(call: BatchCall<B>, batch: B, start: number, preemptAfter: number): number {
    const { size } = batch;
    if (!Number.isInteger(size) || size < 0 || size > MAX_BATCH || start > MAX_BATCH) return -EDOM;
    let readable = size;
    for (const handle of call.handles(batch)) {
      if (handle === null) return -EFAULT;
      if (handle.length < readable) readable = handle.length;
    }
    const refused = call.check(batch);
    if (refused !== 0) return refused;
    const domain = this.xen.domain(batch.domid);
    if (!domain) return -ESRCH;
    if (size < start) return -EILSEQ;
    if (size === start) return start > 0 ? -EILSEQ : 0;
    call.enter(domain);
    let rc = 0;
    for (let item = start; item < size; ) {
      // Copying an item in, or its error out, beyond the guest's array faults; what was done stays done, and is flushed.
      if (item >= readable) {
        rc = -EFAULT;
        break;
      }
      batch.errs![item] = call.item(domain, batch, item);
      item++;
      if (item < size && (item - start) % preemptAfter === 0) {
        rc = item;
        break;
      }
    }
    call.leave(domain);
    return rc;
  }

  /**
   * XENMEM_decrease_reservation: pages leave the domain for good (guest_remove_page each, one flush a page). `va`: of the first,
   * for policies that are told it; a guest has side by side what is.
   */
  decreaseReservation(domid: number, frames: readonly number[], va = UNKNOWN_VA): number {
    return this.xen.hypercall("hypercall:XENMEM_decrease_reservation", () => {
      const domain = this.xen.domain(domid);
      if (!domain) return -ESRCH;
      const { heap } = this.xen.machine;
      let done = 0;
      for (const frame of frames) {
        if (!domain.p2m.lookup(frame)) break;
        const { foundMfn, foundType } = domain.p2m;
        if (foundType !== P2m.ram_rw) break;
        if (heap.owner[foundMfn] !== domid) return -EPERM;
        if (removePage(domain, frame, va === UNKNOWN_VA ? va : va + frame - frames[0]!) === -ENOMEM) break;
        if (heap.putAllocRef(foundMfn)) this.xen.pageFreed(foundMfn, domid);
        done++;
      }
      return done;
    });
  }
}
