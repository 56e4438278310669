/** Reads a trace from a Parquet file, row group by row group and block by block, only the columns and rows that are asked for. */
import { InputError } from "../../input/index.js";
import { BLOCK_EVENTS, EventError, type TraceSink } from "../buffer.js";
import { COLUMNS, type ColumnName, columnOf } from "../columns.js";
import type { ReadPart, TraceInfo } from "../read.js";
import { parseRecording } from "../recording.js";
import { Block } from "./block.js";
import { sha256 } from "./digest.js";
import { type Chunk, type Footer, type Group, readFooter } from "./footer.js";
import { type ByteSource, foreignRows } from "./foreign.js";
import { PRODUCER_KEY, RECORDING_KEY } from "./format.js";
import { PageReader } from "./page.js";
import { type ColumnRows, RowError } from "./rows.js";

/** A trace in a Parquet file, opened: the footer is checked. */
export class ParquetTraceFile {
  private constructor(
    private readonly file: ByteSource,
    /** name of the file in errors */
    private readonly path: string,
    private readonly footer: Footer,
    readonly info: TraceInfo,
  ) {}

  /** Throws an InputError when it is no Parquet file, is cut off, or is not a trace of a version known here. */
  static async open(file: ByteSource, path: string): Promise<ParquetTraceFile> {
    const footer = await readFooter(file, path);
    const json = footer.value(RECORDING_KEY);
    const recording = json === undefined ? undefined : parseRecording(json);
    if (typeof recording === "string") throw InputError.at(path, 0, recording);
    const info: TraceInfo = {
      events: footer.rows,
      integrity: footer.sealed ? "checked" : "unchecked",
      producer: footer.value(PRODUCER_KEY) ?? "",
      recording,
    };
    return new ParquetTraceFile(file, path, footer, info);
  }

  /** Feeds the rows asked for to the sinks, in blocks; returns how many they were. */
  async read(sinks: readonly TraceSink[], part: ReadPart = {}): Promise<number> {
    const from = part.from ?? 0;
    const end = Math.min(this.footer.rows, from + (part.count ?? Number.POSITIVE_INFINITY));
    const wanted = new Set(part.columns ?? COLUMNS);
    if (wanted.has("name")) wanted.add("kind"); // a name's code depends on the kind
    // What an older file does not have stays as an event without it has it.
    const present = this.footer.groups[0]?.chunks;
    const columns = COLUMNS.filter((column) => wanted.has(column) && present?.has(column));
    const all = part.columns === undefined;
    let block: Block | undefined;
    const groups = this.footer.groups.filter(({ start, rows }) => start < end && from < start + rows);
    let done = 0;
    let ahead = groups.length > 0 ? this.fetch(groups[0]!, columns, all) : undefined;
    for (const [g, group] of groups.entries()) {
      part.signal?.throwIfAborted();
      const bytes = await ahead!;
      block ??= new Block(this.path);
      // The next row group is on its way while this one is decoded.
      ahead = g + 1 < groups.length ? this.fetch(groups[g + 1]!, columns, all) : undefined;
      const readers = await this.open(block, group, bytes);
      const first = Math.max(from - group.start, 0);
      const last = Math.min(end - group.start, group.rows);
      this.each(readers, group, (rows) => rows.skip(first));
      for (let at = first; at < last; at += BLOCK_EVENTS) {
        part.signal?.throwIfAborted();
        const n = Math.min(BLOCK_EVENTS, last - at);
        block.clear(n, group.start + at);
        this.fill(block, readers, group);
        this.feed(sinks, block, group.start + at);
        done += n;
        part.progress?.(done, end - from);
      }
      if (last === group.rows) this.each(readers, group, (rows) => rows.finish());
    }
    return done;
  }

  private fill(block: Block, readers: Readers, group: Group): void {
    this.each(readers, group, (rows, column) => block.fill(column, rows));
  }

  private feed(sinks: readonly TraceSink[], block: Block, row: number): void {
    try {
      for (const sink of sinks) sink.events(block.buffer, block.names);
    } catch (error) {
      throw error instanceof EventError
        ? InputError.at(this.path, 0, `row ${row + error.index}: ${error.message}`)
        : error;
    }
  }

  /**
   * The bytes of the chunks that PageReader takes, held against their digest; undefined for the others. Who asks for `all`
   * columns has the derived ones checked as well.
   */
  private fetch(group: Group, columns: readonly ColumnName[], all: boolean): Promise<Fetched[]> {
    const bytes = Promise.all(
      columns.map(async (column): Promise<Fetched> => {
        const chunk = group.chunks.get(column)!;
        if (!chunk.paged && chunk.sha256 === undefined) return { column, chunk, bytes: undefined };
        const bytes = await this.checked(group, chunk);
        return { column, chunk, bytes: chunk.paged ? bytes : undefined };
      }),
    ).then(async (fetched) => {
      if (all) for (const chunk of group.derived) if (chunk.sha256 !== undefined) await this.checked(group, chunk);
      return fetched;
    });
    bytes.catch(() => {}); // it is awaited later, or never when an earlier row group fails
    return bytes;
  }

  /** The bytes of a chunk, held against its digest if there is one. */
  private async checked({ start }: Group, chunk: Chunk): Promise<ArrayBuffer> {
    const bytes = await this.file.slice(chunk.start, chunk.end);
    if (chunk.sha256 !== undefined && sha256(new Uint8Array(bytes)) !== chunk.sha256)
      throw this.unreadable(start, chunk.column, "its bytes do not match their digest");
    return bytes;
  }

  private async open(block: Block, group: Group, fetched: readonly Fetched[]): Promise<Readers> {
    const readers = new Map<ColumnName, ColumnRows>();
    const { start, rows } = group;
    for (const { column, chunk, bytes } of fetched) {
      const { codec, nullable } = chunk;
      try {
        readers.set(
          column,
          bytes !== undefined
            ? new PageReader(column, bytes, codec, nullable, rows, block.texts)
            : await foreignRows(this.file, this.footer.metadata, column, start, rows, block.texts),
        );
      } catch (error) {
        throw this.why(error, group, column, start);
      }
    }
    return readers;
  }

  private each(readers: Readers, group: Group, work: (rows: ColumnRows, column: ColumnName) => void): void {
    for (const [column, rows] of readers)
      try {
        work(rows, column);
      } catch (error) {
        throw this.why(error, group, column, group.start + rows.row);
      }
  }

  /** What a reader of a column threw, with the row (of the file) at which it stood. */
  private why(error: unknown, group: Group, column: ColumnName, row: number): unknown {
    if (error instanceof InputError || isSystemError(error)) return error;
    if (error instanceof RowError) {
      const at = group.start + error.row;
      return InputError.at(this.path, 0, `row ${at}: ${column}: ${error.message}, expected ${expected(column)}`);
    }
    return this.unreadable(row, column, error instanceof Error ? error.message : String(error));
  }

  private unreadable(row: number, column: Chunk["column"], why: string): InputError {
    return InputError.at(this.path, 0, `row ${row}: column '${column}' cannot be read: ${why}`);
  }
}

interface Fetched {
  readonly column: ColumnName;
  readonly chunk: Chunk;
  readonly bytes: ArrayBuffer | undefined;
}

type Readers = ReadonlyMap<ColumnName, ColumnRows>;

const isSystemError = (error: unknown): boolean => error instanceof Error && "syscall" in error;

function expected(column: ColumnName): string {
  const type = columnOf(column);
  return type.holds === "text" ? "a string" : type.holds === "wide" ? "64 bits" : `${type.min} to ${type.max}`;
}
