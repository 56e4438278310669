/** The block of events that is filled from the columns of a Parquet trace, column by column. */
import { InputError } from "../../input/index.js";
import { BLOCK_EVENTS, EventBuffer } from "../buffer.js";
import { COLUMN_TABLE, type ColumnName, columnOf, fieldOf, type SmallColumnName, WIDE_COLUMNS } from "../columns.js";
import { codeOf, KINDS, Names } from "../event.js";
import { unknownName } from "../read.js";
import { type ColumnRows, Texts } from "./rows.js";

/** Columns that are not filled hold what an event without them has. */
export class Block {
  readonly buffer = new EventBuffer(BLOCK_EVENTS);
  readonly names = new Names();
  readonly texts = new Texts();
  /** the rows of one column, until they are looked up and checked */
  private readonly decoded = new Int32Array(BLOCK_EVENTS);
  /** the 64-bit columns of the buffer, into which rows are decoded as they are */
  private readonly wide = new Map<ColumnName, Int32Array>(
    WIDE_COLUMNS.map((column) => [column, new Int32Array(this.buffer[fieldOf(column)].buffer)]),
  );
  /** the row of the file that is event 0 */
  private first = 0;
  /** by text id: kind code + 1, or 0 when not looked up yet */
  private kinds = new Uint8Array(256);
  /** by text id * KINDS.length + kind: code + 1 */
  private codes = new Uint32Array(256 * KINDS.length);
  /** by text id: id in names + 1 */
  private sites = new Uint32Array(256);

  /** `path` names the file in errors. */
  constructor(private readonly path: string) {}

  /** Begins a block of `n` events, the first of which is row `first` of the file. */
  clear(n: number, first: number): void {
    this.buffer.length = n;
    this.first = first;
  }

  /** Fills a column with its next rows; "kind" must be filled before "name". Throws an InputError for a value that cannot be. */
  fill(column: ColumnName, rows: ColumnRows): void {
    const n = this.buffer.length;
    const wide = this.wide.get(column);
    if (wide !== undefined) {
      rows.read(n, wide);
      if (columnOf(column).count) this.buffer.counted = true;
      return;
    }
    const from = this.decoded;
    rows.read(n, from);
    this.growTables();
    let bad: number;
    if (column === "kind") bad = this.fillKinds(from, n);
    else if (column === "name") bad = this.fillCodes(from, n);
    else if (column === "site") bad = this.fillSites(from, n);
    else bad = this.fillSmall(column as SmallColumnName, from, n);
    if (bad >= 0) this.refuse(column, from[bad]!, bad, this.first + bad);
  }

  private growTables(): void {
    const count = this.texts.list.length;
    if (count <= this.kinds.length) return;
    const grown = <T extends Uint8Array | Uint32Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.kinds = grown(new Uint8Array(2 * count), this.kinds);
    this.codes = grown(new Uint32Array(2 * count * KINDS.length), this.codes);
    this.sites = grown(new Uint32Array(2 * count), this.sites);
  }

  // Each of these returns the first of the n rows whose value the column cannot have, or -1.

  private fillKinds(from: Int32Array, n: number): number {
    const { kinds, buffer } = this;
    for (let i = 0; i < n; i++) {
      const id = from[i]!;
      let kind = kinds[id]!;
      if (kind === 0) {
        kind = (KINDS as readonly string[]).indexOf(this.texts.list[id]!) + 1;
        if (kind === 0) return i;
        kinds[id] = kind;
      }
      buffer.kind[i] = kind - 1;
    }
    return -1;
  }

  private fillCodes(from: Int32Array, n: number): number {
    const { codes, buffer } = this;
    for (let i = 0; i < n; i++) {
      const key = from[i]! * KINDS.length + buffer.kind[i]!;
      let code = codes[key]!;
      if (code === 0) {
        code = 1 + (codeOf(buffer.kind[i]!, this.texts.list[from[i]!]!, this.names) ?? -1);
        if (code === 0) return i;
        codes[key] = code;
      }
      buffer.code[i] = code - 1;
    }
    return -1;
  }

  private fillSites(from: Int32Array, n: number): number {
    const { sites, buffer } = this;
    for (let i = 0; i < n; i++) {
      const id = from[i]!;
      let site = sites[id]!;
      if (site === 0) sites[id] = site = 1 + this.names.id(this.texts.list[id]!);
      buffer.site[i] = site - 1;
    }
    return -1;
  }

  private fillSmall(column: SmallColumnName, from: Int32Array, n: number): number {
    const { min, max } = COLUMN_TABLE[column];
    const to = this.buffer[column];
    let beyond = 0; // negative when some value was
    for (let i = 0; i < n; i++) beyond |= (from[i]! - min) | (max - from[i]!);
    if (beyond < 0) return from.findIndex((value) => value < min || value > max);
    to.set(from.subarray(0, n));
    return -1;
  }

  private refuse(column: ColumnName, value: number, i: number, row: number): never {
    const text = this.texts.list[value];
    const type = columnOf(column);
    if (type.holds === "small")
      throw InputError.at(this.path, 0, `row ${row}: ${column} is ${value}, expected ${type.min} to ${type.max}`);
    if (column === "kind")
      throw InputError.at(this.path, 0, `row ${row}: unknown kind '${text}', expected ${KINDS.join(", ")}`);
    throw InputError.at(this.path, 0, `row ${row}: ${unknownName(this.buffer.kind[i]!, text ?? "")}`);
  }
}
