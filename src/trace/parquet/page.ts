/**
 * Reads the values of one column chunk, page by page and a few rows at a time, so that memory grows neither with the rows of a
 * row group nor with those of a page. It takes what ParquetTrace writes, and what DuckDB and pandas write: PLAIN and dictionary
 * pages, uncompressed, gzipped or Snappy. Null is read as what an event without the column has, where a column may be null.
 */
import { crc32, gunzipSync } from "node:zlib";
import { type ColumnMetaData, type CompressionCodec, snappyUncompress } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { type ColumnName, columnOf, wordsOf } from "../columns.js";
import { HybridReader } from "./hybrid-reader.js";
import { isNullable } from "./nulls.js";
import { Repeats } from "./repeats.js";
import { absentIn, type ColumnRows, RowError, type Small, type Texts } from "./rows.js";

const CODECS = new Set<CompressionCodec>(["UNCOMPRESSED", "GZIP", "SNAPPY"]);
const ENCODINGS = new Set(["PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"]);

/** True when {@link PageReader} can take the chunk. */
export const isPaged = ({ codec, encodings }: ColumnMetaData): boolean =>
  CODECS.has(codec) && encodings.every((encoding) => ENCODINGS.has(encoding));

/** No page is longer: a damaged header must not ask for more memory than there is. */
const MAX_PAGE_BYTES = 1 << 26;

/**
 * zlib puts its output together of chunks: a page is one, and not quite full, else zlib asks for another. No longer one is asked
 * for before there are bytes for it.
 */
const SPARE = 64;
const MAX_CHUNK = 1 << 20;

/** A page of `size` bytes, decompressed. Throws an Error that says what is wrong with it. */
export function unpacked(codec: CompressionCodec, bytes: Uint8Array, size: number): Uint8Array {
  if (!(size >= 0 && size <= MAX_PAGE_BYTES))
    throw new Error(`a page of ${size} bytes, expected at most ${MAX_PAGE_BYTES}`);
  let body = bytes;
  try {
    if (codec === "GZIP")
      body = gunzipSync(bytes, { maxOutputLength: Math.max(1, size), chunkSize: Math.min(size + SPARE, MAX_CHUNK) });
    else if (codec === "SNAPPY") {
      body = new Uint8Array(size);
      snappyUncompress(bytes, body);
    }
  } catch {
    throw new Error("a page cannot be decompressed");
  }
  return ofSize(body, size);
}

function ofSize(body: Uint8Array, size: number): Uint8Array {
  if (body.length !== size) throw new Error(`a page of ${body.length} bytes, expected ${size}`);
  return body;
}

const decoder = new TextDecoder("utf-8", { fatal: true });
/** Where values go that nobody wants. */
const nowhere = new Int32Array(2 * 4096);
/** Of the rows at hand of any column: which are not null, and their values. */
const present = new Int32Array(4096);
const dense = new Int32Array(2 * present.length + 2);
/** Of those that are not null the indexes in the dictionary; one more is read than there are. */
const indexes = new Int32Array(present.length + 1);

type PageHeader = ReturnType<typeof parquetHeader>;
type Encoding = "PLAIN" | "INDEXES";

/** The rows of a column chunk. Its methods throw an Error that says what is wrong with the bytes. */
export class PageReader implements ColumnRows {
  private readonly data: Uint8Array;
  private readonly reader: { readonly view: DataView; offset: number };
  /** rows in the pages begun so far, and of the page at hand those that are still to be read */
  private begun = 0;
  private left = 0;
  private encoding: Encoding = "PLAIN";
  private readonly indexes = new HybridReader();
  /** of a page with rows that are null: which rows are not */
  private readonly levels = new HybridReader();
  private nulls = false;
  /** what a row that is null is read as; undefined where none may be */
  private readonly absent: number | undefined;
  /** of a PLAIN page: its bytes, and where the next value stands */
  private body: Uint8Array = new Uint8Array(0);
  private readonly bodies = new Repeats();
  private at = 0;
  /** entries of the dictionary, behind which one more stands for null */
  private entries = 0;
  private dictionary = new Int32Array(0);

  /** `nullable`: the column's rows could be null. */
  constructor(
    private readonly column: ColumnName,
    bytes: ArrayBuffer,
    private readonly codec: CompressionCodec,
    private readonly nullable: boolean,
    private readonly rows: number,
    private readonly texts: Texts,
  ) {
    this.absent = isNullable(column) ? absentIn(column, texts) : undefined;
    this.data = new Uint8Array(bytes);
    this.reader = { view: new DataView(bytes), offset: 0 };
  }

  get row(): number {
    return this.begun - this.left;
  }

  read(n: number, out: Int32Array): void {
    for (let done = 0; done < n; ) {
      if (this.left === 0) this.nextPage(0);
      const some = Math.min(n - done, this.left);
      this.rowsTo(some, out, done);
      this.left -= some;
      done += some;
    }
  }

  same(n: number): number | undefined {
    if (this.left === 0) this.nextPage(0);
    if (this.left < n) return undefined;
    let value: number;
    if (this.nulls) {
      if (this.levels.same(n, 1) !== 0) return undefined;
      value = this.absent!;
    } else {
      if (this.encoding !== "INDEXES" || wordsOf(this.column) === 2) return undefined;
      const index = this.indexes.same(n, this.entries);
      if (index < 0) return undefined;
      value = this.dictionary[index]!;
    }
    this.left -= n;
    return value;
  }

  coded(n: number): Int32Array | undefined {
    if (this.left === 0) this.nextPage(0);
    return this.left >= n && n <= present.length && this.encoding === "INDEXES" ? this.dictionary : undefined;
  }

  gather(n: number, table: Int32Array, out: Small): void {
    const { entries } = this;
    const values = this.nulls ? this.levels.bits(n, present, 0) : n;
    this.indexes.raw(values, entries, indexes);
    if (values === n) pick(table, n, out);
    else pickPresent(table, n, entries, out);
    this.left -= n;
  }

  skip(n: number): void {
    for (let left = n; left > 0; ) {
      if (this.left === 0) {
        left -= this.nextPage(left);
        continue;
      }
      const some = Math.min(left, this.left, nowhere.length / 2);
      this.rowsTo(some, nowhere, 0);
      this.left -= some;
      left -= some;
    }
  }

  finish(): void {
    if (this.reader.offset !== this.data.length) throw new Error("it has more pages than its row group has rows");
  }

  /** Goes on to the next data page. One of at most `skippable` rows is left unread, and their number returned. */
  private nextPage(skippable: number): number {
    for (;;) {
      const header = this.header();
      const { offset } = this.reader;
      const bytes = this.data.subarray(offset, offset + header.compressed_page_size);
      this.reader.offset += bytes.length;
      if (header.dictionary_page_header) {
        const size = header.uncompressed_page_size;
        this.setDictionary(unpacked(this.codec, bytes, size), header.dictionary_page_header.num_values);
        continue;
      }
      const n = (header.data_page_header ?? header.data_page_header_v2)?.num_values;
      if (n === undefined) throw new Error(`a page of type ${header.type}`);
      if (!(n > 0 && n <= this.rows - this.begun)) throw new Error("a page with more rows than its row group");
      this.begun += n;
      if (n <= skippable) return n;
      this.left = n;
      this.open(header, bytes, n);
      return 0;
    }
  }

  /** The header of the next page, whose bytes follow. */
  private header(): PageHeader {
    if (this.reader.offset >= this.data.length) throw new Error("it has fewer rows than its row group");
    const header = parquetHeader(this.reader);
    const start = this.reader.offset;
    const end = start + header.compressed_page_size;
    if (!(end >= start && end <= this.data.length)) throw new Error("a page reaches beyond its column");
    if (header.crc !== undefined && header.crc !== (crc32(this.data.subarray(start, end)) | 0))
      throw new Error("a page's checksum does not match its bytes");
    return header;
  }

  /** A data page: which of its rows are null in front (definition levels), then its values. */
  private open(header: PageHeader, bytes: Uint8Array, n: number): void {
    const v2 = header.data_page_header_v2;
    let body: Uint8Array;
    let at = 0;
    let values = n;
    if (v2) {
      // Levels stand in front of what is compressed.
      const levels = v2.definition_levels_byte_length;
      if (v2.repetition_levels_byte_length !== 0 || !(levels >= 0 && levels <= bytes.length))
        throw new Error("a page with levels that no flat column has");
      if (this.nullable) values = this.startLevels(bytes, 0, levels, n);
      const codec = v2.is_compressed ? this.codec : "UNCOMPRESSED";
      body = unpacked(codec, bytes.subarray(levels), header.uncompressed_page_size - levels);
    } else {
      const size = header.uncompressed_page_size;
      body = ofSize(
        this.bodies.of(bytes, () => unpacked(this.codec, bytes, size)),
        size,
      );
      if (this.nullable) {
        if (header.data_page_header!.definition_level_encoding !== "RLE" || body.length < 4)
          throw new Error("a page without definition levels in RLE");
        at = 4 + new DataView(body.buffer, body.byteOffset).getUint32(0, true);
        if (at > body.length) throw new Error("a page is too short for its definition levels");
        values = this.startLevels(body, 4, at, n);
      }
    }
    this.nulls = values < n;
    this.begin((header.data_page_header ?? v2)!.encoding, body, at, values);
  }

  /** Definition levels in bytes[from..end): 1 for a value, 0 for null. Returns how many rows are not. */
  private startLevels(bytes: Uint8Array, from: number, end: number, n: number): number {
    const { levels } = this;
    levels.start(bytes, from, end, 1);
    const values = levels.ones(n);
    levels.start(bytes, from, end, 1);
    if (this.absent === undefined && values < n) throw new RowError(this.begun - n + this.firstNull(), "it is null");
    return values;
  }

  /** Which row of a page is its first null, where there is one. */
  private firstNull(): number {
    for (let row = 0; ; row++) {
      this.levels.bits(1, present, 0);
      if (present[0] === 0) return row;
    }
  }

  /** Begins with the values of a page, from body[at] on. */
  private begin(encoding: string | undefined, body: Uint8Array, at: number, n: number): void {
    if (encoding === "PLAIN") {
      this.encoding = "PLAIN";
      this.body = body;
      this.at = at;
      const { holds } = columnOf(this.column);
      if (holds !== "text" && body.length - at !== 4 * wordsOf(this.column) * n)
        throw new Error(`a page of ${body.length - at} bytes, too many or too few for its values`);
    } else if (encoding === "RLE_DICTIONARY" || encoding === "PLAIN_DICTIONARY") {
      this.encoding = "INDEXES";
      if (at >= body.length) throw new Error("the indexes of a page end too early");
      this.indexes.start(body, at + 1, body.length, body[at]!);
    } else throw new Error(`a page in the encoding ${encoding}`);
  }

  /** The next `n` rows of the page at hand, to out from row `to` on. */
  private rowsTo(n: number, out: Int32Array, to: number): void {
    if (!this.nulls) {
      this.values(n, out, to);
      return;
    }
    for (let done = 0; done < n; done += present.length)
      this.sparse(Math.min(present.length, n - done), out, to + done);
  }

  /** Rows some of which are null, at most as many as {@link present} holds. */
  private sparse(n: number, out: Int32Array, to: number): void {
    const absent = this.absent!;
    const values = this.levels.bits(n, present, 0);
    if (values === 0) {
      const words = wordsOf(this.column);
      out.fill(absent, words * to, words * (to + n));
    } else if (values === n) this.values(n, out, to);
    else if (this.encoding === "INDEXES" && wordsOf(this.column) === 2) {
      this.indexes.raw(values, this.entries, indexes);
      pickPresentPairs(this.dictionary, n, this.entries, out, 2 * to);
    } else {
      this.values(values, dense, 0);
      if (wordsOf(this.column) === 1) spread(n, absent, out, to);
      else spreadPairs(n, absent, out, 2 * to);
    }
  }

  /** The next `n` values that are not null, to out from row `to` on. */
  private values(n: number, out: Int32Array, to: number): void {
    const words = wordsOf(this.column);
    if (this.encoding === "INDEXES") this.indexes.read(n, this.entries, this.dictionary, words, out, to);
    else if (columnOf(this.column).holds === "text") {
      for (let i = 0; i < n; i++) out[to + i] = this.text();
    } else {
      const size = 4 * words * n;
      new Uint8Array(out.buffer, out.byteOffset + 4 * words * to, size).set(
        this.body.subarray(this.at, this.at + size),
      );
      this.at += size;
    }
  }

  /** The id of the string at hand in `body`: its length in 32 bits, then UTF-8. */
  private text(): number {
    const { body, at } = this;
    if (at + 4 > body.length) throw new Error("a page or a dictionary is too short for its strings");
    const from = at + 4;
    const end = from + (body[at]! | (body[at + 1]! << 8) | (body[at + 2]! << 16) | (body[at + 3]! << 24));
    if (!(end >= from && end <= body.length)) throw new Error("a page or a dictionary is too short for its strings");
    this.at = end;
    return this.texts.id(decoder.decode(body.subarray(from, end)));
  }

  private setDictionary(body: Uint8Array, count: number): void {
    const words = wordsOf(this.column);
    if (!(count >= 0 && 4 * words * count <= body.length)) throw new Error("a dictionary is too short for its values");
    this.entries = count;
    this.dictionary = new Int32Array(words * (count + 1)).fill(this.absent ?? 0);
    this.body = body;
    this.at = 0;
    if (columnOf(this.column).holds === "text") for (let i = 0; i < count; i++) this.dictionary[i] = this.text();
    else {
      this.at = 4 * words * count;
      new Uint8Array(this.dictionary.buffer).set(body.subarray(0, this.at)); // the entry for null stands behind
    }
    if (this.at !== body.length) throw new Error("a dictionary is longer than its values");
  }
}

// Which rows are null follows no pattern that a CPU could guess: masks, no branches.

/** What a table has for the first `n` of {@link indexes}. */
function pick(table: Int32Array, n: number, out: Small): void {
  for (let i = 0; i < n; i++) out[i] = table[indexes[i]!]!;
}

/** What a table has for {@link indexes}, to those rows of `out` that are {@link present}, and its entry `nil` to the others. */
function pickPresent(table: Int32Array, n: number, nil: number, out: Small): void {
  for (let i = 0, from = 0; i < n; i++) {
    const mask = -present[i]!;
    out[i] = table[(indexes[from]! & mask) | (nil & ~mask)]!;
    from -= mask;
  }
}

/** The same of entries of two words; `to` is the word of `out` at which they begin. */
function pickPresentPairs(table: Int32Array, n: number, nil: number, out: Int32Array, to: number): void {
  for (let i = 0, from = 0, j = to; i < n; i++, j += 2) {
    const mask = -present[i]!;
    const entry = 2 * ((indexes[from]! & mask) | (nil & ~mask));
    out[j] = table[entry]!;
    out[j + 1] = table[entry + 1]!;
    from -= mask;
  }
}

/** The values of {@link dense} to those rows of `out` that are {@link present}, `absent` to the others. */
function spread(n: number, absent: number, out: Int32Array, to: number): void {
  for (let i = 0, from = 0; i < n; i++) {
    const mask = -present[i]!;
    out[to + i] = (dense[from]! & mask) | (absent & ~mask);
    from -= mask;
  }
}

/** The same of values of two words; `to` is the word at which they begin. */
function spreadPairs(n: number, absent: number, out: Int32Array, to: number): void {
  for (let i = 0, from = 0, j = to; i < n; i++, j += 2) {
    const mask = -present[i]!;
    out[j] = (dense[from]! & mask) | (absent & ~mask);
    out[j + 1] = (dense[from + 1]! & mask) | (absent & ~mask);
    from -= 2 * mask;
  }
}
