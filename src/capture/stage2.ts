/**
 * Stage-2 tables as the stores show them: which page is a table of which level, and what stood in a descriptor before. A
 * table is known by its link: from VTTBR_EL2 to the root, from a table descriptor to the next level.
 */

import { descriptorKind, type Halves, outputPage, pagesAtLevel, stage2Geometry, TABLE_OR_PAGE } from "../arch/index.js";
import { NO_LEVEL } from "../trace/index.js";

/** A store into a table. `level` is undefined until the table is linked. */
interface DescriptorWrite {
  readonly page: number;
  readonly slot: number;
  readonly before: Halves;
  readonly after: Halves;
}

class Table {
  /** descriptors as interleaved halves */
  readonly entries = new Uint32Array(1024);
  level: number | undefined;
}

/** Start level, by VTCR_EL2.SL0 with the 4 KiB granule (DDI 0487, VTCR_EL2). */
const START_LEVEL = [2, 1, 0, 3];

export class Stage2Tables {
  private readonly tables = new Map<number, Table>();
  private startLevel: number | undefined;
  private rootPages = 1;

  /** VTCR_EL2 was written: the shape of all tables. */
  setVtcr(lo: number): void {
    const t0sz = lo & 63;
    this.startLevel = START_LEVEL[(lo >>> 6) & 3]!;
    try {
      this.rootPages = stage2Geometry(64 - t0sz, 12, this.startLevel).concatenated;
    } catch {
      this.rootPages = 1;
    }
  }

  /** VTTBR_EL2 names this root. */
  setRoot(page: number): void {
    if (this.startLevel === undefined) return;
    for (let i = 0; i < this.rootPages; i++) {
      const table = this.table(page + i);
      if (table.level === undefined) this.link(page + i, this.startLevel);
    }
  }

  private table(page: number): Table {
    let table = this.tables.get(page);
    if (!table) {
      table = new Table();
      this.tables.set(page, table);
    }
    return table;
  }

  /** The level of the table at a page; NO_LEVEL while that is not known. */
  level(page: number): number {
    return this.tables.get(page)?.level ?? NO_LEVEL;
  }

  /** The level of the leaf by which the root maps an IPA to a PA, pages both; undefined where it does not, or not known to. */
  levelOf(root: number, ipa: number, pa: number): number | undefined {
    if (this.startLevel === undefined) return undefined;
    let page = root + Math.floor(ipa / pagesAtLevel(this.startLevel) / 512);
    for (let level = this.startLevel; ; level++) {
      const table = this.tables.get(page);
      if (!table) return undefined;
      const slot = Math.floor(ipa / pagesAtLevel(level)) % 512;
      const [lo, hi] = [table.entries[2 * slot]!, table.entries[2 * slot + 1]!];
      const next = nextTable(lo, hi, level);
      if (next === undefined) {
        const leaf = descriptorKind(lo, level);
        if (leaf !== "page" && leaf !== "block") return undefined;
        return outputPage(lo, hi) + (ipa % pagesAtLevel(level)) === pa ? level : undefined;
      }
      page = next;
    }
  }

  /** A store of a descriptor. */
  write(page: number, slot: number, lo: number, hi: number): DescriptorWrite {
    const table = this.table(page);
    const before = { lo: table.entries[2 * slot]!, hi: table.entries[2 * slot + 1]! };
    table.entries[2 * slot] = lo;
    table.entries[2 * slot + 1] = hi;
    if (table.level !== undefined) {
      const was = nextTable(before.lo, before.hi, table.level);
      const is = nextTable(lo, hi, table.level);
      if (was !== undefined && was !== is) this.unlink(was);
      if (is !== undefined && was !== is) this.link(is, table.level + 1);
    }
    return { page, slot, before, after: { lo, hi } };
  }

  private link(page: number, level: number): void {
    const table = this.table(page);
    table.level = level;
    for (let slot = 0; slot < 512; slot++) {
      const next = nextTable(table.entries[2 * slot]!, table.entries[2 * slot + 1]!, level);
      if (next !== undefined) this.link(next, level + 1);
    }
  }

  /** A table that nothing points to any more is forgotten: its page may be used for something else. */
  private unlink(page: number): void {
    const table = this.tables.get(page);
    if (table?.level === undefined) return;
    this.tables.delete(page);
    for (let slot = 0; slot < 512; slot++) {
      const next = nextTable(table.entries[2 * slot]!, table.entries[2 * slot + 1]!, table.level);
      if (next !== undefined) this.unlink(next);
    }
  }

  /** The root is one no more: its pages may be used for something else. */
  forgetRoot(page: number): void {
    for (let i = 0; i < this.rootPages; i++) this.tables.delete(page + i);
  }

  /** The root at this page was cleared as a whole (p2m_clear_root_pages): the writes that this comes to. */
  clearRoot(page: number): DescriptorWrite[] {
    const writes: DescriptorWrite[] = [];
    for (let i = 0; i < this.rootPages; i++) {
      const entries = this.tables.get(page + i)?.entries ?? new Uint32Array(0);
      for (let slot = 0; 2 * slot < entries.length; slot++)
        if (entries[2 * slot] !== 0 || entries[2 * slot + 1] !== 0) writes.push(this.write(page + i, slot, 0, 0));
    }
    return writes;
  }
}

/** The table that a descriptor points to; also one with bit 0 clear, which Xen takes for valid (p2m_invalidate_table). */
function nextTable(lo: number, hi: number, level: number): number | undefined {
  return level < 3 && (lo & TABLE_OR_PAGE) !== 0 ? outputPage(lo, hi) : undefined;
}
