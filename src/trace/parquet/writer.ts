/** Writes a trace as a Parquet file, row group by row group, in memory that does not grow with the file. */
import type { RowGroup } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import type { EventBuffer, TraceSink } from "../buffer.js";
import { COLUMNS, type ColumnName, columnOf, fieldOf, type TextColumn } from "../columns.js";
import { KINDS, Kind, type Names, nameOf } from "../event.js";
import { recordingJson, type TraceRecording } from "../recording.js";
import { CountColumn, SmallColumn, WideColumn } from "./columns.js";
import { DERIVED_COLUMNS, type DerivedColumn, PHASE_DOMAIN, PhaseRows } from "./derived.js";
import { CREATED_BY, FOOTER_KEY, NO_DIGEST, seal } from "./digest.js";
import { GROUP_ROWS, PRODUCER_KEY, RECORDING_KEY, SCHEMA, TRACE_VERSION, VERSION_KEY } from "./format.js";
import { isNullable, Presence } from "./nulls.js";

/** "PAR1": the first and the last four bytes of a Parquet file. */
const MAGIC = Uint8Array.of(0x50, 0x41, 0x52, 0x31);

/** The names in a trace: at most 65,536 marks and sites, and fewer than that of the architecture's own. */
const NAME_DOMAIN = 0x2_0000;

/** The way of a column into the file; `text` is what the values of a text column stand for. */
function columnWriter(name: ColumnName, text: ((value: number) => string) | undefined): SmallColumn | WideColumn {
  const { holds, array } = columnOf(name);
  const nullable = isNullable(name);
  if (holds === "wide") return new WideColumn(name, nullable);
  if (name === "name") return new SmallColumn(name, nullable, NAME_DOMAIN, 0, text);
  const values = 2 ** (8 * array.BYTES_PER_ELEMENT);
  return new SmallColumn(name, nullable, values, array === Int8Array ? -values / 2 : 0, text);
}

/**
 * The file's bytes go to `out` in order, while events come and at {@link ParquetTrace.finish}; each piece is valid only
 * during the call. Events of at least {@link GROUP_ROWS} make a row group.
 */
export class ParquetTrace implements TraceSink {
  private offset = 0;
  private rows = 0;
  private total = 0;
  private names: Names | undefined;
  private readonly groups: RowGroup[] = [];

  /** texts of the name column; a value of the column is an index here */
  private readonly texts: string[] = [];
  private readonly textIds = new Map<string, number>();
  /** by kind and code: index in texts + 1; 0 is unknown yet */
  private readonly textOf = KINDS.map(() => new Uint32Array(0x1_0000));
  private nameValues = new Uint32Array(0);

  /** what the values of a text column stand for */
  private readonly textOfValue: Readonly<Record<TextColumn, (value: number) => string>> = {
    kind: (kind) => KINDS[kind]!,
    name: (id) => this.texts[id]!,
    site: (id) => this.names!.list[id]!,
  };
  private readonly columns = COLUMNS.map((name) => ({
    name,
    field: fieldOf(name),
    to: columnWriter(name, (this.textOfValue as Partial<Record<ColumnName, (value: number) => string>>)[name]),
  }));

  private readonly presence = new Presence();
  private readonly phases = new PhaseRows();
  private readonly derived = {
    event: new CountColumn("event"),
    phase: new SmallColumn("phase", true, PHASE_DOMAIN, 0, (mark) => this.phases.text(mark)),
  } satisfies Record<DerivedColumn, unknown>;

  /** what the trace says about its run, set before {@link ParquetTrace.finish} */
  recording: TraceRecording | undefined;

  /** `producer` says what made the trace, for people: a command line. */
  constructor(
    private readonly out: (bytes: Uint8Array) => void,
    private readonly producer: string,
  ) {}

  private put(bytes: Uint8Array): void {
    this.out(bytes);
    this.offset += bytes.length;
  }

  events(buffer: EventBuffer, names: Names): void {
    const n = buffer.length;
    if (n === 0) return;
    this.names = names;
    this.phases.fill(buffer, names);
    this.derived.event.add(this.phases.values, n); // no value of its own: rows are counted
    this.derived.phase.add(this.phases.values, n, this.phases.levels);
    for (const { name, field, to } of this.columns)
      to.add(
        field === "code" ? this.nameColumn(buffer, names) : buffer[field],
        n,
        this.presence.of(name, buffer, names),
      );
    this.rows += n;
    if (this.rows >= GROUP_ROWS) this.group();
  }

  private nameColumn(buffer: EventBuffer, names: Names): Uint32Array {
    const n = buffer.length;
    if (this.nameValues.length < n) this.nameValues = new Uint32Array(n);
    const values = this.nameValues;
    for (let i = 0; i < n; i++) {
      // The end of a mark has the name of its begin.
      const kind = buffer.kind[i] === Kind.end ? Kind.begin : buffer.kind[i]!;
      const id = this.textOf[kind]![buffer.code[i]!]!;
      values[i] = id > 0 ? id - 1 : this.textId(kind, buffer.code[i]!, names);
    }
    return values;
  }

  private textId(kind: number, code: number, names: Names): number {
    const text = nameOf(kind, code, names);
    let id = this.textIds.get(text);
    if (id === undefined) {
      id = this.texts.length;
      this.texts.push(text);
      this.textIds.set(text, id);
    }
    this.textOf[kind]![code] = id + 1;
    return id;
  }

  private begin(): void {
    if (this.offset === 0) this.put(MAGIC);
  }

  private group(): void {
    this.begin();
    const start = this.offset;
    const derived = DERIVED_COLUMNS.map((name) => this.derived[name]);
    const columns = [...derived, ...this.columns.map(({ to }) => to)].map((to) => {
      const at = this.offset;
      return { file_offset: BigInt(at), meta_data: to.finish(at, (bytes) => this.put(bytes)) };
    });
    const size = BigInt(this.offset - start);
    this.groups.push({ columns, total_byte_size: size, num_rows: BigInt(this.rows), total_compressed_size: size });
    this.total += this.rows;
    this.rows = 0;
  }

  /** The rest of the events, and the footer. Nothing may come after it. */
  finish(): void {
    this.begin();
    if (this.rows > 0) this.group();
    // The library's writer makes the footer: its own "PAR1", which stands in the file already, then metadata and "PAR1".
    const writer = new ByteWriter();
    const footer = new ParquetWriter({
      writer,
      schema: [...SCHEMA],
      createdBy: CREATED_BY,
      kvMetadata: [
        { key: VERSION_KEY, value: String(TRACE_VERSION) },
        { key: PRODUCER_KEY, value: this.producer },
        ...(this.recording ? [{ key: RECORDING_KEY, value: recordingJson(this.recording) }] : []),
        // The last one: see digest.ts.
        { key: FOOTER_KEY, value: NO_DIGEST },
      ],
    });
    footer.row_groups = this.groups;
    footer.num_rows = BigInt(this.total);
    footer.finish();
    const bytes = writer.getBytes().subarray(MAGIC.length);
    seal(bytes);
    this.put(bytes);
  }
}
