/**
 * Shadow stage-2 tables: the radix tables that KVM builds for each stage 2 of a guest hypervisor, and what walking and
 * unmapping them takes (Linux arch/arm64/kvm/hyp/pgtable.c; unmapping in chunks: mmu.c, stage2_apply_range).
 *
 * A *chunk* is what one entry of the lowest level with blocks covers (1 GiB with 4 KiB pages, 32 MiB with 16, 512 MiB with
 * 64). The tables are simulated with one root whatever the IPA size, at level 0, or at level -1 where 4 KiB pages have more
 * than 48 bits; tables that hold chunk entries ("upper") are roots where the IPA size lets the walk start there, and then
 * neither entered by a step nor freed, so they are counted apart. So are those above them ("top") where they may be no roots:
 * 16 KiB pages with more than 51 bits start at level 0.
 */
import { bitsPerLevel, type GranuleBits, levelShift, minBlockLevel, stage2Geometry } from "../../arch/index.js";

/** What walks of shadow tables did. All sums; flushes are not in it, since they follow from it. */
export class WalkCounts {
  /** valid leaves cleared */
  leaves = 0;
  /** invalid descriptors visited below a chunk's own entry */
  emptySlots = 0;
  /** tables below the chunk entries: entered, and freed */
  descends = 0;
  freed = 0;
  /** upper tables: entered by the steps over all chunks, by those over populated chunks only, and freed */
  upperDescends = 0;
  upperDescendsPopulated = 0;
  upperFreed = 0;
  /** the same of top tables */
  topDescends = 0;
  topDescendsPopulated = 0;
  topFreed = 0;
  /** chunks that had anything mapped when a step reached them */
  populatedChunks = 0;
}

// What is known of a table, side by side in one row of ShadowPool.tables.
/** index in `entries` of the entry that points to it */
const PARENT_ENTRY = 0;
const LEVEL = 1;
/** valid entries, and those of them that are leaves */
const USED = 2;
const LEAVES = 3;
/** no entry outside these has been valid since the table was taken */
const LOWEST = 4;
const HIGHEST = 5;
/** neighbours in the list of the shadow's tables, 0 = none; NEXT also chains the free tables */
const NEXT = 6;
const PREVIOUS = 7;
const FIELDS_BITS = 3;

/** Bits of a word of {@link ShadowPool.valid}. */
const WORD_BITS = 5;
const WORD_MASK = 31;
const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);

/** The tables of all shadows of a host, in typed arrays. An entry is 0 (invalid), a table's number, or -1 - guest level. */
export class ShadowPool {
  readonly bits: number;
  /** entries of a table */
  readonly size: number;
  /** level whose entries are the chunks */
  readonly chunkLevel: 1 | 2;
  readonly rootLevel: -1 | 0;
  /** level of the top tables; undefined where these are roots at every IPA size */
  readonly topLevel: number | undefined;
  /** granules (host pages) of a chunk */
  readonly chunkGranules: number;
  /** reciprocals of chunkGranules and size, exact since these are powers of two: a division is slow on hot paths */
  readonly chunksPerGranule: number;
  readonly tablesPerGranule: number;
  entries: Int32Array;
  /** a bit for each entry: is it valid? A table has few valid entries, and these are found without looking at the others */
  valid: Int32Array;
  tables: Int32Array;
  private free = 0;
  /** table 0 is not used: its number means "invalid" */
  private count = 1;

  /**
   * `ipaBits`: the largest IPA size for which it must serve; `tables`: room at first. Growing discards the engine's compiled code: a usual
   * trace should not need it.
   */
  constructor(
    readonly granuleBits: GranuleBits,
    ipaBits = 48,
    tables = 1024,
  ) {
    this.bits = bitsPerLevel(granuleBits);
    this.size = 2 ** this.bits;
    this.chunkLevel = minBlockLevel(granuleBits);
    this.rootLevel = ipaBits > levelShift(-1, granuleBits) ? -1 : 0;
    const { startLevel } = stage2Geometry(ipaBits, granuleBits);
    this.topLevel = startLevel < this.chunkLevel - 1 ? this.chunkLevel - 1 : undefined;
    this.chunkGranules = 2 ** (this.bits * (3 - this.chunkLevel));
    this.chunksPerGranule = 1 / this.chunkGranules;
    this.tablesPerGranule = 1 / this.size;
    this.entries = new Int32Array(tables << this.bits);
    this.valid = new Int32Array(this.entries.length >> WORD_BITS);
    this.tables = new Int32Array(tables << FIELDS_BITS);
  }

  /** A table with all entries invalid, for the entry at that index. */
  take(level: number, parentEntry: number): number {
    let table = this.free;
    if (table !== 0) this.free = this.tables[(table << FIELDS_BITS) + NEXT]!;
    else {
      table = this.count++;
      if (table << this.bits === this.entries.length) this.grow();
    }
    const row = table << FIELDS_BITS;
    const tables = this.tables;
    tables[row + PARENT_ENTRY] = parentEntry;
    tables[row + LEVEL] = level;
    tables[row + USED] = 0;
    tables[row + LEAVES] = 0;
    tables[row + LOWEST] = this.size;
    tables[row + HIGHEST] = 0;
    return table;
  }

  /** Takes a table back; its entries must be invalid. */
  give(table: number): void {
    this.tables[(table << FIELDS_BITS) + NEXT] = this.free;
    this.free = table;
  }

  /** Writes a valid entry (a table's number, or -1 - guest level) where there is none. */
  set(table: number, slot: number, entry: number): void {
    const at = (table << this.bits) + slot;
    this.entries[at] = entry;
    this.valid[at >> WORD_BITS]! |= 1 << (at & WORD_MASK);
    const row = table << FIELDS_BITS;
    const tables = this.tables;
    tables[row + USED]!++;
    if (entry < 0) tables[row + LEAVES]!++;
    if (slot < tables[row + LOWEST]!) tables[row + LOWEST] = slot;
    if (slot > tables[row + HIGHEST]!) tables[row + HIGHEST] = slot;
  }

  /** Makes the entry at that index of {@link entries} invalid. */
  unset(at: number): void {
    this.entries[at] = 0;
    this.valid[at >> WORD_BITS]! &= ~(1 << (at & WORD_MASK));
    this.tables[((at >> this.bits) << FIELDS_BITS) + USED]!--;
  }

  /** Makes all entries of a table invalid. */
  clear(table: number): void {
    const row = table << FIELDS_BITS;
    const { tables, entries, valid } = this;
    const first = (table << this.bits) + tables[row + LOWEST]!;
    const last = (table << this.bits) + tables[row + HIGHEST]!;
    for (let word = first >> WORD_BITS; word <= last >> WORD_BITS; word++) {
      for (let left = valid[word]!; left !== 0; left &= left - 1) entries[(word << WORD_BITS) + lowestBit(left)] = 0;
      valid[word] = 0;
    }
    tables[row + USED] = 0;
    tables[row + LEAVES] = 0;
  }

  private grow(): void {
    const twice = (old: Int32Array): Int32Array => {
      const grown = new Int32Array(old.length * 2);
      grown.set(old);
      return grown;
    };
    this.entries = twice(this.entries);
    this.valid = twice(this.valid);
    this.tables = twice(this.tables);
  }
}

/** One shadow stage-2. Positions are granules (pages of the host's size) from IPA 0. */
export class ShadowStage2 {
  private readonly root: number;
  /** first of the tables below the root, newest first */
  private head = 0;
  /** tables entered by the last {@link find} */
  depth = 0;
  private foundTable = 0;
  /** region of a last-level table, and the table, as the last walk that got there found it; -1 once a table was freed */
  private lastRegion = -1;
  private lastTable = 0;
  private foundChunk = 0;
  private foundWithin = 0;

  constructor(private readonly pool: ShadowPool) {
    this.root = pool.take(pool.rootLevel, 0);
  }

  /** The index into a table at `level`, of a granule given as its chunk and the granule within the chunk. */
  private index(level: number, chunk: number, within: number): number {
    const { bits, size, chunkLevel } = this.pool;
    const wide = level <= chunkLevel ? chunk >> (bits * (chunkLevel - level)) : within >> (bits * (3 - level));
    return wide & (size - 1);
  }

  /**
   * The guest's stage-2 level of the leaf that maps a granule (1 to 3; 0 = the leaf has no level hint), or -1 when no leaf
   * does. Sets {@link depth}, and where {@link map} would map it.
   */
  find(granule: number): number {
    const { entries, bits, chunkGranules, chunksPerGranule, tablesPerGranule, rootLevel } = this.pool;
    const chunk = Math.floor(granule * chunksPerGranule);
    const within = granule - chunk * chunkGranules;
    // Most walks end in the last-level table of the walk before them.
    const region = Math.floor(granule * tablesPerGranule);
    const again = region === this.lastRegion;
    let table = again ? this.lastTable : this.root;
    for (let level = again ? 3 : rootLevel; ; level++) {
      if (level === 3) {
        this.lastRegion = region;
        this.lastTable = table;
      }
      const entry = entries[(table << bits) + this.index(level, chunk, within)]!;
      if (entry <= 0) {
        this.depth = level;
        this.foundTable = table;
        this.foundChunk = chunk;
        this.foundWithin = within;
        return -entry - 1;
      }
      table = entry;
    }
  }

  /**
   * Maps the leaf at `level` that holds the granule of the last {@link find}, which found none; `hint` is the guest's level,
   * 0 to 3. Returns the level used: a deeper one where the wanted block would replace a table, whose leaves stay.
   */
  map(level: number, hint: number): number {
    const pool = this.pool;
    let table = this.foundTable;
    let at = this.depth;
    for (; at < level; at++) {
      const slot = this.index(at, this.foundChunk, this.foundWithin);
      const below = pool.take(at + 1, (table << pool.bits) + slot);
      pool.set(table, slot, below);
      this.link(below);
      table = below;
    }
    pool.set(table, this.index(at, this.foundChunk, this.foundWithin), -1 - hint);
    return at;
  }

  /** One step of an unmap over granules `first` to `last` of a chunk. Returns whether the chunk had anything mapped. */
  unmapPiece(chunk: number, first: number, last: number, counts: WalkCounts): boolean {
    const pool = this.pool;
    let upper = this.root;
    for (let level: number = pool.rootLevel; level < pool.chunkLevel; level++) {
      if (level === pool.topLevel) counts.topDescends++;
      upper = pool.entries[(upper << pool.bits) + this.index(level, chunk, 0)]!;
      if (upper === 0) return false;
    }
    counts.upperDescends++;
    const slot = chunk & (pool.size - 1);
    const entry = pool.entries[(upper << pool.bits) + slot]!;
    if (entry === 0) return false;
    counts.upperDescendsPopulated++;
    if (pool.topLevel !== undefined) counts.topDescendsPopulated++;
    counts.populatedChunks++;
    if (entry < 0) this.clearLeaf(upper, slot, counts);
    else {
      this.unmapTable(entry, first, last, counts);
      if (this.isEmpty(entry)) this.freeTable(entry, counts);
    }
    for (let table = upper; table !== this.root && this.isEmpty(table); ) {
      const above = pool.tables[(table << FIELDS_BITS) + PARENT_ENTRY]! >> pool.bits;
      this.freeTable(table, counts);
      table = above;
    }
    return true;
  }

  private unmapTable(table: number, first: number, last: number, counts: WalkCounts): void {
    const pool = this.pool;
    const row = table << FIELDS_BITS;
    const level = pool.tables[row + LEVEL]!;
    counts.descends++;
    if (level === 3 && first === 0 && last === pool.size - 1) {
      counts.leaves += pool.tables[row + LEAVES]!;
      counts.emptySlots += pool.size - pool.tables[row + LEAVES]!;
      pool.clear(table);
      return;
    }
    const shift = pool.bits * (3 - level);
    const from = first >> shift;
    const end = last >> shift;
    counts.emptySlots += end - from + 1;
    const base = table << pool.bits;
    const lowest = Math.max(from, pool.tables[row + LOWEST]!);
    const highest = Math.min(end, pool.tables[row + HIGHEST]!);
    for (let word = (base + lowest) >> WORD_BITS; word <= (base + highest) >> WORD_BITS; word++)
      for (let left = pool.valid[word]!; left !== 0; left &= left - 1) {
        const slot = (word << WORD_BITS) + lowestBit(left) - base;
        if (slot < from || slot > end) continue;
        counts.emptySlots--;
        this.unmapEntry(table, slot, level, slot === from ? first : 0, slot === end ? last : -1, counts);
      }
  }

  /** Unmaps what a valid entry maps of the granules `first` to `last` of its table's reach; -1 = to the end of its own. */
  private unmapEntry(
    table: number,
    slot: number,
    level: number,
    first: number,
    last: number,
    counts: WalkCounts,
  ): void {
    const pool = this.pool;
    const entry = pool.entries[(table << pool.bits) + slot]!;
    if (entry < 0) this.clearLeaf(table, slot, counts);
    else {
      const mask = (1 << (pool.bits * (3 - level))) - 1;
      this.unmapTable(entry, first & mask, last & mask, counts);
      if (this.isEmpty(entry)) this.freeTable(entry, counts);
    }
  }

  /**
   * Unmaps everything: the steps over all chunks that hold anything, without looking at a chunk that does not. Upper tables
   * are entered by each step until their last populated chunk is done and they are freed.
   */
  unmapAll(counts: WalkCounts): void {
    const pool = this.pool;
    const { chunkLevel, tables, size } = pool;
    if (pool.topLevel !== undefined) this.countTop(pool.topLevel, counts);
    for (let table = this.head; table !== 0; ) {
      const row = table << FIELDS_BITS;
      const used = tables[row + USED]!;
      const leaves = tables[row + LEAVES]!;
      const level = tables[row + LEVEL]!;
      if (level > chunkLevel) {
        counts.freed++;
        counts.descends++;
        counts.leaves += leaves;
        counts.emptySlots += size - used;
      } else if (level === chunkLevel) {
        counts.upperFreed++;
        counts.upperDescends += this.lastUsed(table) + 1;
        counts.upperDescendsPopulated += used;
        counts.populatedChunks += used;
        counts.leaves += leaves;
      }
      pool.clear(table);
      const after = tables[row + NEXT]!;
      pool.give(table);
      table = after;
    }
    if (this.head !== 0) pool.clear(this.root);
    this.head = 0;
    this.lastRegion = -1;
  }

  /** What {@link unmapAll} does with the top tables: each is entered by every step up to its last populated chunk. */
  private countTop(topLevel: number, counts: WalkCounts): void {
    const { tables, entries, bits, size } = this.pool;
    for (let table = this.head; table !== 0; table = tables[(table << FIELDS_BITS) + NEXT]!) {
      const row = table << FIELDS_BITS;
      if (tables[row + LEVEL] === topLevel) {
        const slot = this.lastUsed(table);
        counts.topFreed++;
        counts.topDescends += slot * size + this.lastUsed(entries[(table << bits) + slot]!) + 1;
      } else if (tables[row + LEVEL] === topLevel + 1) counts.topDescendsPopulated += tables[row + USED]!;
    }
  }

  /** The last valid entry of a table that has one. */
  private lastUsed(table: number): number {
    const { entries, bits, tables } = this.pool;
    let slot = tables[(table << FIELDS_BITS) + HIGHEST]!;
    while (entries[(table << bits) + slot] === 0) slot--;
    return slot;
  }

  private isEmpty(table: number): boolean {
    return this.pool.tables[(table << FIELDS_BITS) + USED] === 0;
  }

  private clearLeaf(table: number, slot: number, counts: WalkCounts): void {
    const { bits, tables } = this.pool;
    this.pool.unset((table << bits) + slot);
    tables[(table << FIELDS_BITS) + LEAVES]!--;
    counts.leaves++;
  }

  private freeTable(table: number, counts: WalkCounts): void {
    const pool = this.pool;
    const row = table << FIELDS_BITS;
    const parentEntry = pool.tables[row + PARENT_ENTRY]!;
    const level = pool.tables[row + LEVEL]!;
    pool.unset(parentEntry);
    if (level > pool.chunkLevel) counts.freed++;
    else if (level === pool.chunkLevel) counts.upperFreed++;
    else if (level === pool.topLevel) counts.topFreed++;
    this.unlink(table);
    pool.give(table);
    this.lastRegion = -1;
  }

  private link(table: number): void {
    const { tables } = this.pool;
    tables[(table << FIELDS_BITS) + NEXT] = this.head;
    tables[(table << FIELDS_BITS) + PREVIOUS] = 0;
    if (this.head !== 0) tables[(this.head << FIELDS_BITS) + PREVIOUS] = table;
    this.head = table;
  }

  private unlink(table: number): void {
    const { tables } = this.pool;
    const before = tables[(table << FIELDS_BITS) + PREVIOUS]!;
    const after = tables[(table << FIELDS_BITS) + NEXT]!;
    if (before === 0) this.head = after;
    else tables[(before << FIELDS_BITS) + NEXT] = after;
    if (after !== 0) tables[(after << FIELDS_BITS) + PREVIOUS] = before;
  }
}
