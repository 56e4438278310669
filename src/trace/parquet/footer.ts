/**
 * The footer of a Parquet trace, read and held against itself and the file: is it a trace, of a version known here, do the
 * counts of the file, of its row groups and of their columns agree, and where do the columns stand.
 */
import { type ColumnMetaData, type CompressionCodec, type FileMetaData, parquetMetadata } from "hyparquet";
import { InputError } from "../../input/index.js";
import { COLUMNS, type ColumnName, columnNamed, columnOf } from "../columns.js";
import { DERIVED_COLUMNS, type DerivedColumn } from "./derived.js";
import { CHUNK_KEY, CREATED_BY, isSealed } from "./digest.js";
import type { ByteSource } from "./foreign.js";
import { TRACE_VERSION, VERSION_KEY } from "./format.js";
import { isPaged } from "./page.js";

/** A column chunk of a row group: bytes [start, end) of the file. */
export interface Chunk {
  readonly column: ColumnName | DerivedColumn;
  readonly start: number;
  readonly end: number;
  readonly codec: CompressionCodec;
  /** PageReader can read it; hyparquet must otherwise */
  readonly paged: boolean;
  /** rows of it could be null */
  readonly nullable: boolean;
  /** SHA-256 of its bytes, in hex; undefined in a file without digests */
  readonly sha256: string | undefined;
}

/** A row group: its first row, its rows, and a chunk for each column of a trace. */
export interface Group {
  readonly start: number;
  readonly rows: number;
  readonly chunks: ReadonlyMap<ColumnName, Chunk>;
  /** what nobody reads, and stands under its digest all the same */
  readonly derived: readonly Chunk[];
}

export interface Footer {
  readonly metadata: FileMetaData;
  readonly rows: number;
  readonly groups: readonly Group[];
  /** the footer has a digest and agrees with it */
  readonly sealed: boolean;
  /** a value of the file's key-value metadata */
  value(key: string): string | undefined;
}

/** Longest footer that is read: one of ours has about 2 kB a row group of 131,072 events. */
const MAX_FOOTER_BYTES = 1 << 24;
/** Most rows and bytes of a row group: the bytes of its columns are read at once. */
const MAX_GROUP_ROWS = 1 << 24;
const MAX_GROUP_BYTES = 1 << 28;

/** Throws an InputError that says what is wrong with the file. */
export async function readFooter(file: ByteSource, path: string): Promise<Footer> {
  const { bytes, start } = await footerBytes(file, path);
  const sealed = isSealed(bytes);
  if (sealed === false) throw damaged(path, "its bytes do not match their digest");
  let metadata: FileMetaData;
  try {
    metadata = parquetMetadata(bytes, { geoparquet: false });
  } catch {
    throw InputError.at(path, 0, "the Parquet footer is damaged");
  }
  const value = (key: string): string | undefined =>
    metadata.key_value_metadata?.find((entry) => entry.key === key)?.value;
  checkVersions(metadata, value(VERSION_KEY), path);
  checkSchema(metadata, path);
  const groups = groupsOf(metadata, start, sealed === true, path);
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  return { metadata, rows, groups, sealed: sealed === true, value };
}

const damaged = (path: string, why: string): InputError =>
  InputError.at(path, 0, `the Parquet footer is damaged: ${why}`);

/** The footer with its length and "PAR1" behind it, and where it begins. */
async function footerBytes(file: ByteSource, path: string): Promise<{ bytes: Uint8Array; start: number }> {
  const size = file.byteLength;
  const text = async (from: number, to: number): Promise<string> =>
    String.fromCharCode(...new Uint8Array(await file.slice(from, to)));
  if (size === 0) throw InputError.at(path, 0, "the file is empty, expected a Parquet trace");
  if ((await text(0, Math.min(4, size))) !== "PAR1") throw InputError.at(path, 0, "not a Parquet file");
  if (size < 12 || (await text(size - 4, size)) !== "PAR1")
    throw InputError.at(path, 0, `cut off after ${size} bytes: a Parquet file ends with its footer`);
  const length = new DataView(await file.slice(size - 8, size - 4)).getUint32(0, true);
  const start = size - 8 - length;
  if (start < 4) throw damaged(path, `it would have ${length} bytes, more than the file`);
  if (length > MAX_FOOTER_BYTES)
    throw InputError.at(path, 0, `a Parquet footer of ${length} bytes, expected at most ${MAX_FOOTER_BYTES}`);
  return { bytes: new Uint8Array(await file.slice(start, size)), start };
}

function checkVersions(metadata: FileMetaData, trace: string | undefined, path: string): void {
  if (metadata.version !== 1 && metadata.version !== 2)
    throw InputError.at(path, 0, `version ${metadata.version} of the Parquet format, expected 1 or 2`);
  if (trace === undefined && metadata.created_by === CREATED_BY)
    throw damaged(path, `'${CREATED_BY}' wrote it, and it does not say in which version of the trace format`);
  if (trace !== undefined && !(/^[1-9][0-9]*$/.test(trace) && Number(trace) <= TRACE_VERSION))
    throw InputError.at(path, 0, `a trace of format version ${trace}, expected at most ${TRACE_VERSION}`);
}

function checkSchema({ schema }: FileMetaData, path: string): void {
  const physical = { text: "BYTE_ARRAY", small: "INT32", wide: "INT64" } as const;
  for (const column of COLUMNS) {
    const [element, ...more] = schema.slice(1).filter(({ name }) => columnNamed(name) === column);
    if (element === undefined) {
      if (columnOf(column).optional) continue;
      throw InputError.at(path, 0, `not a trace: it has no column '${column}'`);
    }
    if (more.length > 0) throw InputError.at(path, 0, `not a trace: it has several columns '${column}'`);
    const type = physical[columnOf(column).holds];
    const text = element.converted_type === "UTF8" || element.logical_type?.type === "STRING";
    if (element.type !== type || (type === "BYTE_ARRAY" && !text) || element.repetition_type === "REPEATED")
      throw InputError.at(
        path,
        0,
        `not a trace: column '${column}' is ${element.type ?? "a group"}, expected ${type === "BYTE_ARRAY" ? "strings" : type}`,
      );
  }
}

/** A count or an offset of the footer; NaN for what is none. */
const whole = (value: unknown): number =>
  typeof value === "bigint" && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.NaN;

/** The row groups, whose columns stand before byte `end`. */
function groupsOf(metadata: FileMetaData, end: number, sealed: boolean, path: string): Group[] {
  const leaves = metadata.schema.slice(1).filter(({ type }) => type !== undefined);
  const present = COLUMNS.filter((column) => leaves.some(({ name }) => columnNamed(name) === column));
  const groups: Group[] = [];
  let start = 0;
  for (const [g, group] of metadata.row_groups.entries()) {
    const rows = whole(group.num_rows);
    const fail = (why: string): never => {
      throw damaged(path, `row group ${g} ${why}`);
    };
    if (Number.isNaN(rows)) fail("does not say how many rows it has");
    if (rows > MAX_GROUP_ROWS)
      throw InputError.at(path, 0, `a row group of ${rows} rows, expected at most ${MAX_GROUP_ROWS}`);
    if (group.columns.length !== leaves.length) fail(`has ${group.columns.length} columns, expected ${leaves.length}`);
    const chunks = new Map<ColumnName, Chunk>();
    const derived: Chunk[] = [];
    for (const [i, { meta_data: of }] of group.columns.entries()) {
      const leaf = leaves[i]!;
      const name = of?.path_in_schema.at(-1);
      if (of === undefined || name !== leaf.name) fail(`has the column '${name}' where '${leaf.name}' should stand`);
      else if (of.path_in_schema.length === 1) {
        const column = columnNamed(name!);
        const unread = DERIVED_COLUMNS.find((known) => known === name);
        if (column === undefined && unread === undefined) continue;
        if (whole(of.num_values) !== rows) fail(`has ${rows} rows, its column '${name}' ${of.num_values}`);
        if (of.type !== leaf.type) fail(`has the column '${name}' as ${of.type}, expected ${leaf.type}`);
        const chunk = chunkOf(of, (column ?? unread)!, leaf.repetition_type !== "REQUIRED", sealed);
        if (!(chunk.start >= 4 && chunk.start <= chunk.end && chunk.end <= end))
          throw InputError.at(path, 0, `row ${start}: column '${name}' cannot be read: it is not in the file`);
        if (column === undefined) derived.push(chunk);
        else chunks.set(column, chunk);
      }
    }
    if (chunks.size !== present.length) fail("does not have all columns of a trace");
    const bytes = [...chunks.values()].reduce((sum, chunk) => sum + chunk.end - chunk.start, 0);
    if (bytes > MAX_GROUP_BYTES)
      throw InputError.at(path, 0, `a row group of ${bytes} bytes, expected at most ${MAX_GROUP_BYTES}`);
    groups.push({ start, rows, chunks, derived });
    start += rows;
  }
  if (whole(metadata.num_rows) !== start)
    throw damaged(path, `the file has ${metadata.num_rows} rows, its row groups together ${start}`);
  checkDisjoint(groups, path);
  return groups;
}

function chunkOf(of: ColumnMetaData, column: Chunk["column"], nullable: boolean, sealed: boolean): Chunk {
  const start = whole(of.dictionary_page_offset || of.data_page_offset);
  const end = start + whole(of.total_compressed_size);
  // A footer that agrees with its digest has one for each chunk; "" agrees with no bytes.
  const digest = of.key_value_metadata?.find(({ key }) => key === CHUNK_KEY)?.value ?? "";
  const common = { column, start, end, codec: of.codec, paged: isPaged(of), nullable };
  return { ...common, sha256: sealed ? digest : undefined };
}

/** No two columns are the same bytes: one of them would be another's. */
function checkDisjoint(groups: readonly Group[], path: string): void {
  const all = groups
    .flatMap(({ chunks, derived }) => [...chunks.values(), ...derived])
    .sort((a, b) => a.start - b.start);
  for (const [i, chunk] of all.entries())
    if (i > 0 && chunk.start < all[i - 1]!.end)
      throw damaged(path, `the columns '${all[i - 1]!.column}' and '${chunk.column}' stand in the same place`);
}
