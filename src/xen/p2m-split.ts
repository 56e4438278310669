/** How Xen splits a block of a p2m (p2m_split_superpage in xen/arch/arm/mmu/p2m.c): the tables that take its place. */
import { outputPage, pagesAtLevel, VALID } from "../arch/index.js";
import type { Tables } from "./tables.js";
import { entryHi, entryLo, tableEntryHi, tableEntryLo, typeOf } from "./types.js";

/** The p2m whose block it is. */
interface SplitOwner {
  /** stats.mappings and stats.shattered, by level */
  readonly mappings: number[];
  readonly shattered: number[];
  /** a page that is a table now; undefined when the heap is empty */
  allocateTable(): number | undefined;
  /** gives back a table that nothing points to */
  releaseTable(table: number): void;
  slot(gfn: number, level: number): number;
  writeEntry(table: number, level: number, slot: number, lo: number, hi: number): void;
}

export class BlockSplitter {
  constructor(
    private readonly tables: Tables,
    private readonly owner: SplitOwner,
  ) {}

  /**
   * Tables that map what a block of `level` maps, with leaves of `target` on the way to gfn. Nothing points to them yet: one
   * break-before-make at the block puts all of them in place. The page of the first; undefined when the heap is empty.
   */
  build(gfn: number, lo: number, hi: number, level: number, target: number): number | undefined {
    const { owner, tables } = this;
    const page = owner.allocateTable();
    if (page === undefined) return undefined;
    const table = tables.at(page);
    const next = level + 1;
    const valid = lo & VALID;
    const type = typeOf(hi);
    const block = outputPage(lo, hi);
    const step = pagesAtLevel(next);
    for (let slot = 0; slot < 512; slot++) {
      const leaf = block + slot * step;
      // An entry that was only valid to Xen stays so.
      const leafLo = entryLo(leaf, next, type);
      owner.writeEntry(table, next, slot, valid ? leafLo : (leafLo & ~VALID) >>> 0, entryHi(leaf, type));
    }
    owner.shattered[level]!++;
    this.count(level, 1);
    if (next === target) return page;
    const slot = owner.slot(gfn, next);
    const i = 512 * table + slot;
    const below = this.build(gfn, tables.lo[i]!, tables.hi[i]!, next, target);
    if (below !== undefined) {
      owner.writeEntry(table, next, slot, tableEntryLo(below), tableEntryHi(below));
      return page;
    }
    // The block stays in its place.
    this.count(level, -1);
    owner.releaseTable(table);
    return undefined;
  }

  /** `times` blocks of a level have become leaves of the next one. */
  private count(level: number, times: number): void {
    this.owner.mappings[level]! -= times;
    this.owner.mappings[level + 1]! += 512 * times;
  }
}
