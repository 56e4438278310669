/** Reads a trace from a Parquet file, row group by row group, only the columns and rows that are asked for. */
import { type CompressionCodec, type FileMetaData, parquetMetadataAsync } from "hyparquet";
import { InputError } from "../input/index.js";
import { BLOCK_EVENTS, EventBuffer, type TraceSink } from "./buffer.js";
import { codeOf, KINDS, Names } from "./event.js";
import {
  COLUMN_TYPES,
  COLUMNS,
  type ColumnName,
  PRODUCER_KEY,
  RECORDING_KEY,
  TRACE_VERSION,
  VERSION_KEY,
} from "./parquet.js";
import {
  type ByteSource,
  chunkRange,
  decodeChunk,
  isFast,
  RowError,
  readColumn,
  Texts,
  wordsOf,
} from "./parquet-chunk.js";
import { type ReadPart, type TraceInfo, unknownName } from "./read.js";
import { parseRecording } from "./recording.js";

/** The most rows that a row group may have (other tools choose their own): it must fit into memory. */
const MAX_GROUP_ROWS = 1 << 22;

/** A trace in a Parquet file, opened: footer and schema are checked. */
export class ParquetTraceFile {
  private constructor(
    private readonly file: ByteSource,
    /** name of the file in errors */
    private readonly path: string,
    private readonly metadata: FileMetaData,
    readonly info: TraceInfo,
  ) {}

  /** Throws an InputError when it is no Parquet file, is cut off, or is not a trace of a version known here. */
  static async open(file: ByteSource, path: string): Promise<ParquetTraceFile> {
    const metadata = await readFooter(file, path);
    checkSchema(metadata, path);
    const value = (key: string): string | undefined =>
      metadata.key_value_metadata?.find((entry) => entry.key === key)?.value;
    const version = value(VERSION_KEY);
    if (version !== undefined && !(/^[0-9]+$/.test(version) && Number(version) <= TRACE_VERSION))
      throw InputError.at(path, 0, `a trace of format version ${version}, expected at most ${TRACE_VERSION}`);
    const json = value(RECORDING_KEY);
    const recording = json === undefined ? undefined : parseRecording(json);
    if (typeof recording === "string") throw InputError.at(path, 0, recording);
    const info = { events: Number(metadata.num_rows), producer: value(PRODUCER_KEY) ?? "", recording };
    return new ParquetTraceFile(file, path, metadata, info);
  }

  /** Feeds the rows asked for to the sinks, in blocks; returns how many they were. */
  async read(sinks: readonly TraceSink[], part: ReadPart = {}): Promise<number> {
    const from = part.from ?? 0;
    const end = Math.min(this.info.events ?? 0, from + (part.count ?? Number.POSITIVE_INFINITY));
    const wanted = new Set(part.columns ?? COLUMNS);
    if (wanted.has("name")) wanted.add("kind"); // a name's code depends on the kind
    const columns = COLUMNS.filter((column) => wanted.has(column));
    const block = new Block(this.path, columns);
    const groups = this.groups(from, end, columns);
    let done = 0;
    let ahead = groups.length > 0 ? this.fetch(groups[0]!) : undefined;
    for (const [g, group] of groups.entries()) {
      part.signal?.throwIfAborted();
      const bytes = await ahead!;
      // The next row group is on its way while this one is decoded.
      ahead = g + 1 < groups.length ? this.fetch(groups[g + 1]!) : undefined;
      await this.decode(block, group, bytes);
      const last = Math.min(end - group.start, group.rows);
      for (let at = Math.max(from - group.start, 0); at < last; at += BLOCK_EVENTS) {
        part.signal?.throwIfAborted();
        const n = Math.min(BLOCK_EVENTS, last - at);
        try {
          block.fill(at, n, group.start);
        } catch (error) {
          // too many different names for one trace
          throw error instanceof RangeError ? InputError.at(this.path, 0, error.message) : error;
        }
        for (const sink of sinks) sink.events(block.buffer, block.names);
        done += n;
        part.progress?.(done, end - from);
      }
    }
    return done;
  }

  /** The row groups with rows in [from, end), and where those columns of theirs stand. */
  private groups(from: number, end: number, columns: readonly ColumnName[]): Group[] {
    const groups: Group[] = [];
    let start = 0;
    for (const group of this.metadata.row_groups) {
      const rows = Number(group.num_rows);
      if (start < end && from < start + rows) {
        if (rows > MAX_GROUP_ROWS)
          throw InputError.at(this.path, 0, `a row group of ${rows} rows, expected at most ${MAX_GROUP_ROWS}`);
        const chunks = columns.map((column) => {
          const metadata = group.columns.find((c) => c.meta_data?.path_in_schema[0] === column)?.meta_data;
          const range = metadata && chunkRange(metadata);
          if (!range || !(range.start >= 4 && range.start <= range.end && range.end <= this.file.byteLength))
            throw this.unreadable(start, column, "it is not in the file");
          const element = this.metadata.schema.find((e) => e.name === column && e.type !== undefined);
          const fast = isFast(metadata, element?.repetition_type === "REQUIRED");
          return { column, ...range, codec: metadata.codec, fast };
        });
        groups.push({ start, rows, chunks });
      }
      start += rows;
    }
    return groups;
  }

  private unreadable(row: number, column: ColumnName, why: string): InputError {
    return InputError.at(this.path, 0, `row ${row}: column '${column}' cannot be read: ${why}`);
  }

  /** The bytes of the chunks that decodeChunk takes; undefined for the others. */
  private fetch(group: Group): Promise<(ArrayBuffer | undefined)[]> {
    const bytes = Promise.all(group.chunks.map((c) => (c.fast ? this.file.slice(c.start, c.end) : undefined)));
    bytes.catch(() => {}); // it is awaited later, or never when an earlier row group fails
    return bytes;
  }

  /** Decodes the columns of a row group into the block's arrays. */
  private async decode(block: Block, group: Group, bytes: readonly (ArrayBuffer | undefined)[]): Promise<void> {
    const { start, rows } = group;
    for (const [i, { column, codec }] of group.chunks.entries()) {
      const out = block.room(column, rows);
      const chunk = bytes[i];
      try {
        if (chunk !== undefined) decodeChunk(column, chunk, codec, rows, block.texts, out);
        else await readColumn(this.file, this.metadata, column, start, rows, block.texts, out);
      } catch (error) {
        if (isSystemError(error)) throw error;
        if (error instanceof RowError)
          throw InputError.at(
            this.path,
            0,
            `row ${start + error.row}: ${column}: ${error.message}, expected ${expected(column)}`,
          );
        throw this.unreadable(start, column, error instanceof Error ? error.message : String(error));
      }
    }
  }
}

/** A row group: its first row, its rows, and the column chunks to read, in the order of columns. */
interface Group {
  readonly start: number;
  readonly rows: number;
  readonly chunks: readonly {
    column: ColumnName;
    start: number;
    end: number;
    codec: CompressionCodec;
    fast: boolean;
  }[];
}

const isSystemError = (error: unknown): boolean => error instanceof Error && "syscall" in error;

function expected(column: ColumnName): string {
  const type = COLUMN_TYPES[column];
  return type.holds === "text" ? "a string" : type.holds === "wide" ? "64 bits" : `${type.min} to ${type.max}`;
}

async function readFooter(file: ByteSource, path: string): Promise<FileMetaData> {
  if (file.byteLength === 0) throw InputError.at(path, 0, "the file is empty, expected a Parquet trace");
  const head = new Uint8Array(await file.slice(0, Math.min(4, file.byteLength)));
  if (String.fromCharCode(...head) !== "PAR1") throw InputError.at(path, 0, "not a Parquet file");
  const tail = new Uint8Array(await file.slice(Math.max(0, file.byteLength - 4), file.byteLength));
  if (file.byteLength < 12 || String.fromCharCode(...tail) !== "PAR1")
    throw InputError.at(path, 0, `cut off after ${file.byteLength} bytes: a Parquet file ends with its footer`);
  try {
    return await parquetMetadataAsync(file, { geoparquet: false });
  } catch (error) {
    if (isSystemError(error)) throw error;
    throw InputError.at(path, 0, "the Parquet footer is damaged");
  }
}

function checkSchema(metadata: FileMetaData, path: string): void {
  const leaves = new Map(metadata.schema.slice(1).map((element) => [element.name, element]));
  const physical = { text: "BYTE_ARRAY", small: "INT32", wide: "INT64" } as const;
  for (const column of COLUMNS) {
    const element = leaves.get(column);
    if (element === undefined) throw InputError.at(path, 0, `not a trace: it has no column '${column}'`);
    const type = physical[COLUMN_TYPES[column].holds];
    const text = element.converted_type === "UTF8" || element.logical_type?.type === "STRING";
    if (element.type !== type || (type === "BYTE_ARRAY" && !text) || element.repetition_type === "REPEATED")
      throw InputError.at(
        path,
        0,
        `not a trace: column '${column}' is ${element.type ?? "a group"}, expected ${type === "BYTE_ARRAY" ? "strings" : type}`,
      );
  }
}

/** A row group's decoded columns, and the block of events that is filled from them. */
class Block {
  readonly buffer = new EventBuffer(BLOCK_EVENTS);
  readonly names = new Names();
  readonly texts = new Texts();
  private readonly decoded = new Map<ColumnName, Int32Array>();
  /** by text id: kind code + 1, or 0 when not looked up yet */
  private kinds = new Uint8Array(256);
  /** by text id * KINDS.length + kind: code + 1 */
  private codes = new Uint32Array(256 * KINDS.length);
  /** by text id: id in names + 1 */
  private sites = new Uint32Array(256);

  constructor(
    private readonly path: string,
    private readonly columns: readonly ColumnName[],
  ) {
    // What an event has where a column is not read.
    this.buffer.level.fill(-1);
  }

  /** The array into which `rows` rows of a column are decoded. */
  room(column: ColumnName, rows: number): Int32Array {
    let array = this.decoded.get(column);
    if (array === undefined || array.length < rows * wordsOf(column)) {
      array = new Int32Array(rows * wordsOf(column));
      this.decoded.set(column, array);
    }
    return array;
  }

  /** Fills the buffer with `n` rows from row `at` of the row group, whose first row is `groupStart` of the file. */
  fill(at: number, n: number, groupStart: number): void {
    this.buffer.length = n;
    this.growTables();
    for (const column of this.columns) {
      const from = this.decoded.get(column)!;
      let bad: number;
      if (column === "address" || column === "from" || column === "to") {
        this.buffer[column].set(from.subarray(2 * at, 2 * (at + n)));
        continue;
      }
      if (column === "kind") bad = this.fillKinds(from, at, n);
      else if (column === "name") bad = this.fillCodes(from, at, n);
      else if (column === "site") bad = this.fillSites(from, at, n);
      else bad = this.fillSmall(column, from, at, n);
      if (bad >= 0) this.refuse(column, from[at + bad]!, bad, groupStart + at + bad);
    }
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

  private fillKinds(from: Int32Array, at: number, n: number): number {
    const { kinds, buffer } = this;
    for (let i = 0; i < n; i++) {
      const id = from[at + i]!;
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

  private fillCodes(from: Int32Array, at: number, n: number): number {
    const { codes, buffer } = this;
    for (let i = 0; i < n; i++) {
      const key = from[at + i]! * KINDS.length + buffer.kind[i]!;
      let code = codes[key]!;
      if (code === 0) {
        code = 1 + (codeOf(buffer.kind[i]!, this.texts.list[from[at + i]!]!, this.names) ?? -1);
        if (code === 0) return i;
        codes[key] = code;
      }
      buffer.code[i] = code - 1;
    }
    return -1;
  }

  private fillSites(from: Int32Array, at: number, n: number): number {
    const { sites, buffer } = this;
    for (let i = 0; i < n; i++) {
      const id = from[at + i]!;
      let site = sites[id]!;
      if (site === 0) sites[id] = site = 1 + this.names.id(this.texts.list[id]!);
      buffer.site[i] = site - 1;
    }
    return -1;
  }

  private fillSmall(
    column: "pcpu" | "domain" | "vmid" | "stage" | "level" | "slot",
    from: Int32Array,
    at: number,
    n: number,
  ): number {
    const type = COLUMN_TYPES[column];
    if (type.holds !== "small") return -1;
    const { min, max } = type;
    const to = this.buffer[column];
    for (let i = 0; i < n; i++) {
      const value = from[at + i]!;
      if (value < min || value > max) return i;
      to[i] = value;
    }
    return -1;
  }

  private refuse(column: ColumnName, value: number, i: number, row: number): never {
    const text = this.texts.list[value];
    const type = COLUMN_TYPES[column];
    if (type.holds === "small")
      throw InputError.at(this.path, 0, `row ${row}: ${column} is ${value}, expected ${type.min} to ${type.max}`);
    if (column === "kind")
      throw InputError.at(this.path, 0, `row ${row}: unknown kind '${text}', expected ${KINDS.join(", ")}`);
    throw InputError.at(this.path, 0, `row ${row}: ${unknownName(this.buffer.kind[i]!, text ?? "")}`);
  }
}
