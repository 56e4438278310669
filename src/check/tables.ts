/**
 * The translation tables, as far as a trace tells of them: each page that a descriptor was written into, which descriptor of
 * which table links to it, and what stands in it. A table is in a tree when a register holds its root.
 */
import { descriptorKind, outputPage, pagesAtLevel } from "../arch/index.js";
import { PageMap } from "./page-map.js";

/** Descriptors of a table, and tables of a chunk of contents. */
const SLOTS = 512;
const CHUNK_TABLES = 64;
/** Root tables that may stand side by side (DDI 0487, D8.2: concatenated translation tables). */
const MAX_CONCATENATED = 16;

/** No table, no page. */
export const NONE = -1;
/** An address of which only the descriptor's slot is known. */
const UNKNOWN_PAGE = -1;

/** Where a walk through a table begins: see {@link TableTrees.place}. */
export interface Place {
  /** the root's table, NONE where no known root leads here */
  root: number;
  /** no root leads here because the trace is younger: some walk may */
  older: boolean;
  /** page of the input address of the table's first descriptor; UNKNOWN_PAGE */
  base: number;
  level: number;
  stage: number;
}

/** Tables by number; a number is never used again. */
export class TableTrees {
  /** by table: its page */
  page = new Float64Array(64);
  /** by table: its level; -1 not known */
  level = new Int8Array(64);
  /** by table: 1 or 2; 3 = stage 1 of EL2; 0 not known */
  stage = new Uint8Array(64);
  /** by table: the table that links to it, and by which slot */
  parent = new Int32Array(64);
  parentSlot = new Uint16Array(64);
  /** by table: 1 = a register holds it */
  isRoot = new Uint8Array(64);
  /** by table: 1 = the trace saw its link being made, so that what stands in it is known */
  whole = new Uint8Array(64);
  /** by table: descriptors that were written over nothing while no link was known */
  private filled = new Uint16Array(64);
  count = 0;
  private readonly ofPage = new PageMap(256);
  private readonly chunks: Uint32Array[] = [];
  private readonly found: Place = { root: NONE, older: false, base: UNKNOWN_PAGE, level: -1, stage: 0 };

  /** The table in a page, NONE where none is known. */
  at(page: number): number {
    return this.ofPage.get(page);
  }

  /** The table in a page, made if need be. */
  make(page: number): number {
    const known = this.ofPage.get(page);
    if (known >= 0) return known;
    const table = this.count++;
    if (table === this.page.length) this.grow();
    this.page[table] = page;
    this.level[table] = -1;
    this.parent[table] = NONE;
    if (table % CHUNK_TABLES === 0) this.chunks.push(new Uint32Array(2 * SLOTS * CHUNK_TABLES));
    this.ofPage.set(page, table);
    return table;
  }

  private grow(): void {
    const wider = <T extends { set(from: T): void; length: number }>(array: T, of: new (n: number) => T): T => {
      const next = new of(2 * array.length);
      next.set(array);
      return next;
    };
    this.page = wider(this.page, Float64Array);
    this.level = wider(this.level, Int8Array);
    this.stage = wider(this.stage, Uint8Array);
    this.parent = wider(this.parent, Int32Array);
    this.parentSlot = wider(this.parentSlot, Uint16Array);
    this.isRoot = wider(this.isRoot, Uint8Array);
    this.whole = wider(this.whole, Uint8Array);
    this.filled = wider(this.filled, Uint16Array);
  }

  private chunk(table: number): Uint32Array {
    return this.chunks[Math.floor(table / CHUNK_TABLES)]!;
  }

  private offset(table: number, slot: number): number {
    return 2 * ((table % CHUNK_TABLES) * SLOTS + slot);
  }

  /** A descriptor as it was written last, in halves; 0 where none was. */
  lo(table: number, slot: number): number {
    return this.chunk(table)[this.offset(table, slot)]!;
  }
  hi(table: number, slot: number): number {
    return this.chunk(table)[this.offset(table, slot) + 1]!;
  }
  put(table: number, slot: number, lo: number, hi: number, overNothing: boolean): void {
    const chunk = this.chunk(table);
    const at = this.offset(table, slot);
    // A table that is filled from end to end before anything links to it is being built (p2m_split_superpage).
    if (overNothing && chunk[at] === 0 && chunk[at + 1] === 0 && this.filled[table]! < SLOTS) this.filled[table]!++;
    chunk[at] = lo;
    chunk[at + 1] = hi;
  }

  /** Forgets what stands in a table: its page was cleared, or is no table any more. */
  clear(table: number): void {
    this.chunk(table).fill(0, this.offset(table, 0), this.offset(table, SLOTS));
  }

  /** A table descriptor links to a page from now on. Returns the table there. */
  link(parent: number, slot: number, page: number): number {
    const child = this.make(page);
    this.parent[child] = parent;
    this.parentSlot[child] = slot;
    this.whole[child] = 1;
    this.settle(child, this.level[parent]! < 0 ? -1 : this.level[parent]! + 1, this.stage[parent]!);
    return child;
  }

  /** Nothing links to the table any more. */
  unlink(child: number): void {
    this.parent[child] = NONE;
  }

  /** A register holds a table: its root. */
  root(page: number, stage: number): number {
    const table = this.make(page);
    this.isRoot[table] = 1;
    this.settle(table, this.level[table]!, stage);
    return table;
  }

  /** Levels and stages of a tree that was built before it was linked. */
  private settle(table: number, level: number, stage: number): void {
    const known = this.level[table]!;
    if (stage !== 0) this.stage[table] = stage;
    if (level < 0 || known === level) {
      this.level[table] = level < 0 ? known : level;
      return;
    }
    this.level[table] = level;
    if (level >= 3) return;
    for (let slot = 0; slot < SLOTS; slot++) {
      const lo = this.lo(table, slot);
      if (descriptorKind(lo, level) !== "table") continue;
      const child = this.make(outputPage(lo, this.hi(table, slot)));
      if (this.parent[child] === NONE || this.parent[child] === table) this.link(table, slot, this.page[child]!);
    }
  }

  /** The level of a table whose trace says it, or which is a root of which nothing is said. */
  learn(table: number, level: number, stage: number): void {
    // Of what hangs nowhere that is known, the trace has the word: its page may have been a table of another level.
    const hangs = this.parent[table] !== NONE || this.isRoot[table] === 1;
    if (level >= 0 && (this.level[table]! < 0 || (!hangs && this.level[table] !== level)))
      this.settle(table, level, stage);
    else if (stage !== 0 && this.stage[table] === 0) this.stage[table] = stage;
  }

  /**
   * Where a table stands: its root and the first input address. The answer is one object, good until the next call. Of roots
   * side by side each but the first is told by its neighbour.
   */
  place(table: number): Place {
    const { found, parent } = this;
    let base = 0;
    let at = table;
    for (let steps = 0; steps < 5 && this.isRoot[at] === 0 && parent[at]! >= 0; steps++) {
      const level = this.level[parent[at]!]!;
      base += level < 0 ? Number.NaN : this.parentSlot[at]! * pagesAtLevel(level);
      at = parent[at]!;
    }
    let root = this.isRoot[at] === 1 ? at : NONE;
    if (root === NONE) {
      root = this.besideOf(at);
      if (root !== NONE) base += (this.page[at]! - this.page[root]!) * SLOTS * pagesAtLevel(this.level[root]!);
    }
    found.root = root;
    found.older = root === NONE && this.whole[at] === 0 && this.filled[at]! < SLOTS;
    found.base = root === NONE || Number.isNaN(base) ? UNKNOWN_PAGE : base;
    found.level = this.level[table]!;
    found.stage = this.stage[table]!;
    return found;
  }

  /** The page that a walk from a root gives for an input page; NONE where it faults, or is not known. */
  gives(root: number, input: number): number {
    let at = root;
    for (let level = this.level[root]!; level >= 0 && level <= 3; level++) {
      const size = pagesAtLevel(level);
      const slot = Math.floor(input / size);
      // Beyond the first of roots side by side.
      if (at === root && slot >= SLOTS) at = this.at(this.page[root]! + Math.floor(slot / SLOTS));
      if (at === NONE) return NONE;
      const lo = this.lo(at, slot % SLOTS);
      const hi = this.hi(at, slot % SLOTS);
      const is = descriptorKind(lo, level);
      if (is === "invalid") return NONE;
      if (is !== "table") return outputPage(lo, hi) + (input % size);
      at = this.at(outputPage(lo, hi));
      if (at === NONE) return NONE;
    }
    return NONE;
  }

  /** The root whose concatenated neighbour this is: aligned to their number, of the same level. */
  private besideOf(table: number): number {
    const page = this.page[table]!;
    const level = this.level[table]!;
    for (let k = 1; k < MAX_CONCATENATED; k++) {
      const root = this.ofPage.get(page - k);
      if (root < 0 || this.isRoot[root] === 0) continue;
      if (this.stage[root] !== 2 || (this.level[root]! >= 0 && this.level[root] !== level)) return NONE;
      const size = 2 ** Math.ceil(Math.log2(k + 1));
      return (page - k) % size === 0 && level >= 0 ? root : NONE;
    }
    return NONE;
  }
}
