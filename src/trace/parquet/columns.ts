/** The columns of a Parquet trace by what they hold: how their values become dictionary indexes. */

import { Column, indexes, indexWidth, zigzag } from "./column.js";
import type { Bytes } from "./hybrid.js";

/** Unique 64-bit values of a row group's dictionary: 16-bit indexes. Beyond that, PLAIN pages. */
const WIDE_ENTRIES = 65_536;

/** Values below `domain`, each standing for itself (INT32) or for a string: the dictionary is found by plain indexing. */
export class SmallColumn extends Column {
  /** the index of a value, when the stamp is the row group's */
  private readonly index: Uint32Array;
  private readonly stamps: Uint32Array;
  private stamp = 1;
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
    this.stamps = new Uint32Array(domain);
    this.values = new Uint32Array(domain);
  }

  protected override encode(values: Uint32Array, n: number): void {
    const { least, index, stamps, stamp } = this;
    for (let i = 0; i < n; i++) {
      const value = (values[i]! - least) >>> 0;
      if (stamps[value] !== stamp) {
        stamps[value] = stamp;
        index[value] = this.entries;
        this.values[this.entries++] = value;
      }
      indexes[i] = index[value]!;
    }
    this.indexPage(n);
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
    this.stamp++;
  }
}

const encoder = new TextEncoder();

/** 64-bit values as halves, found by hashing. */
export class WideColumn extends Column {
  /** entries, interleaved halves */
  private readonly values = new Uint32Array(2 * WIDE_ENTRIES);
  /** entry + 1 by hash, open addressing; 0 is free */
  private readonly slots = new Int32Array(4 * WIDE_ENTRIES);
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
    let hash = Math.imul(lo ^ Math.imul(hi, 0x85eb_ca6b), 0x9e37_79b1);
    hash ^= hash >>> 15;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]! - 1;
      if (entry < 0) {
        if (this.entries === WIDE_ENTRIES) return -1;
        const added = this.entries++;
        values[2 * added] = lo;
        values[2 * added + 1] = hi;
        slots[slot] = added + 1;
        this.slotOf[added] = slot;
        return added;
      }
      if (values[2 * entry] === lo && values[2 * entry + 1] === hi) return entry;
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
