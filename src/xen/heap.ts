/**
 * Xen's domain heap: a buddy allocator with, for each page, its owner, its references, whether some TLB may still translate
 * to it and whether it must be scrubbed (xen/common/page_alloc.c: alloc_heap_pages, free_heap_pages, accumulate_tlbflush,
 * scrub_free_pages). Which of the free pages comes next is this model's own affair: the last that was freed, and lower
 * addresses of memory that nobody had; Xen's zones, and its preference for scrubbed blocks, are not modelled.
 */
import { NO_DOMAIN } from "../trace/index.js";

/** Largest order handed out in one piece: 1 GiB. */
const MAX_ORDER = 18;
/** References that a page can have here (Xen: PGC_count_mask). */
const MAX_REFS = 0xffff;

export class Heap {
  /** domain that owns the page, NO_DOMAIN when it is Xen's or free */
  readonly owner: Uint16Array;
  /** references (struct page_info's count): the allocation's own one, and one for each foreign mapping */
  readonly refs: Uint16Array;
  /** PGC_allocated: the owner's own reference is still there */
  readonly allocated: Uint8Array;
  /** pages free now */
  freePages = 0;
  private readonly freeOrder: Int8Array;
  private readonly needTlbflush: Uint8Array;
  /** PGC_need_scrub: a dying domain left it */
  private readonly needScrub: Uint8Array;
  /** free pages with needScrub set */
  private unscrubbed = 0;
  /** domains whose pages are scrubbed when they are freed: is_dying */
  private readonly dying = new Set<number>();
  /** free pages with needTlbflush set */
  private dirty = 0;
  private readonly lists: number[][] = Array.from({ length: MAX_ORDER + 1 }, () => []);

  /** `pages` of physical memory from machine frame 0, all free and never used; at most 2^24 (64 GiB). */
  constructor(readonly pages: number) {
    this.owner = new Uint16Array(pages).fill(NO_DOMAIN);
    this.refs = new Uint16Array(pages);
    this.allocated = new Uint8Array(pages);
    this.freeOrder = new Int8Array(pages).fill(-1);
    this.needTlbflush = new Uint8Array(pages);
    this.needScrub = new Uint8Array(pages);
    for (let page = 0; page < pages; ) {
      let order = MAX_ORDER;
      while (page % 2 ** order !== 0 || page + 2 ** order > pages) order--;
      this.put(page, order);
      page += 2 ** order;
    }
    // Lists are stacks: hand out low addresses first.
    for (const list of this.lists) list.reverse();
    this.freePages = pages;
  }

  private put(page: number, order: number): void {
    this.freeOrder[page] = order;
    this.lists[order]!.push(page);
  }

  /** 2^order contiguous pages for `owner`, aligned to their size; undefined when there are none. Each has one reference. */
  allocate(order: number, owner: number): number | undefined {
    let from = order;
    let page: number | undefined;
    for (; from <= MAX_ORDER; from++) {
      page = this.pop(from);
      if (page !== undefined) break;
    }
    if (page === undefined) return undefined;
    while (from > order) this.put(page + 2 ** --from, from);
    const end = page + 2 ** order;
    this.owner.fill(owner, page, end);
    this.refs.fill(1, page, end);
    this.allocated.fill(1, page, end);
    if (this.unscrubbed > 0) this.scrubAllocated(page, end);
    this.freePages -= 2 ** order;
    return page;
  }

  /** alloc_heap_pages() scrubs what nobody has scrubbed yet. */
  private scrubAllocated(page: number, end: number): void {
    for (let i = page; i < end; i++)
      if (this.needScrub[i] === 1) {
        this.needScrub[i] = 0;
        this.unscrubbed--;
      }
  }

  private pop(order: number): number | undefined {
    const list = this.lists[order]!;
    for (;;) {
      const page = list.pop();
      // A block that a merge took away is still on its old list: passed over here.
      if (page === undefined) return undefined;
      if (this.freeOrder[page] === order) {
        this.freeOrder[page] = -1;
        return page;
      }
    }
  }

  /**
   * accumulate_tlbflush: true when some page of the block was last used by a domain. On Arm there is no TLB clock, so that a
   * flush in between does not count (tlbflush_current_time() is 0, tlbflush_filter() does nothing). The block was just
   * allocated; its pages count as clean from now on.
   */
  takeTlbflush(page: number, order: number): boolean {
    if (this.dirty === 0) return false;
    let need = false;
    for (let i = page; i < page + 2 ** order; i++)
      if (this.needTlbflush[i] === 1) {
        need = true;
        this.needTlbflush[i] = 0;
        this.dirty--;
      }
    return need;
  }

  /** The domain is dying (or, again, not): its pages are scrubbed when they are freed (free_domheap_pages). */
  setDying(owner: number, dying: boolean): void {
    if (dying) this.dying.add(owner);
    else this.dying.delete(owner);
  }

  /**
   * scrub_free_pages(), until nothing is left to scrub: `before` is called for each page whose former owner may still reach
   * it. The page goes on needing a flush when it is allocated: nothing is known of a version that forgets it here.
   */
  *scrubFree(before: (page: number) => void): Generator<void> {
    for (let page = 0; page < this.pages && this.unscrubbed > 0; page++) {
      if (this.needScrub[page] === 0) continue;
      if (this.needTlbflush[page] === 1) before(page);
      this.needScrub[page] = 0;
      if (--this.unscrubbed % 4096 === 0) yield;
    }
  }

  /** Takes one more reference (get_page): false when the page is free, or the count at its end. */
  get(page: number): boolean {
    if (this.refs[page] === 0 || this.refs[page] === MAX_REFS) return false;
    this.refs[page]!++;
    return true;
  }

  /** Drops a reference (put_page); the last one frees the page. Returns true when that happened. */
  putPage(page: number): boolean {
    if (this.refs[page] === 0) throw new Error(`put_page of the free page 0x${page.toString(16)}`);
    if (--this.refs[page]! > 0) return false;
    this.release(page);
    return true;
  }

  /** put_page_alloc_ref: drops the owner's own reference, once. Returns true when the page was freed. */
  putAllocRef(page: number): boolean {
    if (this.allocated[page] === 0) return false;
    this.allocated[page] = 0;
    return this.putPage(page);
  }

  private release(page: number): void {
    const owner = this.owner[page]!;
    if (owner !== NO_DOMAIN) {
      this.needTlbflush[page] = 1;
      this.dirty++;
      if (this.dying.has(owner)) {
        this.needScrub[page] = 1;
        this.unscrubbed++;
      }
    }
    this.owner[page] = NO_DOMAIN;
    this.allocated[page] = 0;
    this.freePages++;
    let order = 0;
    let block = page;
    while (order < MAX_ORDER) {
      const buddy = (block ^ (1 << order)) >>> 0;
      if (buddy >= this.pages || this.freeOrder[buddy] !== order) break;
      this.freeOrder[buddy] = -1;
      block = Math.min(block, buddy);
      order++;
    }
    this.put(block, order);
  }
}
