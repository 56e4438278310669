/**
 * Columns on their way into a Parquet file: values to dictionary indexes to compressed pages. A column keeps the values of
 * the page and the pages of the row group at hand, and the dictionary that they share; all of it is typed arrays.
 */
import { crc32, gzipSync } from "node:zlib";
import type { ColumnMetaData } from "hyparquet";
import { CHUNK_KEY, sha256 } from "./digest.js";
import { PAGE_ROWS } from "./format.js";
import { Bytes, encodeBits, encodeHybrid, encodeRun, SHORTEST_RUN, widthOf } from "./hybrid.js";
import { Repeats } from "./repeats.js";

// Thrift enums of parquet.thrift: PageType and Encoding.
const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const RLE = 3;
const ENCODINGS = { PLAIN: 0, DELTA_BINARY_PACKED: 5, RLE_DICTIONARY: 8 } as const;
type Encoding = keyof typeof ENCODINGS;

export const zigzag = (n: number): number => ((n << 1) ^ (n >> 31)) >>> 0;

/** Level 6 makes a trace 1 to 3 % smaller and takes six times as long. */
const GZIP = { level: 1 };

/**
 * Bits of an index into `entries` entries. Beyond 8 whole bytes, so that gzip finds indexes that repeat wherever in a page
 * they stand: a tenth smaller in the end.
 */
export function indexWidth(entries: number): number {
  const width = widthOf(entries);
  return width <= 8 ? width : 8 * Math.ceil(width / 8);
}

/**
 * Appends a compressed page with its header, and returns its size uncompressed. PageHeader of parquet.thrift, in the
 * compact protocol: a field's byte is (step in field ids) << 4 | type.
 */
function appendPage(
  out: Bytes,
  type: number,
  body: Bytes,
  values: number,
  encoding: number,
  packed: Uint8Array = gzipSync(body.view(), GZIP),
): number {
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

type Values = Uint8Array | Int8Array | Uint16Array | Uint32Array;

// Which rows are null follows no pattern that a CPU could guess: each is stored, and the next one over it where it was null.

/** Appends to `queue`, behind its first `at` values, those of rows `first` to `end` whose level is 1; returns how many it has then. */
function present(from: Values, levels: Uint8Array, first: number, end: number, queue: Uint32Array, at: number): number {
  let to = at;
  for (let i = first; i < end; i++) {
    queue[to] = from[i]!;
    to += levels[i]!;
  }
  return to;
}

/** The same of values of two words. */
function presentPairs(
  from: Values,
  levels: Uint8Array,
  first: number,
  end: number,
  queue: Uint32Array,
  at: number,
): number {
  let to = 2 * at;
  for (let i = first; i < end; i++) {
    queue[to] = from[2 * i]!;
    queue[to + 1] = from[2 * i + 1]!;
    to += 2 * levels[i]!;
  }
  return to / 2;
}

/** Indexes of a page's values, shared by all columns: it is used up before the next column's turn. */
export const indexes = new Uint32Array(PAGE_ROWS);

/** What every column has: pages, dictionary, and how they go into the file. */
export abstract class Column {
  /** the page at hand: `queued` rows, and the values of those that are not null, of `words` 32-bit words each */
  private readonly queue: Uint32Array;
  private queued = 0;
  private valued = 0;
  /** definition levels of those rows: 1 for a value, 0 for null */
  private readonly levels: Uint8Array | undefined;
  private readonly pages = new Bytes(1 << 15);
  /** bytes of `pages` uncompressed */
  private unpacked = 0;
  private rows = 0;
  private readonly encodings = new Set<Encoding>();
  private readonly packed = new Repeats();
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
  add(from: Values, n: number, levels?: Uint8Array): void {
    const { queue, words } = this;
    for (let i = 0; i < n; ) {
      const some = Math.min(n - i, PAGE_ROWS - this.queued);
      if (levels === undefined) {
        queue.set(from.subarray(words * i, words * (i + some)), words * this.valued);
        this.valued += some;
      } else {
        this.levels!.set(levels.subarray(i, i + some), this.queued);
        this.valued = (words === 1 ? present : presentPairs)(from, levels, i, i + some, queue, this.valued);
      }
      this.queued += some;
      i += some;
      if (this.queued === PAGE_ROWS) this.endPage();
    }
  }

  private endPage(): void {
    const { queued, valued: values, levels, body } = this;
    if (queued === 0) return;
    body.length = 0;
    if (levels !== undefined) {
      body.append(new Uint8Array(4));
      encodeBits(levels, queued, values, body);
      new DataView(body.data.buffer).setUint32(0, body.length - 4, true);
    }
    // Some readers take no dictionary without entries.
    if (values === 0) this.page("PLAIN");
    else this.encode(this.queue, values);
    this.queued = 0;
    this.valued = 0;
  }

  /** Makes a page of `n` values: appends them to `body` and ends with {@link page}. */
  protected abstract encode(values: Uint32Array, n: number): void;
  /** Appends the dictionary's entries, PLAIN, to `body`. */
  protected abstract dictionary(): void;
  /** Forgets the entries of the dictionary, while they are counted yet. */
  protected abstract clear(): void;

  /** A page of `n` times the same index. */
  protected constantPage(index: number, n: number): void {
    if (n < SHORTEST_RUN) {
      indexes.fill(index, 0, n);
      this.indexPage(n);
      return;
    }
    const width = indexWidth(this.entries);
    this.body.append(Uint8Array.of(width));
    encodeRun(index, n, width, this.body);
    this.page("RLE_DICTIONARY");
  }

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
    const body = this.body.view();
    const packed = this.packed.of(body, () => gzipSync(body, GZIP));
    this.unpacked += appendPage(this.pages, DATA_PAGE, this.body, this.queued, ENCODINGS[encoding], packed);
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
    this.encodings.clear();
    this.clear();
    this.entries = 0;
    return metadata;
  }
}
