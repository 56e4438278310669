/**
 * Reads a column chunk through hyparquet: what PageReader does not take, several times slower, and with all rows of the row
 * group in memory.
 */
import { type FileMetaData, parquetRead } from "hyparquet";
import { type ColumnName, columnOf, wordsOf } from "../columns.js";
import { isNullable } from "./nulls.js";
import { unpacked } from "./page.js";
import { absentIn, type ColumnRows, RowError, type Texts } from "./rows.js";

/** Bytes of a file from `start` to `end` (exclusive). */
export interface ByteSource {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** The most rows that such a row group may have: what pandas writes by default. */
const MAX_FOREIGN_ROWS = 1 << 20;

/** Rows [start, start + rows) of a column. Throws an Error that says what is wrong with them. */
export async function foreignRows(
  file: ByteSource,
  metadata: FileMetaData,
  column: ColumnName,
  start: number,
  rows: number,
  texts: Texts,
): Promise<ColumnRows> {
  if (rows > MAX_FOREIGN_ROWS)
    throw new Error(`a row group of ${rows} rows in this encoding, expected at most ${MAX_FOREIGN_ROWS}`);
  const words = wordsOf(column);
  const out = new Int32Array(rows * words);
  let seen = 0;
  let wrong: RowError | undefined; // what is thrown within onChunk nobody catches
  const { holds, former } = columnOf(column);
  const nil = isNullable(column) ? absentIn(column, texts) : undefined;
  const named = metadata.schema.some(({ name }) => name === column) ? column : former!;
  await parquetRead({
    file,
    metadata,
    columns: [named],
    rowStart: start,
    rowEnd: start + rows,
    compressors: { GZIP: (bytes, size) => unpacked("GZIP", bytes, size) },
    onChunk(chunk) {
      for (let i = 0; i < chunk.columnData.length && wrong === undefined; i++) {
        const row = chunk.rowStart + i - start;
        if (row < 0 || row >= rows) continue;
        const value: unknown = chunk.columnData[i];
        seen++;
        try {
          if (holds === "text" && typeof value === "string") out[row] = texts.id(value);
          else if (holds === "small" && typeof value === "number") out[row] = value;
          else if (holds === "wide" && typeof value === "bigint") {
            out[2 * row] = Number(BigInt.asUintN(32, value));
            out[2 * row + 1] = Number(BigInt.asUintN(32, value >> 32n));
          } else if ((value === null || value === undefined) && nil !== undefined)
            out.fill(nil, words * row, words * (row + 1));
          else
            wrong = new RowError(row, value === null || value === undefined ? "it is null" : `it is ${String(value)}`);
        } catch (error) {
          wrong = new RowError(row, (error as Error).message);
        }
      }
    },
  });
  if (wrong !== undefined) throw wrong;
  if (seen !== rows) throw new Error(`${seen} of ${rows} values`);
  return new Decoded(out, words);
}

/** Rows that are all decoded. */
class Decoded implements ColumnRows {
  row = 0;

  constructor(
    private readonly all: Int32Array,
    private readonly words: number,
  ) {}

  read(n: number, out: Int32Array): void {
    out.set(this.all.subarray(this.words * this.row, this.words * (this.row + n)));
    this.row += n;
  }

  skip(n: number): void {
    this.row += n;
  }

  finish(): void {}
}
