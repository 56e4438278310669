/** The block of events that is filled from the columns of a Parquet trace, column by column. */
import { InputError } from "../../input/index.js";
import { BLOCK_EVENTS, EventBuffer } from "../buffer.js";
import { COLUMN_TABLE, type ColumnName, columnOf, fieldOf, type SmallColumnName, WIDE_COLUMNS } from "../columns.js";
import { codeOf, KINDS, Names } from "../event.js";
import { unknownName } from "../read.js";
import { type ColumnRows, type Small, Texts } from "./rows.js";

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
  /** columns of which all events of the buffer have the same value, also those that are not in use */
  private readonly held = new Map<ColumnName, number>();
  /** by column: its dictionary as it was last met, and what its entries are in the buffer; absent where not each may stand there */
  private readonly tables = new Map<ColumnName, { readonly of: Int32Array; readonly table: Int32Array | undefined }>();
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
    const same = rows.same?.(n);
    if (wide !== undefined) {
      if (same !== undefined) this.hold(column, wide, same);
      else {
        this.held.delete(column);
        rows.read(n, wide);
      }
      if (columnOf(column).count) this.buffer.counted = true;
      return;
    }
    if (same === undefined && column !== "name" && this.gathered(column, rows)) return;
    const from = this.decoded;
    if (same === undefined) rows.read(n, from);
    else from.fill(same, 0, n);
    this.growTables();
    if (same !== undefined && column !== "name") {
      this.held.delete(column); // until it is known that the value can stand there
      this.check(column, from, 1);
      this.hold(column, this.buffer[fieldOf(column)], this.buffer[fieldOf(column)][0]!);
      return;
    }
    this.held.delete(column);
    this.check(column, from, n);
  }

  /** All events get the same value, unless they have it. */
  private hold(column: ColumnName, array: { fill(value: number): unknown }, value: number): void {
    if (this.held.get(column) === value) return;
    array.fill(value);
    this.held.set(column, value);
  }

  /** The next rows into the buffer at once, where they stand as indexes of values that can all stand there. */
  private gathered(column: ColumnName, rows: ColumnRows): boolean {
    const n = this.buffer.length;
    const dictionary = rows.coded?.(n);
    if (dictionary === undefined) return false;
    this.growTables();
    let known = this.tables.get(column);
    if (known?.of !== dictionary) {
      known = { of: dictionary, table: this.tableOf(column, dictionary) };
      this.tables.set(column, known);
    }
    if (known.table === undefined) return false;
    this.held.delete(column);
    rows.gather!(n, known.table, this.buffer[fieldOf(column)] as Small);
    return true;
  }

  /** What the entries of a dictionary are in the buffer; undefined where one of them can be nothing there. */
  private tableOf(column: ColumnName, dictionary: Int32Array): Int32Array | undefined {
    if (column === "site") return dictionary.map((id) => this.siteOf(id));
    if (column === "kind") {
      const kinds = dictionary.subarray(0, -1).map((id) => this.kindOf(id));
      return kinds.includes(-1) ? undefined : Int32Array.of(...kinds, 0);
    }
    const { min, max } = COLUMN_TABLE[column as SmallColumnName];
    return dictionary.every((value) => value >= min && value <= max) ? dictionary : undefined;
  }

  /** Rows that are read into {@link decoded}, into the buffer. Throws an InputError for a value that cannot be. */
  private check(column: ColumnName, from: Int32Array, n: number): void {
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
    const { buffer } = this;
    for (let i = 0; i < n; i++) {
      const kind = this.kindOf(from[i]!);
      if (kind < 0) return i;
      buffer.kind[i] = kind;
    }
    return -1;
  }

  /** The kind that a text names; -1 where it names none. */
  private kindOf(id: number): number {
    const { kinds } = this;
    if (kinds[id] === 0) kinds[id] = (KINDS as readonly string[]).indexOf(this.texts.list[id]!) + 1;
    return kinds[id]! - 1;
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
    const { buffer } = this;
    for (let i = 0; i < n; i++) buffer.site[i] = this.siteOf(from[i]!);
    return -1;
  }

  /** The id that the buffer's names have for a text. */
  private siteOf(id: number): number {
    const { sites } = this;
    if (sites[id] === 0) sites[id] = 1 + this.names.id(this.texts.list[id]!);
    return sites[id]! - 1;
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
