/**
 * Where a p2m flushes: the C functions at which the policy's protocol says that code runs (xen/arch/arm/mmu/p2m.c:
 * p2m_tlb_flush_sync, p2m_force_tlb_flush_sync, p2m_write_unlock).
 */
import { pagesAtLevel } from "../arch/index.js";
import { Protocol, type RunCode } from "../policy/index.js";
import type { Machine } from "./machine.js";

/** The flushes of one p2m. */
export class P2mFlushes {
  private readonly protocol: Protocol;
  private site = 0;
  private readonly unlockSite: number;
  private readonly setEntrySite: number;
  private readonly freeEntrySite: number;
  private readonly batchSite: number;

  constructor(machine: Machine, owner: { readonly vmids: readonly number[]; readonly asid: number }) {
    const run: RunCode = (lane, occasion, on) => machine.runCode(lane, occasion, on, this.site);
    this.protocol = new Protocol(machine.policies, owner, run);
    const { names } = machine.recorder;
    this.unlockSite = names.id("p2m_write_unlock");
    this.setEntrySite = names.id("__p2m_set_entry");
    this.freeEntrySite = names.id("p2m_free_entry");
    this.batchSite = names.id("xenmem_remove_from_physmap_batch");
  }

  /** The whole VMID: (re)assigned, its root cleared or invalidated. */
  whole(site: number): void {
    this.site = site;
    this.protocol.assigned();
  }

  /** A vCPU comes in where another one of the domain ran last, under this VMID. */
  atSwitch(vmid: number, site: number): void {
    this.site = site;
    this.protocol.switched(vmid);
  }

  /** p2m_force_tlb_flush_sync in the middle of break-before-make: the entry is invalid, its successor not yet written. */
  force(gfn: number, level: number, va: number, step = pagesAtLevel(level)): void {
    const pages = pagesAtLevel(level);
    this.site = this.setEntrySite;
    if (step === pages) this.protocol.broken(gfn, pages, va, step);
    else this.protocol.merged(gfn, pages, va, step);
  }

  /** p2m_set_entry ends with an error: what it has changed until then stays so. */
  failing(): void {
    this.protocol.failing();
  }

  /** A vCPU comes in that ran on another pCPU last, under this VMID. Xen itself has HCR_EL2.FB = 1, and executes nothing. */
  moved(vmid: number, site: number): void {
    this.site = site;
    this.protocol.moved(vmid);
  }

  /** An entry that was valid to the hardware is gone: need_flush. `step`: pages of its smallest leaf. */
  entryRemoved(gfn: number, level: number, va: number, step: number): void {
    this.site = this.setEntrySite;
    this.protocol.removed(gfn, pagesAtLevel(level), va, step);
  }

  /**
   * Nothing but the permissions of an entry that was valid to the hardware changes: need_flush. The entry is invalid now, its
   * successor not yet written.
   */
  permissionChanged(gfn: number, level: number, va: number, writable: boolean): void {
    this.site = this.setEntrySite;
    this.protocol.changed(writable ? "permission-relaxed" : "write-protected", gfn, pagesAtLevel(level), va);
  }

  /** p2m_write_unlock, with the lock still held. */
  atUnlock(): void {
    this.site = this.unlockSite;
    this.protocol.unlocking();
  }

  /** A table is about to be freed: p2m_tlb_flush_sync, as the walk caches may hold it. In a batch it is kept instead. */
  beforeFreeing(): void {
    this.site = this.freeEntrySite;
    this.protocol.freeing();
  }

  /** relinquish_p2m_mapping: the domain's mappings go for ever. */
  beginDying(): void {
    this.protocol.beginDying();
  }

  /** Nothing that removals free may go back to the heap now. */
  get keeps(): boolean {
    return this.protocol.keeps;
  }

  beginBatch(): void {
    this.protocol.beginBatch();
  }

  /** The batch ends or gives way. */
  endBatch(): void {
    this.site = this.batchSite;
    this.protocol.endBatch();
  }
}
