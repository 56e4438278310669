/**
 * Who owns which page: what Xen's page allocator and those that give its pages away are called with. A page is its struct
 * page_info, whose address is an index into the frame table.
 */
import type { FrameTable } from "../binary/index.js";
import { HYPERVISOR, NO_DOMAIN, Owners, type Recorder } from "../trace/index.js";
import { type BlockRecord, wide } from "./records.js";

type Put = (event: (recorder: Recorder) => void) => void;

/** Sizes of an owner event: pages, and the level whose blocks are as large. */
const EXTENTS = [
  { pages: 2 ** 18, level: 1 },
  { pages: 512, level: 2 },
  { pages: 1, level: 3 },
] as const;
/** An order that no build's allocator has: what X1 or X2 hold is none. */
const MOST_ORDER = 20;

export class Ownership {
  private readonly owners = new Owners();
  private frames: FrameTable | undefined;
  /** by CPU: the order that alloc_heap_pages is under way with */
  private readonly order: (number | undefined)[] = [];

  /** `domainOf`: the domain of a struct domain's address, undefined for one that is not a guest's. */
  constructor(private readonly domainOf: (pointer: number) => number | undefined) {}

  /** From now on frames are known. */
  setFrameTable(frames: FrameTable): void {
    this.frames = frames;
  }

  private frame(r: BlockRecord, register: number): number | undefined {
    return this.frames?.pageOf(wide(r, register));
  }

  /** A function was entered: an owner changes, or will when it returns. `holds`: a mapping's reference is dropped by the caller. */
  entered(r: BlockRecord, name: string, holds: () => boolean, put: Put): void {
    switch (name) {
      case "alloc_heap_pages":
        this.order[r.cpu] = r.lo(2);
        break;
      case "free_heap_pages":
        this.give(r.cpu, this.frame(r, 0), 2 ** r.lo(1), NO_DOMAIN, put);
        break;
      case "assign_pages":
        this.assign(r, put);
        break;
      case "share_xen_page_with_guest":
        this.give(r.cpu, this.frame(r, 0), 1, this.domainOf(wide(r, 1)) ?? HYPERVISOR, put);
        break;
      case "put_page": {
        const page = holds() ? this.frame(r, 0) : undefined;
        if (page !== undefined) put((recorder) => recorder.hint(r.cpu, "put_page", page));
      }
    }
  }

  /** assign_pages(pg, nr, d, memflags), and up to Xen 4.15 (d, pg, order, memflags). */
  private assign(r: BlockRecord, put: Put): void {
    const page = this.frame(r, 0);
    if (page !== undefined) this.give(r.cpu, page, r.lo(1), this.domainOf(wide(r, 2)) ?? HYPERVISOR, put);
    else if (r.lo(2) < MOST_ORDER)
      this.give(r.cpu, this.frame(r, 1), 2 ** r.lo(2), this.domainOf(wide(r, 0)) ?? HYPERVISOR, put);
  }

  /** A call has come back. What the allocator gave is Xen's own until it is assigned. */
  returned(r: BlockRecord, name: string, put: Put): void {
    if (name !== "alloc_heap_pages") return;
    const order = this.order[r.cpu];
    this.order[r.cpu] = undefined;
    if (order !== undefined && order < MOST_ORDER) this.give(r.cpu, this.frame(r, 0), 2 ** order, HYPERVISOR, put);
  }

  private give(cpu: number, first: number | undefined, pages: number, to: number, put: Put): void {
    if (first === undefined || pages > 2 ** MOST_ORDER) return;
    const known = this.owners.of(first);
    // What nobody said anything of: the allocator gives what it has, and gets what was Xen's from the start.
    const before = known >= 0 ? known : to === NO_DOMAIN ? HYPERVISOR : NO_DOMAIN;
    this.owners.set(first, pages, to);
    eachExtent(first, pages, (page, level) => put((recorder) => recorder.owner(cpu, page, before, to, level)));
  }

  /** Who owns what now, for a trace that begins here: each page or extent as if its owner came to be what it is. */
  tell(put: Put): void {
    this.owners.each((first, pages, owner) => {
      if (owner !== NO_DOMAIN)
        eachExtent(first, pages, (page, level) => put((recorder) => recorder.owner(0, page, owner, owner, level)));
    });
  }
}

/** The largest aligned extents of so many pages. */
function eachExtent(first: number, pages: number, visit: (page: number, level: number) => void): void {
  const end = first + pages;
  for (let page = first; page < end; ) {
    const extent = EXTENTS.find((one) => page % one.pages === 0 && page + one.pages <= end)!;
    visit(page, extent.level);
    page += extent.pages;
  }
}
