/**
 * A domain's stage-2 table, in Xen's words its p2m: real radix tables in simulated memory, with Xen's rules of when a
 * change needs a flush (xen/arch/arm/mmu/p2m.c; the C function is named at each method).
 */
import { outputPage, pagesAtLevel, S2AP_W, type Stage2Geometry, VALID } from "../arch/index.js";
import { NO_DOMAIN } from "../trace/index.js";
import { ENOMEM } from "./errno.js";
import type { Machine } from "./machine.js";
import { P2mFlushes } from "./p2m-flush.js";
import { p2mGeometry } from "./p2m-geometry.js";
import { BlockSplitter } from "./p2m-split.js";
import { P2mWalks } from "./p2m-walks.js";
import {
  entryHi,
  entryLo,
  isForeign,
  isPresent,
  isTable,
  isValid,
  type P2mType,
  P2m as Type,
  tableEntryHi,
  tableEntryLo,
  typeOf,
} from "./types.js";

/** Machine frame of a removal. */
export const INVALID_MFN = -1;
/** VA of a mapping that nobody told the hypervisor. */
export const UNKNOWN_VA = -1;

/** Entries of a level for one page: the reciprocal of pagesAtLevel, exact in a double. */
const ENTRIES_PER_PAGE = [0, 1, 2, 3].map((level) => 1 / pagesAtLevel(level));

export class P2mTable {
  readonly geometry: Stage2Geometry;
  /** gfns that the table can translate: 0 to this, exclusive */
  private readonly gfns: number;
  private readonly startLevel: number;
  /** last_vcpu_ran: the vCPU of this domain that ran last on each pCPU, -1 = none */
  readonly lastVcpuRan: Int16Array;
  /** VMIDs of the domain: one, or one a vCPU */
  vmids: number[] = [];
  /** true when accesses may meet entries that are valid to Xen only */
  invalidated = false;
  /** ASID of the guest's mappings, told to policies that flush by VA */
  asid = 0;
  /** mem_access_enabled: permissions have been changed page by page, so nothing is mapped by blocks any more */
  memAccessEnabled = false;
  /** stats.mappings by level, stats.shattered by level */
  readonly mappings = [0, 0, 0, 0];
  readonly shattered = [0, 0, 0, 0];
  /** result of the last {@link lookup} */
  foundLevel = 0;
  foundMfn = 0;
  foundType: P2mType = Type.invalid;
  foundWritable = false;

  private readonly roots: number[] = [];
  private readonly tablesInUse = new Set<number>();
  private readonly walks = new P2mWalks();
  private startTable = 0;
  private locked = false;
  /** what a batch's removals freed, kept until its flush: foreign pages' references, and tables */
  private readonly deferredPages: number[] = [];
  private readonly deferredTables: number[] = [];
  private readonly flushes: P2mFlushes;
  private readonly splitter: BlockSplitter;
  private readonly sites: {
    readonly vmid: number;
    readonly clearRoot: number;
    readonly invalidateRoot: number;
    readonly resolve: number;
    readonly heap: number;
  };

  constructor(
    private readonly machine: Machine,
    readonly domain: number,
    ipaBits: number,
    /** called when a page's last reference goes, with the domain that owned it: it is back on the heap */
    private readonly freed: (page: number, owner: number) => void,
  ) {
    this.geometry = p2mGeometry(ipaBits);
    this.startLevel = this.geometry.startLevel;
    this.gfns = 2 ** (ipaBits - 12);
    this.lastVcpuRan = new Int16Array(machine.pcpus).fill(-1);
    const { names } = machine.recorder;
    this.flushes = new P2mFlushes(machine, this);
    this.splitter = new BlockSplitter(machine.tables, {
      mappings: this.mappings,
      shattered: this.shattered,
      allocateTable: () => this.allocateTable(),
      releaseTable: (table) => this.releaseTable(table),
      slot: (gfn, level) => this.slot(gfn, level),
      writeEntry: (table, level, slot, lo, hi) => this.writeEntry(table, level, slot, lo, hi),
    });
    this.sites = {
      vmid: names.id("p2m_alloc_vmid"),
      clearRoot: names.id("p2m_clear_root_pages"),
      invalidateRoot: names.id("p2m_invalidate_root"),
      resolve: names.id("p2m_resolve_translation_fault"),
      heap: names.id("alloc_heap_pages"),
    };
  }

  /** p2m_alloc_table: the root, side by side; false when the heap has no room. */
  allocateRoot(): boolean {
    const page = this.allocate(Math.log2(this.geometry.concatenated));
    if (page === undefined) return false;
    for (let i = 0; i < this.geometry.concatenated; i++) this.roots.push(this.newTable(page + i));
    return true;
  }

  /** Pages for tables; what a domain used last is flushed before it is one (alloc_heap_pages). */
  private allocate(order: number): number | undefined {
    const { heap } = this.machine;
    const page = heap.allocate(order, NO_DOMAIN);
    if (page !== undefined && heap.takeTlbflush(page, order)) this.machine.flushAllGuests(this.sites.heap);
    return page;
  }

  private allocateTable(): number | undefined {
    const page = this.allocate(0);
    if (page !== undefined) this.newTable(page);
    return page;
  }

  private releaseTable(table: number): void {
    this.tablesInUse.delete(table);
    this.machine.heap.putAllocRef(this.machine.tables.destroy(table));
  }

  private newTable(page: number): number {
    const table = this.machine.tables.create(page);
    this.tablesInUse.add(table);
    return table;
  }

  /** Machine frame of the first root table. */
  get rootPage(): number {
    return this.machine.tables.page[this.roots[0]!]!;
  }

  /** A VMID was (re)assigned: nothing of its former owner may be left (forced flush). */
  flushVmid(): void {
    this.flushes.whole(this.sites.vmid);
  }

  /** The policy's code for a vCPU switch, in the VMID of the vCPU that comes in; at the site of p2m_restore_state. */
  flushSwitch(vmid: number, site: number): void {
    this.flushes.atSwitch(vmid, site);
  }

  /** The policy's code for a vCPU that comes from another pCPU. */
  flushMoved(vmid: number, site: number): void {
    this.flushes.moved(vmid, site);
  }

  /** p2m_clear_root_pages at teardown, with its flush. */
  clearRoot(): void {
    const { geometry } = this;
    for (const root of this.roots)
      for (let slot = 0; slot < 512; slot++)
        if (isPresent(this.machine.tables.hi[512 * root + slot]!))
          this.writeEntry(root, geometry.startLevel, slot, 0, 0);
    this.flushes.whole(this.sites.clearRoot);
  }

  /** p2m_write_lock. */
  lock(): void {
    if (this.locked) throw new Error("the p2m is locked already");
    this.locked = true;
  }

  /** p2m_write_unlock: flushes first if need_flush, with the lock still held. */
  unlock(): void {
    this.flushes.atUnlock();
    this.locked = false;
  }

  /** relinquish_p2m_mapping: from now on every removal is one of a dying domain. */
  beginRelinquish(): void {
    this.flushes.beginDying();
  }

  /** A batch of removals begins: nothing that they free goes back before {@link endBatch}, and its flush may wait for it. */
  beginBatch(): void {
    this.flushes.beginBatch();
  }

  /** The batch ends or gives way: flush what is due, then release what the removals freed. */
  endBatch(): void {
    this.flushes.endBatch();
    this.releaseDeferred();
  }

  private releaseDeferred(): void {
    const { heap, tables } = this.machine;
    for (const page of this.deferredPages) this.putForeign(page);
    for (const table of this.deferredTables) heap.putAllocRef(tables.destroy(table));
    this.deferredPages.length = 0;
    this.deferredTables.length = 0;
  }

  /** Drops a foreign mapping's reference; the page may outlive its domain by it. */
  private putForeign(page: number): void {
    const { heap } = this.machine;
    const owner = heap.owner[page]!;
    if (heap.putPage(page)) this.freed(page, owner);
  }

  private slot(gfn: number, level: number): number {
    return (gfn * ENTRIES_PER_PAGE[level]!) & 511; // & takes the integer part modulo 2^32, which is all that 511 wants
  }

  private rootFor(gfn: number): number {
    if (this.roots.length === 1) return this.roots[0]!;
    return this.roots[Math.floor(gfn / pagesAtLevel(this.geometry.startLevel) / 512)]!;
  }

  /** Where a walk to `target` may begin: the level, its table in `startTable`: the root, or where an earlier walk ended. */
  private startOfWalk(gfn: number, target: number): number {
    const level = this.walks.find(gfn, target);
    this.startTable = level < 0 ? this.rootFor(gfn) : this.walks.table;
    return level < 0 ? this.startLevel : level;
  }

  /** True when the table can translate that gfn. */
  holds(gfn: number): boolean {
    return gfn >= 0 && gfn < this.gfns;
  }

  /** p2m_write_pte / p2m_remove_pte: one descriptor, recorded. */
  private writeEntry(table: number, level: number, slot: number, lo: number, hi: number): void {
    const { tables, recorder, here } = this.machine;
    const i = 512 * table + slot;
    recorder.write(here, tables.page[table]!, 2, level, slot, tables.lo[i]!, tables.hi[i]!, lo, hi);
    tables.lo[i] = lo;
    tables.hi[i] = hi;
  }

  /** p2m_create_table: a new table, linked in. Undefined when the heap is empty. */
  private createTable(table: number, level: number, slot: number): number | undefined {
    const page = this.allocateTable();
    if (page === undefined) return undefined;
    this.writeEntry(table, level, slot, tableEntryLo(page), tableEntryHi(page));
    return this.machine.tables.at(page);
  }

  /** p2m_mapping_order: the largest step that gfn, mfn (when mapping) and nr are all aligned to, as a level. */
  private stepLevel(gfn: number, page: number, nr: number): number {
    if (nr === 1 || this.memAccessEnabled) return 3;
    const aligned = (pages: number): boolean =>
      gfn % pages === 0 && nr % pages === 0 && (page === INVALID_MFN || page % pages === 0);
    return aligned(pagesAtLevel(1)) ? 1 : aligned(pagesAtLevel(2)) ? 2 : 3;
  }

  /**
   * p2m_set_entry: maps `nr` pages at gfn to `page`, or removes them (INVALID_MFN). `va` is the page of the guest's VA, for
   * policies that want it; `writable`: false takes from the pages what their type lets be written. Returns 0 or -ENOMEM. The lock
   * must be held.
   */
  setEntry(gfn: number, nr: number, page: number, type: P2mType, va = UNKNOWN_VA, writable = true): number {
    if (!this.locked) throw new Error("p2m_set_entry without the p2m's lock");
    for (let done = 0; done < nr; ) {
      const level = this.stepLevel(gfn + done, page === INVALID_MFN ? page : page + done, nr - done);
      const rc = this.setOne(
        gfn + done,
        level,
        page === INVALID_MFN ? page : page + done,
        type,
        va === UNKNOWN_VA ? va : va + done,
        writable,
      );
      if (rc !== 0) {
        this.flushes.failing();
        return rc;
      }
      done += pagesAtLevel(level);
    }
    return 0;
  }

  /** __p2m_set_entry: one entry at a target level. */
  private setOne(gfn: number, target: number, page: number, type: P2mType, va: number, writable: boolean): number {
    const removing = page === INVALID_MFN;
    const { tables } = this.machine;
    let level = this.startOfWalk(gfn, target);
    let table = this.startTable;
    for (; level < target; level++) {
      const slot = this.slot(gfn, level);
      const i = 512 * table + slot;
      if (!isPresent(tables.hi[i]!)) {
        if (removing) return 0;
        const next = this.createTable(table, level, slot);
        if (next === undefined) return -ENOMEM;
        table = next;
      } else if (isTable(tables.lo[i]!, tables.hi[i]!, level))
        table = tables.at(outputPage(tables.lo[i]!, tables.hi[i]!));
      else {
        if (!this.splitBlock(gfn, table, level, slot, target, va)) return -ENOMEM;
        table = tables.at(outputPage(tables.lo[i]!, tables.hi[i]!));
      }
    }
    this.walks.remember(gfn, table, level);
    this.replaceEntry(gfn, table, level, page, type, va, writable);
    return 0;
  }

  /** A block is split down to the target level with one break-before-make; false when the heap is empty. */
  private splitBlock(gfn: number, table: number, level: number, slot: number, target: number, va: number): boolean {
    const { tables } = this.machine;
    const i = 512 * table + slot;
    const page = this.splitter.build(gfn, tables.lo[i]!, tables.hi[i]!, level, target);
    if (page === undefined) return false;
    this.writeEntry(table, level, slot, 0, 0);
    const size = pagesAtLevel(level);
    this.flushes.force(Math.floor(gfn / size) * size, level, va === UNKNOWN_VA ? va : va - (gfn % size));
    this.writeEntry(table, level, slot, tableEntryLo(page), tableEntryHi(page));
    return true;
  }

  private replaceEntry(
    gfn: number,
    table: number,
    level: number,
    page: number,
    type: P2mType,
    va: number,
    writable: boolean,
  ): void {
    const { tables } = this.machine;
    const slot = this.slot(gfn, level);
    const i = 512 * table + slot;
    const oldLo = tables.lo[i]!;
    const oldHi = tables.hi[i]!;
    const removing = page === INVALID_MFN;
    const wasValid = isValid(oldLo);
    const step = wasValid ? this.finestStep(oldLo, oldHi, level) : 0;
    if (isPresent(oldHi) && !isTable(oldLo, oldHi, level)) this.mappings[level]!--;
    if (wasValid || removing) this.writeEntry(table, level, slot, 0, 0);
    if (removing) {
      if (wasValid) this.flushes.entryRemoved(gfn, level, va, step);
    } else {
      const full = entryLo(page, level, type);
      const lo = writable ? full : (full & ~S2AP_W) >>> 0;
      const hi = entryHi(page, type);
      if (wasValid) {
        // P2M_CLEAR_PERM of both is the same: nothing but permissions changes, and the flush may wait (need_flush).
        const sameButPermission = this.memAccessEnabled && ((lo ^ oldLo) & ~S2AP_W) === 0 && hi === oldHi;
        if (sameButPermission) this.flushes.permissionChanged(gfn, level, va, writable);
        else this.flushes.force(gfn, level, va, step);
      }
      this.writeEntry(table, level, slot, lo, hi);
      this.mappings[level]!++;
    }
    if (isPresent(oldHi) && outputPage(oldLo, oldHi) !== page) this.freeEntry(oldLo, oldHi, level);
  }

  /** Pages that the smallest leaf of an entry maps: a TLBI for each leaf must come as often. */
  private finestStep(lo: number, hi: number, level: number): number {
    if (!isTable(lo, hi, level)) return pagesAtLevel(level);
    const { tables } = this.machine;
    const first = 512 * tables.at(outputPage(lo, hi));
    let finest = pagesAtLevel(level + 1);
    for (let i = first; i < first + 512 && finest > 1; i++)
      if (isTable(tables.lo[i]!, tables.hi[i]!, level + 1))
        finest = Math.min(finest, this.finestStep(tables.lo[i]!, tables.hi[i]!, level + 1));
    return finest;
  }

  /** p2m_free_entry: drops what an old entry held: a foreign page's reference, or a whole subtree of tables. */
  private freeEntry(lo: number, hi: number, level: number): void {
    const { heap, tables } = this.machine;
    if (isTable(lo, hi, level)) {
      const table = tables.at(outputPage(lo, hi));
      for (let slot = 0; slot < 512; slot++) {
        const i = 512 * table + slot;
        if (!isPresent(tables.hi[i]!)) continue;
        if (!isTable(tables.lo[i]!, tables.hi[i]!, level + 1)) this.mappings[level + 1]!--;
        this.freeEntry(tables.lo[i]!, tables.hi[i]!, level + 1);
      }
      // The walk caches may hold the subtree: flush before its pages are reused (p2m_tlb_flush_sync).
      this.flushes.beforeFreeing();
      this.tablesInUse.delete(table);
      this.walks.forget();
      if (this.flushes.keeps) this.deferredTables.push(table);
      else heap.putAllocRef(tables.destroy(table));
    } else if (isForeign(typeOf(hi))) {
      const first = outputPage(lo, hi);
      for (let page = first; page < first + pagesAtLevel(level); page++)
        if (this.flushes.keeps) this.deferredPages.push(page);
        else this.putForeign(page);
    }
  }

  /** p2m_get_entry: sets foundLevel, foundMfn and foundType; false when nothing is mapped (to Xen). */
  lookup(gfn: number): boolean {
    if (!this.holds(gfn)) return false;
    const { tables } = this.machine;
    const los = tables.lo;
    const his = tables.hi;
    let level = this.startOfWalk(gfn, 3);
    let table = this.startTable;
    for (; level <= 3; level++) {
      const i = 512 * table + this.slot(gfn, level);
      const lo = los[i]!;
      const hi = his[i]!;
      this.foundLevel = level;
      if (!isPresent(hi)) return false;
      if (isTable(lo, hi, level)) table = tables.at(outputPage(lo, hi));
      else {
        this.walks.remember(gfn, table, level);
        this.foundMfn = outputPage(lo, hi) + (gfn & (pagesAtLevel(level) - 1));
        this.foundType = typeOf(hi);
        this.foundWritable = (lo & S2AP_W) !== 0;
        return true;
      }
    }
    return false;
  }

  /**
   * p2m_invalidate_root: bit 0 of root entries goes, so that the next use of each faults; one flush at unlock. Xen does it when
   * a domain is unpaused first, to track accesses for the guest's set/way cache maintenance. It concerns the whole VMID, as a
   * new root does. The C code's loop goes to P2M_ROOT_LEVEL where it means P2M_ROOT_PAGES: at 48 bits (level 0) it does
   * nothing, and from level 1 on it does the first root page only. So does this.
   */
  invalidateRoot(): void {
    if (this.startLevel === 0) return;
    this.lock();
    for (const root of this.roots.slice(0, this.startLevel)) this.invalidateTable(root, this.startLevel);
    this.invalidated = true;
    this.flushes.whole(this.sites.invalidateRoot);
    this.unlock();
  }

  private invalidateTable(table: number, level: number): void {
    const { tables } = this.machine;
    for (let slot = 0; slot < 512; slot++) {
      const i = 512 * table + slot;
      if (isValid(tables.lo[i]!)) this.writeEntry(table, level, slot, (tables.lo[i]! & ~VALID) >>> 0, tables.hi[i]!);
    }
  }

  /**
   * p2m_resolve_translation_fault, as often as an access to the gfn faults: an entry on the way that is valid to Xen only is
   * made valid again, after the table below it was invalidated in its turn. For that Xen flushes at unlock
   * (p2m_invalidate_table sets need_flush), although nothing below an invalid entry is cached. False: the gfn is not mapped.
   */
  resolveTranslationFault(gfn: number): boolean {
    const { tables } = this.machine;
    let table = this.rootFor(gfn);
    for (let level = this.startLevel; level <= 3; level++) {
      const slot = this.slot(gfn, level);
      const i = 512 * table + slot;
      const lo = tables.lo[i]!;
      const hi = tables.hi[i]!;
      if (!isPresent(hi)) return false;
      const below = isTable(lo, hi, level) ? tables.at(outputPage(lo, hi)) : -1;
      if (!isValid(lo)) {
        if (below >= 0) this.invalidateTable(below, level + 1);
        this.writeEntry(table, level, slot, (lo | VALID) >>> 0, hi);
        if (below >= 0) this.flushes.whole(this.sites.resolve);
      }
      if (below < 0) return true;
      table = below;
    }
    return false;
  }

  /** The gfn after the entry or hole that the last {@link lookup} of `gfn` found (gfn_next_boundary). */
  nextBoundary(gfn: number): number {
    const size = pagesAtLevel(this.foundLevel);
    return (Math.floor(gfn / size) + 1) * size;
  }

  /** p2m_teardown: every table goes back to the heap, the root too. */
  freeTables(): void {
    const { heap, tables } = this.machine;
    for (const table of this.tablesInUse) heap.putAllocRef(tables.destroy(table));
    this.tablesInUse.clear();
    this.walks.forget();
    this.roots.length = 0;
  }
}
