/**
 * Columns on their way into a Parquet file: values to dictionary indexes to compressed pages. A column keeps the values of
 * the page and the pages of the row group at hand, and the dictionary that they share; all of it is typed arrays.
 */
import { crc32, gzipSync } from "node:zlib";
import type { ColumnMetaData } from "hyparquet";
import { Bytes, encodeBits, encodeHybrid, widthOf } from "./hybrid.js";
import { PAGE_ROWS } from "./parquet.js";
import { CHUNK_KEY, sha256 } from "./parquet-digest.js";

// Thrift enums of parquet.thrift: PageType and Encoding.
const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const RLE = 3;
const ENCODINGS = { PLAIN: 0, DELTA_BINARY_PACKED: 5, RLE_DICTIONARY: 8 } as const;
type Encoding = keyof typeof ENCODINGS;

/** Unique 64-bit values of a row group's dictionary: 16-bit indexes. Beyond that, PLAIN pages. */
const WIDE_ENTRIES = 65_536;

const zigzag = (n: number): number => ((n << 1) ^ (n >> 31)) >>> 0;

/** Level 6 makes a trace 1 to 3 % smaller and takes six times as long. */
const GZIP = { level: 1 };

/**
 * Bits of an index into `entries` entries. Beyond 8 whole bytes, so that gzip finds indexes that repeat wherever in a page
 * they stand: a tenth smaller in the end.
 */
function indexWidth(entries: number): number {
  const width = widthOf(entries);
  return width <= 8 ? width : 8 * Math.ceil(width / 8);
}

/**
 * Appends a compressed page with its header, and returns its size uncompressed. PageHeader of parquet.thrift, in the
 * compact protocol: a field's byte is (step in field ids) << 4 | type.
 */
function appendPage(out: Bytes, type: number, body: Bytes, values: number, encoding: number): number {
  const packed = gzipSync(body.view(), GZIP);
  const before = out.length;
  const put = (byte: number): void => out.append(Uint8Array.of(byte));
  const i32 = (value: number): void => {
    put(0x15);
    out.varint(zigzag(value));
  };
  i32(type);
  i32(body.length);
  i32(packed.length);
  i32(crc32(packed) | 0);
  put(type === DATA_PAGE ? 0x1c : 0x3c); // field 5, data_page_header, or 7, dictionary_page_header
  i32(values);
  i32(encoding);
  if (type === DATA_PAGE) {
    i32(RLE); // of definition levels, and of repetition levels, which a flat column has none of
    i32(RLE);
  }
  put(0);
  put(0);
  const header = out.length - before;
  out.append(packed);
  return header + body.length;
}

/** Indexes of a page's values, shared by all columns: it is used up before the next column's turn. */
const indexes = new Uint32Array(PAGE_ROWS);

/** What every column has: pages, dictionary, and how they go into the file. */
abstract class Column {
  /** the page at hand: `queued` rows of `words` 32-bit words each */
  private readonly queue: Uint32Array;
  private queued = 0;
  /** definition levels of those rows: 1 for a value, 0 for null */
  private readonly levels: Uint8Array | undefined;
  private readonly pages = new Bytes(1 << 15);
  /** bytes of `pages` uncompressed */
  private unpacked = 0;
  private rows = 0;
  private readonly encodings = new Set<Encoding>();
  /** entries of the row group's dictionary */
  protected entries = 0;
  protected readonly body = new Bytes(1 << 17);

  constructor(
    private readonly name: string,
    private readonly type: "BYTE_ARRAY" | "INT32" | "INT64",
    private readonly words: 1 | 2,
    nullable: boolean,
  ) {
    this.queue = new Uint32Array(words * PAGE_ROWS);
    this.levels = nullable ? new Uint8Array(PAGE_ROWS) : undefined;
  }

  /**
   * Adds `n` rows. Negative values stand as two's complement until they are written. Of a column that may be null, `levels` says
   * which rows are: 0 for null, 1 for a value.
   */
  add(from: Uint8Array | Int8Array | Uint16Array | Uint32Array, n: number, levels?: Uint8Array): void {
    const { queue, words } = this;
    for (let i = 0; i < n; ) {
      const some = Math.min(n - i, PAGE_ROWS - this.queued);
      queue.set(from.subarray(words * i, words * (i + some)), words * this.queued);
      if (levels !== undefined) this.levels!.set(levels.subarray(i, i + some), this.queued);
      this.queued += some;
      i += some;
      if (this.queued === PAGE_ROWS) this.endPage();
    }
  }

  private endPage(): void {
    const { queued, levels, body } = this;
    if (queued === 0) return;
    body.length = 0;
    let values = queued;
    if (levels !== undefined) {
      body.append(new Uint8Array(4));
      encodeBits(levels, queued, body);
      new DataView(body.data.buffer).setUint32(0, body.length - 4, true);
      values = this.dropNull(levels);
    }
    // Some readers take no dictionary without entries.
    if (values === 0) this.page("PLAIN");
    else this.encode(this.queue, values);
    this.queued = 0;
  }

  /** Moves the values of the page together; returns how many they are. */
  private dropNull(levels: Uint8Array): number {
    const { queue, queued, words } = this;
    let at = 0;
    if (words === 1)
      for (let i = 0; i < queued; i++) {
        queue[at] = queue[i]!;
        at += levels[i]!;
      }
    else
      for (let i = 0; i < queued; i++) {
        queue[2 * at] = queue[2 * i]!;
        queue[2 * at + 1] = queue[2 * i + 1]!;
        at += levels[i]!;
      }
    return at;
  }

  /** Makes a page of `n` values: appends them to `body` and ends with {@link page}. */
  protected abstract encode(values: Uint32Array, n: number): void;
  /** Appends the dictionary's entries, PLAIN, to `body`. */
  protected abstract dictionary(): void;
  /** Forgets the dictionary. */
  protected abstract clear(): void;

  /** A page of the first `n` of {@link indexes}, into the dictionary as it is now. */
  protected indexPage(n: number): void {
    const width = indexWidth(this.entries);
    this.body.append(Uint8Array.of(width));
    encodeHybrid(indexes, n, width, this.body);
    this.page("RLE_DICTIONARY");
  }

  /** A page of 64-bit values as they are. */
  protected plainPage(words: Uint32Array, n: number): void {
    this.body.append(new Uint8Array(words.buffer, words.byteOffset, 8 * n));
    this.page("PLAIN");
  }

  /** The page of the queued rows, out of `body`. */
  protected page(encoding: Encoding): void {
    this.unpacked += appendPage(this.pages, DATA_PAGE, this.body, this.queued, ENCODINGS[encoding]);
    this.rows += this.queued;
    this.encodings.add(encoding);
  }

  /** Hands the column chunk's bytes, which will stand at `offset` of the file, to `out`, and starts anew. */
  finish(offset: number, out: (bytes: Uint8Array) => void): ColumnMetaData {
    this.endPage();
    const indexed = this.encodings.has("RLE_DICTIONARY");
    const head = new Bytes(1 << 10);
    if (indexed) {
      this.body.length = 0;
      this.dictionary();
      this.unpacked += appendPage(head, DICTIONARY_PAGE, this.body, this.entries, ENCODINGS.PLAIN);
      out(head.view());
    }
    out(this.pages.view());
    const pagesAt = offset + head.length;
    const metadata: ColumnMetaData = {
      type: this.type,
      encodings: [...new Set<Encoding | "RLE">(["PLAIN", "RLE", ...this.encodings])],
      path_in_schema: [this.name],
      codec: "GZIP",
      num_values: BigInt(this.rows),
      total_uncompressed_size: BigInt(this.unpacked),
      total_compressed_size: BigInt(head.length + this.pages.length),
      key_value_metadata: [{ key: CHUNK_KEY, value: sha256(head.view(), this.pages.view()) }],
      data_page_offset: BigInt(pagesAt),
      ...(indexed ? { dictionary_page_offset: BigInt(offset) } : {}),
    };
    this.pages.length = 0;
    this.unpacked = 0;
    this.rows = 0;
    this.entries = 0;
    this.encodings.clear();
    this.clear();
    return metadata;
  }
}

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
