/**
 * Shadow stage-2 tables: the radix tables that KVM builds for each stage 2 of a guest hypervisor, and what walking and
 * unmapping them takes (Linux arch/arm64/kvm/hyp/pgtable.c; unmapping in chunks: mmu.c, stage2_apply_range).
 *
 * A *chunk* is what one entry of the lowest level with blocks covers (1 GiB with 4 KiB pages, 32 MiB with 16, 512 MiB with
 * 64). The tables are simulated with a root at level 0 whatever the IPA size; tables that hold chunk entries ("upper") are
 * roots where the IPA size lets the walk start there, and then neither entered by a step nor freed, so they are counted apart.
 */
import { bitsPerLevel, type GranuleBits, minBlockLevel } from "../../arch/index.js";

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
  /** chunks that had anything mapped when a step reached them */
  populatedChunks = 0;
}

/** The tables of all shadows of a host, in one typed array. An entry is 0 (invalid), a table's number, or -1 - guest level. */
export class ShadowPool {
  readonly bits: number;
  /** entries of a table */
  readonly size: number;
  /** level whose entries are the chunks */
  readonly chunkLevel: 1 | 2;
  /** granules (host pages) of a chunk */
  readonly chunkGranules: number;
  entries: Int32Array;
  parent: Int32Array;
  slot: Int32Array;
  level: Int8Array;
  /** valid entries, and those of them that are leaves */
  used: Int32Array;
  leaves: Int32Array;
  /** no entry above this one has been valid since the table was taken */
  highest: Int32Array;
  /** neighbours in the list of the shadow's tables, 0 = none; `next` also chains the free tables */
  next: Int32Array;
  previous: Int32Array;
  private free = 0;
  /** table 0 is not used: its number means "invalid" */
  private count = 1;

  constructor(readonly granuleBits: GranuleBits) {
    this.bits = bitsPerLevel(granuleBits);
    this.size = 2 ** this.bits;
    this.chunkLevel = minBlockLevel(granuleBits);
    this.chunkGranules = 2 ** (this.bits * (3 - this.chunkLevel));
    const tables = 64;
    this.entries = new Int32Array(tables * this.size);
    this.parent = new Int32Array(tables);
    this.slot = new Int32Array(tables);
    this.level = new Int8Array(tables);
    this.used = new Int32Array(tables);
    this.leaves = new Int32Array(tables);
    this.highest = new Int32Array(tables);
    this.next = new Int32Array(tables);
    this.previous = new Int32Array(tables);
  }

  /** A table with all entries invalid. */
  take(level: number, parent: number, slot: number): number {
    let table = this.free;
    if (table !== 0) this.free = this.next[table]!;
    else {
      table = this.count++;
      if (table === this.parent.length) this.grow();
    }
    this.level[table] = level;
    this.parent[table] = parent;
    this.slot[table] = slot;
    this.highest[table] = 0;
    return table;
  }

  /** Writes a valid entry (a table's number, or -1 - guest level) where there is none. */
  set(table: number, slot: number, entry: number): void {
    this.entries[table * this.size + slot] = entry;
    this.used[table]!++;
    if (entry < 0) this.leaves[table]!++;
    if (slot > this.highest[table]!) this.highest[table] = slot;
  }

  /** Takes a table back; its entries must be invalid. */
  give(table: number): void {
    this.used[table] = 0;
    this.leaves[table] = 0;
    this.next[table] = this.free;
    this.free = table;
  }

  private grow(): void {
    const twice = <T extends Int32Array | Int8Array>(old: T, make: (length: number) => T): T => {
      const grown = make(old.length * 2);
      grown.set(old);
      return grown;
    };
    const ints = (old: Int32Array): Int32Array => twice(old, (n) => new Int32Array(n));
    this.entries = ints(this.entries);
    this.parent = ints(this.parent);
    this.slot = ints(this.slot);
    this.used = ints(this.used);
    this.leaves = ints(this.leaves);
    this.highest = ints(this.highest);
    this.next = ints(this.next);
    this.previous = ints(this.previous);
    this.level = twice(this.level, (n) => new Int8Array(n));
  }
}

/** One shadow stage-2. Positions are granules (pages of the host's size) from IPA 0. */
export class ShadowStage2 {
  private readonly root: number;
  /** first of the tables below the root, newest first */
  private head = 0;
  /** tables entered by the last {@link find} */
  depth = 0;

  constructor(private readonly pool: ShadowPool) {
    this.root = pool.take(0, 0, 0);
  }

  /** The index into a table at `level`, of a granule given as its chunk and the granule within the chunk. */
  private index(level: number, chunk: number, within: number): number {
    const { bits, size, chunkLevel } = this.pool;
    const wide = level <= chunkLevel ? chunk >> (bits * (chunkLevel - level)) : within >> (bits * (3 - level));
    return wide & (size - 1);
  }

  /**
   * The guest's stage-2 level of the leaf that maps a granule (1 to 3; 0 = the leaf has no level hint), or -1 when no leaf
   * does. Sets {@link depth}.
   */
  find(granule: number): number {
    const { entries, size, chunkGranules } = this.pool;
    const chunk = Math.floor(granule / chunkGranules);
    const within = granule - chunk * chunkGranules;
    let table = this.root;
    for (let level = 0; ; level++) {
      const entry = entries[table * size + this.index(level, chunk, within)]!;
      if (entry <= 0) {
        this.depth = level;
        return -entry - 1;
      }
      table = entry;
    }
  }

  /**
   * Maps the leaf at `level` that holds a granule, where nothing maps it now; `hint` is the guest's level, 0 to 3. Returns
   * the level used: a deeper one where the wanted block would replace a table, whose leaves stay.
   */
  map(granule: number, level: number, hint: number): number {
    const pool = this.pool;
    const chunk = Math.floor(granule / pool.chunkGranules);
    const within = granule - chunk * pool.chunkGranules;
    let table = this.root;
    for (let at = 0; ; at++) {
      const slot = this.index(at, chunk, within);
      const entry = pool.entries[table * pool.size + slot]!;
      if (entry > 0) table = entry;
      else if (at >= level) {
        pool.set(table, slot, -1 - hint);
        return at;
      } else {
        const below = pool.take(at + 1, table, slot);
        pool.set(table, slot, below);
        this.link(below);
        table = below;
      }
    }
  }

  /** One step of an unmap over granules `first` to `last` of a chunk. Returns whether the chunk had anything mapped. */
  unmapPiece(chunk: number, first: number, last: number, counts: WalkCounts): boolean {
    const pool = this.pool;
    let upper = this.root;
    for (let level = 0; level < pool.chunkLevel; level++) {
      upper = pool.entries[upper * pool.size + this.index(level, chunk, 0)]!;
      if (upper === 0) return false;
    }
    counts.upperDescends++;
    const entry = pool.entries[upper * pool.size + (chunk & (pool.size - 1))]!;
    if (entry === 0) return false;
    counts.upperDescendsPopulated++;
    counts.populatedChunks++;
    if (entry < 0) this.clearLeaf(upper, chunk & (pool.size - 1), counts);
    else {
      this.unmapTable(entry, first, last, counts);
      if (pool.used[entry] === 0) this.freeTable(entry, counts);
    }
    for (let table = upper; table !== this.root && pool.used[table] === 0; ) {
      const above = pool.parent[table]!;
      this.freeTable(table, counts);
      table = above;
    }
    return true;
  }

  private unmapTable(table: number, first: number, last: number, counts: WalkCounts): void {
    const pool = this.pool;
    const level = pool.level[table]!;
    counts.descends++;
    if (level === 3 && first === 0 && last === pool.size - 1) {
      counts.leaves += pool.leaves[table]!;
      counts.emptySlots += pool.size - pool.leaves[table]!;
      this.clearTable(table);
      return;
    }
    const shift = pool.bits * (3 - level);
    const mask = 2 ** shift - 1;
    const end = last >> shift;
    for (let slot = first >> shift; slot <= end; slot++) {
      const entry = pool.entries[table * pool.size + slot]!;
      if (entry === 0) counts.emptySlots++;
      else if (entry < 0) this.clearLeaf(table, slot, counts);
      else {
        this.unmapTable(entry, slot === first >> shift ? first & mask : 0, slot === end ? last & mask : mask, counts);
        if (pool.used[entry] === 0) this.freeTable(entry, counts);
      }
    }
  }

  /**
   * Unmaps everything: the steps over all chunks that hold anything, without looking at a chunk that does not. Upper tables
   * are entered by each step until their last populated chunk is done and they are freed.
   */
  unmapAll(counts: WalkCounts): void {
    const { chunkLevel, level, slot, parent, used, leaves, next, entries, size } = this.pool;
    for (let table = this.head; table !== 0; table = next[table]!)
      if (level[table] === chunkLevel) {
        counts.upperFreed++;
        counts.upperDescends += this.lastUsed(table) + 1;
        counts.upperDescendsPopulated += used[table]!;
        counts.populatedChunks += used[table]!;
        counts.leaves += leaves[table]!;
      } else if (level[table]! > chunkLevel) {
        counts.freed++;
        counts.descends++;
        counts.leaves += leaves[table]!;
        counts.emptySlots += size - used[table]!;
      }
    for (let table = this.head; table !== 0; ) {
      const after = next[table]!;
      entries[parent[table]! * size + slot[table]!] = 0;
      this.clearTable(table);
      this.pool.give(table);
      table = after;
    }
    used[this.root] = 0;
    this.head = 0;
  }

  /** The last valid entry of a table that has one. */
  private lastUsed(table: number): number {
    const { entries, size, highest } = this.pool;
    let slot = highest[table]!;
    while (entries[table * size + slot] === 0) slot--;
    return slot;
  }

  private clearLeaf(table: number, slot: number, counts: WalkCounts): void {
    this.pool.entries[table * this.pool.size + slot] = 0;
    this.pool.used[table]!--;
    this.pool.leaves[table]!--;
    counts.leaves++;
  }

  /** Invalidates the leaves of a table; where it has none, its entries are tables, which go with their own turn. */
  private clearTable(table: number): void {
    const { entries, size, leaves, used } = this.pool;
    if (leaves[table]! > 0) entries.fill(0, table * size, (table + 1) * size);
    used[table]! -= leaves[table]!;
    leaves[table] = 0;
  }

  private freeTable(table: number, counts: WalkCounts): void {
    const pool = this.pool;
    pool.entries[pool.parent[table]! * pool.size + pool.slot[table]!] = 0;
    pool.used[pool.parent[table]!]!--;
    if (pool.level[table]! > pool.chunkLevel) counts.freed++;
    else if (pool.level[table] === pool.chunkLevel) counts.upperFreed++;
    this.unlink(table);
    pool.give(table);
  }

  private link(table: number): void {
    const { next, previous } = this.pool;
    next[table] = this.head;
    previous[table] = 0;
    if (this.head !== 0) previous[this.head] = table;
    this.head = table;
  }

  private unlink(table: number): void {
    const { next, previous } = this.pool;
    const before = previous[table]!;
    const after = next[table]!;
    if (before === 0) this.head = after;
    else next[before] = after;
    if (after !== 0) previous[after] = before;
  }
}
