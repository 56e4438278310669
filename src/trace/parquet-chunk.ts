/**
 * Decodes one column chunk of a row group into a typed array. Dictionary and PLAIN pages of a required column, gzipped or
 * uncompressed, what ParquetTrace writes, are decoded here; all else that Parquet allows goes through hyparquet (several
 * times slower), so that a trace that DuckDB or pandas has written again is read as well.
 */
import { gunzipSync } from "node:zlib";
import type { ColumnMetaData, CompressionCodec, FileMetaData } from "hyparquet";
import { parquetRead } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { crc32 } from "./crc32.js";
import { decodeHybrid } from "./hybrid.js";
import { COLUMN_TYPES, type ColumnName } from "./parquet.js";

/** Texts of a file's string columns, each once; a text column is decoded into indexes of this list. */
export class Texts {
  readonly list: string[] = [];
  private readonly ids = new Map<string, number>();

  id(text: string): number {
    let id = this.ids.get(text);
    if (id === undefined) {
      id = this.list.length;
      this.list.push(text);
      this.ids.set(text, id);
    }
    return id;
  }
}

/** Bytes of a file from `start` to `end` (exclusive). */
export interface ByteSource {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** 32-bit words of a row: a text id, an integer, or the interleaved halves of 64 bits. */
export const wordsOf = (column: ColumnName): number => (COLUMN_TYPES[column].holds === "wide" ? 2 : 1);

/** The bytes of a column chunk in the file. */
export function chunkRange(chunk: ColumnMetaData): { start: number; end: number } {
  const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
  return { start, end: start + Number(chunk.total_compressed_size) };
}

const FAST = new Set(["PLAIN", "RLE", "RLE_DICTIONARY"]);

/** True when {@link decodeChunk} can take the chunk. `required`: the column's rows cannot be null. */
export function isFast(chunk: ColumnMetaData, required: boolean): boolean {
  const codec = chunk.codec === "UNCOMPRESSED" || chunk.codec === "GZIP";
  return required && codec && chunk.encodings.every((encoding) => FAST.has(encoding));
}

/** No page is longer: a damaged header must not ask for more memory than there is. */
const MAX_PAGE_BYTES = 1 << 28;

/** A gzipped page of `size` bytes. Throws an Error that says what is wrong with it. */
function gunzip(packed: Uint8Array, size: number): Uint8Array {
  if (!(size >= 0 && size <= MAX_PAGE_BYTES))
    throw new Error(`a page of ${size} bytes, expected at most ${MAX_PAGE_BYTES}`);
  let body: Uint8Array;
  try {
    body = gunzipSync(packed, { maxOutputLength: Math.max(1, size) });
  } catch {
    throw new Error("a page cannot be decompressed");
  }
  if (body.length !== size) throw new Error(`a page of ${body.length} bytes, expected ${size}`);
  return body;
}

/** Entry i is i: the dictionary with which indexes are decoded as they are. */
let identity = new Int32Array(0);
let indexes = new Int32Array(0);
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Decodes `rows` rows from the chunk's bytes. Throws an Error that says what is wrong with them. */
export function decodeChunk(
  column: ColumnName,
  bytes: ArrayBuffer,
  codec: CompressionCodec,
  rows: number,
  texts: Texts,
  out: Int32Array,
): void {
  const { holds } = COLUMN_TYPES[column];
  const data = new Uint8Array(bytes);
  const reader = { view: new DataView(bytes), offset: 0 };
  let dictionary: Int32Array = new Int32Array(0);
  let row = 0;
  while (row < rows) {
    const header = parquetHeader(reader);
    const start = reader.offset;
    const end = start + header.compressed_page_size;
    if (!(end >= start && end <= data.length)) throw new Error("a page reaches beyond its column");
    if (header.crc !== undefined && header.crc !== crc32(data, start, end))
      throw new Error("a page's checksum does not match its bytes");
    reader.offset = end;
    const packed = codec === "GZIP" && header.data_page_header_v2?.is_compressed !== false;
    const body = packed ? gunzip(data.subarray(start, end), header.uncompressed_page_size) : data.subarray(start, end);
    if (header.dictionary_page_header) {
      const count = header.dictionary_page_header.num_values;
      if (holds !== "text") dictionary = plain(body, count, holds);
      else dictionary = textDictionary(body, count, texts);
      continue;
    }
    const page = header.data_page_header ?? header.data_page_header_v2;
    if (page === undefined) throw new Error(`a page of type ${header.type}`);
    const n = page.num_values;
    if (!(n > 0 && n <= rows - row)) throw new Error("a page with more rows than its row group");
    if (page.encoding === "PLAIN") {
      if (holds === "text") throw new Error("strings without a dictionary");
      out.set(plain(body, n, holds), holds === "wide" ? 2 * row : row);
    } else if (page.encoding === "RLE_DICTIONARY") {
      if (holds === "wide") decodeWide(body, n, dictionary, out, 2 * row);
      else decodeHybrid(body, 1, body.length, body[0]!, n, dictionary, out, row);
    } else throw new Error(`a page in the encoding ${page.encoding}`);
    row += n;
  }
}

/** A page of indexes into a dictionary with two words an entry, into out[at..at + 2n). */
function decodeWide(body: Uint8Array, n: number, dictionary: Int32Array, out: Int32Array, at: number): void {
  const entries = dictionary.length / 2;
  if (identity.length < entries) identity = Int32Array.from({ length: entries }, (_, i) => i);
  if (indexes.length < n) indexes = new Int32Array(n);
  decodeHybrid(body, 1, body.length, body[0]!, n, identity.subarray(0, entries), indexes, 0);
  const from = indexes;
  for (let i = 0, j = at; i < n; i++, j += 2) {
    const k = 2 * from[i]!;
    out[j] = dictionary[k]!;
    out[j + 1] = dictionary[k + 1]!;
  }
}

/** PLAIN integers, which need not be aligned in the file. */
function plain(body: Uint8Array, count: number, holds: "small" | "wide"): Int32Array {
  const size = (holds === "wide" ? 8 : 4) * count;
  if (!(size >= 0 && size <= body.length)) throw new Error("a page is too short for its values");
  const words = new Int32Array(size / 4);
  new Uint8Array(words.buffer).set(body.subarray(0, size));
  return words;
}

function textDictionary(body: Uint8Array, count: number, texts: Texts): Int32Array {
  const end = body.length;
  if (!(count >= 0 && 4 * count <= end)) throw new Error("a dictionary is too short for its strings");
  const ids = new Int32Array(count);
  const view = new DataView(body.buffer, body.byteOffset, end);
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 4 > end) throw new Error("a dictionary is too short for its strings");
    const from = at + 4;
    at = from + view.getUint32(at, true);
    if (at > end) throw new Error("a dictionary is too short for its strings");
    ids[i] = texts.id(decoder.decode(body.subarray(from, at)));
  }
  return ids;
}

/** Reads rows [rowStart, rowStart + rows) of a column through hyparquet. Throws an Error that says what is wrong. */
export async function readColumn(
  file: ByteSource,
  metadata: FileMetaData,
  column: ColumnName,
  rowStart: number,
  rows: number,
  texts: Texts,
  out: Int32Array,
): Promise<void> {
  const rowEnd = rowStart + rows;
  let seen = 0;
  let wrong: RowError | undefined; // what is thrown within onChunk nobody catches
  const { holds } = COLUMN_TYPES[column];
  await parquetRead({
    file,
    metadata,
    columns: [column],
    rowStart,
    rowEnd,
    compressors: { GZIP: gunzip },
    onChunk(chunk) {
      for (let i = 0; i < chunk.columnData.length; i++) {
        const row = chunk.rowStart + i - rowStart;
        if (row < 0 || row >= rows) continue;
        const value: unknown = chunk.columnData[i];
        seen++;
        if (holds === "text" && typeof value === "string") out[row] = texts.id(value);
        else if (holds === "small" && typeof value === "number") out[row] = value;
        else if (holds === "wide" && typeof value === "bigint") {
          out[2 * row] = Number(BigInt.asUintN(32, value));
          out[2 * row + 1] = Number(BigInt.asUintN(32, value >> 32n));
        } else
          wrong ??= new RowError(row, value === null || value === undefined ? "it is null" : `it is ${String(value)}`);
      }
    },
  });
  if (wrong !== undefined) throw wrong;
  if (seen !== rows) throw new Error(`${seen} of ${rows} values`);
}

/** What is wrong with one row of a row group (counted from 0). */
export class RowError extends Error {
  constructor(
    readonly row: number,
    message: string,
  ) {
    super(message);
  }
}
