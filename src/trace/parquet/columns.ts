/** The columns of a Parquet trace by what they hold: how their values become dictionary indexes. */

import { Column, indexes, indexWidth, zigzag } from "./column.js";
import type { Bytes } from "./hybrid.js";

/** Unique 64-bit values of a row group's dictionary: 16-bit indexes. Beyond that, PLAIN pages. */
const WIDE_ENTRIES = 65_536;
/** Slots of a dictionary that has no entries; at least 4 for each that it has. */
const FEW_SLOTS = 4096;

/** Values below `domain`, each standing for itself (INT32) or for a string: the dictionary is found by plain indexing. */
export class SmallColumn extends Column {
  /** by value: its index in the row group's dictionary + 1; 0 where it has none */
  private readonly index: Uint32Array;
  private readonly values: Uint32Array;

  /** `text` gives the string that a value stands for; without it the column is INT32 and values are shifted by `least`. */
  constructor(
    name: string,
    nullable: boolean,
    domain: number,
    private readonly least: number,
    private readonly text?: (value: number) => string,
  ) {
    super(name, text ? "BYTE_ARRAY" : "INT32", 1, nullable);
    this.index = new Uint32Array(domain);
    this.values = new Uint32Array(domain);
  }

  protected override encode(values: Uint32Array, n: number): void {
    const { least, index } = this;
    let i = 1;
    while (i < n && values[i] === values[0]) i++;
    if (i === n) {
      this.constantPage(this.indexOf((values[0]! - least) >>> 0), n);
      return;
    }
    for (i = 0; i < n; i++) {
      const value = (values[i]! - least) >>> 0;
      const found = index[value]!;
      indexes[i] = found === 0 ? this.indexOf(value) : found - 1;
    }
    this.indexPage(n);
  }

  /** The index of a value, new or known. */
  private indexOf(value: number): number {
    if (this.index[value] === 0) {
      this.values[this.entries++] = value;
      this.index[value] = this.entries;
    }
    return this.index[value]! - 1;
  }

  protected override dictionary(): void {
    const { body, text } = this;
    if (text === undefined) {
      const words = Int32Array.from(this.values.subarray(0, this.entries), (value) => value + this.least);
      body.append(new Uint8Array(words.buffer));
      return;
    }
    for (let i = 0; i < this.entries; i++) {
      const bytes = encoder.encode(text(this.values[i]!));
      body.append(new Uint8Array(Uint32Array.of(bytes.length).buffer));
      body.append(bytes);
    }
  }

  protected override clear(): void {
    for (let i = 0; i < this.entries; i++) this.index[this.values[i]!] = 0;
  }
}

const encoder = new TextEncoder();

/** 64-bit values as halves, found by hashing. */
export class WideColumn extends Column {
  /** entries, interleaved halves */
  private readonly values = new Uint32Array(2 * WIDE_ENTRIES);
  /** entry + 1 by hash, open addressing; 0 is free. It grows with the entries, and stays in the CPU's caches where they are few */
  private slots = new Int32Array(FEW_SLOTS);
  /** the slot of an entry */
  private readonly slotOf = new Int32Array(WIDE_ENTRIES);

  constructor(name: string, nullable: boolean) {
    super(name, "INT64", 2, nullable);
  }

  protected override encode(words: Uint32Array, n: number): void {
    const before = this.entries;
    let lo = 0;
    let hi = 0;
    let entry = -1;
    let i = 0;
    for (; i < n; i++) {
      const nextLo = words[2 * i]!;
      const nextHi = words[2 * i + 1]!;
      if (entry < 0 || nextLo !== lo || nextHi !== hi) {
        lo = nextLo;
        hi = nextHi;
        entry = this.entryOf(lo, hi);
        if (entry < 0) break;
      }
      indexes[i] = entry;
    }
    // The page pays for the entries that it added, 8 bytes each: PLAIN when that costs more than it saves.
    const fresh = this.entries - before;
    if (i < n || 8 * fresh + (n * indexWidth(this.entries)) / 8 > 8 * n) {
      this.forget(before);
      this.plainPage(words, n);
    } else this.indexPage(n);
  }

  /** The entry of a value, new or known; -1 when the dictionary is full. */
  private entryOf(lo: number, hi: number): number {
    const { slots, values } = this;
    const mask = slots.length - 1;
    for (let slot = hashOf(lo, hi) & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]! - 1;
      if (entry < 0) return this.entries === WIDE_ENTRIES ? -1 : this.added(lo, hi, slot);
      if (values[2 * entry] === lo && values[2 * entry + 1] === hi) return entry;
    }
  }

  private added(lo: number, hi: number, slot: number): number {
    const entry = this.entries++;
    this.values[2 * entry] = lo;
    this.values[2 * entry + 1] = hi;
    this.put(entry, slot);
    if (4 * this.entries > this.slots.length) this.grow();
    return entry;
  }

  private put(entry: number, slot: number): void {
    this.slots[slot] = entry + 1;
    this.slotOf[entry] = slot;
  }

  /** The entries go in again in their order: the last ones in stay the first ones out. */
  private grow(): void {
    this.slots = new Int32Array(4 * this.slots.length);
    const mask = this.slots.length - 1;
    for (let entry = 0; entry < this.entries; entry++) {
      let slot = hashOf(this.values[2 * entry]!, this.values[2 * entry + 1]!) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.put(entry, slot);
    }
  }

  /** Takes back the entries from `count` on; the last ones in are the first ones out, so no chain of slots breaks. */
  private forget(count: number): void {
    for (let entry = this.entries - 1; entry >= count; entry--) this.slots[this.slotOf[entry]!] = 0;
    this.entries = count;
  }

  protected override dictionary(): void {
    this.body.append(new Uint8Array(this.values.buffer, 0, 8 * this.entries));
  }

  protected override clear(): void {
    this.slots.fill(0);
  }
}

function hashOf(lo: number, hi: number): number {
  const hash = Math.imul(lo ^ Math.imul(hi, 0x85eb_ca6b), 0x9e37_79b1);
  return hash ^ (hash >>> 15);
}

/** Values of a block of a page of {@link CountColumn}, and of one of its miniblocks: what other writers take. */
const DELTA_BLOCK = 128;
const MINIBLOCKS = 4;

/**
 * The numbers of the rows, 64 bits each: DELTA_BINARY_PACKED (parquet-format, Encodings.md), in which each block says that each
 * number is one more than the one before it, and gzip that each block says so.
 */
export class CountColumn extends Column {
  private next = 0;

  constructor(name: string) {
    super(name, "INT64", 1, false);
  }

  protected override encode(_values: Uint32Array, n: number): void {
    const { body } = this;
    body.varint(DELTA_BLOCK);
    body.varint(MINIBLOCKS);
    body.varint(n);
    zigzag64(this.next, body);
    for (let left = n - 1; left > 0; left -= DELTA_BLOCK) {
      body.varint(zigzag(1)); // the least difference; beyond it, each takes no bits
      body.append(new Uint8Array(MINIBLOCKS));
    }
    this.next += n;
    this.page("DELTA_BINARY_PACKED");
  }

  protected override dictionary(): void {}

  protected override clear(): void {}
}

/** A number from 0 to 2^53 as a zigzag varint. */
function zigzag64(value: number, out: Bytes): void {
  let rest = 2 * value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) out.append(Uint8Array.of((rest % 0x80) | 0x80));
  out.append(Uint8Array.of(rest));
}
