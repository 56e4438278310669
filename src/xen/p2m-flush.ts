/**
 * When a p2m flushes, and what for: need_flush, forced flushes, batches, and what must not be freed before a flush
 * (xen/arch/arm/mmu/p2m.c: p2m_tlb_flush_sync, p2m_force_tlb_flush_sync, p2m_write_unlock).
 */
import { pagesAtLevel } from "../arch/index.js";
import { Case, type Due, type Policy } from "../policy/index.js";
import type { Machine } from "./machine.js";

/** Whose flushes they are: the domain's VMIDs, and the ASID of its guest's mappings. */
interface FlushOwner {
  readonly vmids: readonly number[];
  readonly asid: number;
}

/** Whose revoke code runs then, by when it is due. */
const DUE: Readonly<Record<Due, (policy: Policy) => boolean>> = {
  "at-once": ({ due }) => due === "at-once",
  unlock: ({ due }) => due === "unlock",
  "batch-end": ({ due }) => due === "batch-end",
};
const OWN_END = ({ ownDomainDies }: Policy): boolean => ownDomainDies;
/** The same while the domain dies: of those policies only that have no code of their own for it. */
const DUE_DYING: typeof DUE = {
  "at-once": (policy) => DUE["at-once"](policy) && !OWN_END(policy),
  unlock: (policy) => DUE.unlock(policy) && !OWN_END(policy),
  "batch-end": (policy) => DUE["batch-end"](policy) && !OWN_END(policy),
};

/** The flushes of one p2m. */
export class P2mFlushes {
  /** removed since the last revoke code */
  private readonly removed = new Case();
  /** removed since the last batch-end code */
  private readonly batched = new Case();
  private readonly forced = new Case();
  private needFlush = false;
  /** true within a batch of removals: nothing that they free may go back before its end */
  batching = false;
  /** true when the domain's mappings go for ever (relinquish_p2m_mapping) */
  dying = false;
  private readonly unlockSite: number;
  private readonly setEntrySite: number;
  private readonly freeEntrySite: number;
  private readonly batchSite: number;

  constructor(
    private readonly machine: Machine,
    private readonly owner: FlushOwner,
  ) {
    const { names } = machine.recorder;
    this.unlockSite = names.id("p2m_write_unlock");
    this.setEntrySite = names.id("__p2m_set_entry");
    this.freeEntrySite = names.id("p2m_free_entry");
    this.batchSite = names.id("xenmem_remove_from_physmap_batch");
  }

  /** The whole VMID: (re)assigned, its root cleared or invalidated. */
  whole(site: number): void {
    this.forced.clear();
    this.machine.flush("vmid-assigned", this.forced, this.owner.vmids, site);
  }

  /** A vCPU comes in where another one of the domain ran last, under this VMID. */
  atSwitch(vmid: number, site: number): void {
    this.forced.clear();
    this.machine.flush("switch", this.forced, [vmid], site);
  }

  /** p2m_force_tlb_flush_sync in the middle of break-before-make: the entry is invalid, its successor not yet written. */
  force(gfn: number, level: number, va: number, step = pagesAtLevel(level)): void {
    this.one(gfn, level, va, step);
    this.machine.flush("split", this.forced, this.owner.vmids, this.setEntrySite);
  }

  /** An entry that was valid to the hardware is gone: need_flush. `step`: pages of its smallest leaf. */
  entryRemoved(gfn: number, level: number, va: number, step: number): void {
    this.needFlush = true;
    const atOnce = this.due["at-once"];
    if (this.machine.has(atOnce)) {
      this.one(gfn, level, va, step);
      this.machine.flush("revoke", this.forced, this.owner.vmids, this.setEntrySite, atOnce);
    }
    this.removed.add(gfn, pagesAtLevel(level), va, step);
    if (this.machine.frame.batch) this.batched.add(gfn, pagesAtLevel(level), va, step);
  }

  /** Whose revoke code is to run. */
  private get due(): typeof DUE {
    return this.dying ? DUE_DYING : DUE;
  }

  private one(gfn: number, level: number, va: number, step: number): void {
    this.forced.clear();
    this.forced.asid = this.owner.asid;
    this.forced.add(gfn, pagesAtLevel(level), va, step);
  }

  /** p2m_write_unlock, with the lock still held. In a batch only what is due at unlock. */
  atUnlock(): void {
    if (!this.needFlush) return;
    if (this.batching) this.flushRemoved(this.unlockSite);
    else this.flushAll(this.unlockSite);
  }

  /** A table is about to be freed: the walk caches may hold it. In a batch it is kept instead. */
  beforeFreeing(): void {
    if (this.needFlush && !this.batching) this.flushAll(this.freeEntrySite);
  }

  /** The batch ends or gives way. */
  endBatch(): void {
    this.batching = false;
    if (this.needFlush) this.flushAll(this.batchSite);
  }

  /**
   * p2m_tlb_flush_sync: the revoke code of the policies that have it due at unlock, for what was removed since it ran last
   * (at once: each entry had its own); while the domain dies, the domain-dies code of those that have one.
   */
  private flushRemoved(site: number): void {
    if (this.removed.count === 0) return; // its flush came before a table went, or before the batch's end
    this.removed.asid = this.owner.asid;
    const { machine, removed, owner } = this;
    if (machine.has(this.due.unlock)) machine.flush("revoke", removed, owner.vmids, site, this.due.unlock);
    if (this.dying) machine.flush("domain-dies", removed, owner.vmids, site, OWN_END);
    removed.clear();
  }

  /** The revoke code, then the batch-end code: a removal outside a batch is a batch of one. */
  private flushAll(site: number): void {
    const { machine, batched, owner } = this;
    this.flushRemoved(site);
    if (machine.frame.batch) {
      batched.asid = owner.asid;
      const { due, dying } = this;
      if (machine.has(due["batch-end"])) machine.flush("revoke", batched, owner.vmids, site, due["batch-end"]);
      machine.flush("batch-end", batched, owner.vmids, site, dying ? (policy) => !OWN_END(policy) : undefined);
      batched.clear();
    }
    this.needFlush = false;
  }
}
