/**
 * A trace as NDJSON, for eyes and pipes: a header line, then one JSON object an event with the columns' names, then an end
 * line with the number of events, without which a stream may have been cut off. Small numbers are numbers, 64-bit values are
 * hex strings; what an event without the column has (columns.ts: 0, NO_DOMAIN, NO_LEVEL) is left out.
 *
 * {"shootdown":"trace","version":1,"producer":"..."}
 * {"kind":"write","name":"PTE","domain":0,"vmid":1,"stage":2,"level":3,"slot":5,"site":"p2m_set_entry","address":"0x90000028","to":"0x4000000407ff"}
 * {"end":true,"events":1}
 * {"shootdown":"recording","recording":{...}}   (where there is one: see recording.ts)
 */
import { hex } from "../arch/index.js";
import { InputError } from "../input/index.js";
import { BLOCK_EVENTS, EventBuffer, EventError, type TraceSink } from "./buffer.js";
import {
  COLUMN_TABLE,
  COLUMNS,
  type ColumnArrays,
  isColumn,
  SMALL_COLUMNS,
  type SmallColumnName,
  type TextColumn,
  WIDE_COLUMNS,
  type WideColumnName,
} from "./columns.js";
import { codeOf, KINDS, Names, nameOf } from "./event.js";
import { TRACE_VERSION } from "./parquet.js";
import { type Integrity, type ReadPart, type TraceInfo, unknownName } from "./read.js";
import { readRecording, recordingJson, type TraceRecording } from "./recording.js";

/** Longest line that a reader takes, in characters. */
const MAX_LINE = 65_536;
/** Text is handed on in pieces of about this many characters. */
const PIECE = 65_536;

const endLine = (events: number): string => JSON.stringify({ end: true, events });
/** How an end line begins, for lines that are not parsed. */
const END = /^\s*\{\s*"end"/;

const keyOf = (column: string): string => `,"${column}":`;
/** What a small column has when it is left out, and how those of a line begin. */
const ABSENT = SMALL_COLUMNS.map((column) => COLUMN_TABLE[column].absent);
const SMALL_KEYS = SMALL_COLUMNS.map(keyOf);
const WIDE_KEYS = WIDE_COLUMNS.map(keyOf);

/** Writes events as lines to `out`. The header goes out with the first piece. */
export class NdjsonTrace implements TraceSink {
  private text: string;
  private written = 0;
  /** JSON of a name by kind and code, and of a site by id with its key, each made once */
  private readonly names = KINDS.map((): string[] => []);
  private readonly sites: string[] = [];
  /** arrays of the block at hand: of the small columns, and of the wide ones */
  private small: readonly ColumnArrays[SmallColumnName][] = [];
  private wide: readonly Uint32Array[] = [];
  /** what the trace says about its run, set before {@link NdjsonTrace.finish} */
  recording: TraceRecording | undefined;

  constructor(
    private readonly out: (text: string) => void,
    producer: string,
  ) {
    this.text = `${JSON.stringify({ shootdown: "trace", version: TRACE_VERSION, ...(producer ? { producer } : {}) })}\n`;
  }

  events(b: EventBuffer, names: Names): void {
    this.small = SMALL_COLUMNS.map((column) => b[column]);
    this.wide = WIDE_COLUMNS.map((column) => b[column]);
    for (let i = 0; i < b.length; i++) {
      this.text += this.line(b, i, names);
      if (this.text.length >= PIECE) this.flush();
    }
    this.written += b.length;
  }

  private line(b: EventBuffer, i: number, names: Names): string {
    const kind = b.kind[i]!;
    const code = b.code[i]!;
    const known = this.names[kind]!;
    known[code] ??= `{"kind":"${KINDS[kind]!}","name":${JSON.stringify(nameOf(kind, code, names))}`;
    let line = known[code];
    const { small, wide } = this;
    for (let c = 0; c < small.length; c++) {
      const value = small[c]![i]!;
      if (value !== ABSENT[c]) line += `${SMALL_KEYS[c]!}${value}`;
    }
    const site = b.site[i]!;
    if (site !== 0) {
      this.sites[site] ??= `,"site":${JSON.stringify(names.list[site]!)}`;
      line += this.sites[site];
    }
    for (let c = 0; c < wide.length; c++) line += wideText(WIDE_KEYS[c]!, wide[c]!, i);
    return `${line}}\n`;
  }

  private flush(): void {
    const text = this.text;
    this.text = "";
    if (text !== "") this.out(text);
  }

  /** The end line, and what is left. */
  finish(): void {
    if (this.recording) this.text += `{"shootdown":"recording","recording":${recordingJson(this.recording)}}\n`;
    this.text += `${endLine(this.written)}\n`;
    this.flush();
  }
}

function wideText(key: string, words: Uint32Array, i: number): string {
  const lo = words[2 * i]!;
  const hi = words[2 * i + 1]!;
  return lo === 0 && hi === 0 ? "" : `${key}"${hex(lo, hi)}"`;
}

/**
 * Feeds the events of an NDJSON trace to the sinks, in blocks; `path` names it in errors. Rows before `part.from` are
 * skipped unread. Stops reading the source when `part.count` events have been read. Throws an InputError for a source that
 * ends without its end line, unless the part may be partial.
 */
export async function readNdjson(
  source: AsyncIterable<Uint8Array>,
  path: string,
  sinks: readonly TraceSink[],
  part: ReadPart = {},
): Promise<{ info: TraceInfo; read: number }> {
  const reader = new LineReader(path, sinks, part);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  const feed = (text: string): void => {
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      reader.line(text.slice(start, end), false);
      start = end + 1;
      if (reader.done) break;
    }
    rest = text.slice(start);
    if (!reader.done && rest.length > MAX_LINE) reader.tooLong();
  };
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch {
      throw reader.error("not UTF-8 text");
    }
  };
  for await (const bytes of source) {
    part.signal?.throwIfAborted();
    feed(rest + decode(bytes));
    if (reader.done) break;
  }
  if (!reader.done) {
    // A character that is cut in two stands in a line that is.
    if (!part.partial) rest += decode();
    if (rest !== "") reader.line(rest, true);
  }
  return reader.finish();
}

/** Takes the lines one after the other and fills blocks. */
class LineReader {
  private number = 0;
  private row = 0;
  private read = 0;
  /** the end line has been read */
  private ended = false;
  private producer: string | undefined;
  private recording: TraceRecording | undefined;
  private readonly names = new Names();
  private readonly buffer = new EventBuffer(BLOCK_EVENTS);
  private readonly from: number;
  private readonly count: number;

  constructor(
    private readonly path: string,
    private readonly sinks: readonly TraceSink[],
    private readonly part: ReadPart,
  ) {
    this.from = part.from ?? 0;
    this.count = part.count ?? Number.POSITIVE_INFINITY;
  }

  /** True when all rows that were asked for have been read. */
  get done(): boolean {
    return this.producer !== undefined && this.read + this.buffer.length >= this.count;
  }

  error(message: string): InputError {
    return InputError.at(this.path, this.number, message);
  }

  tooLong(): never {
    this.number++;
    throw this.error(`a line of more than ${MAX_LINE} characters`);
  }

  /** One line without its newline; `last` when the text ended without one. */
  line(text: string, last: boolean): void {
    if (text.length > MAX_LINE) this.tooLong();
    this.number++;
    if (this.ended) throw this.error("a line behind the end line");
    if (this.producer !== undefined && this.row < this.from && !END.test(text)) {
      this.row++;
      return;
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      if (!last) throw this.error("not valid JSON, expected one object a line");
      if (this.part.partial && this.producer !== undefined) return;
      throw this.error("the last line is cut off");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.error("expected a JSON object");
    const fields = value as Record<string, unknown>;
    if (this.producer === undefined) this.producer = this.header(fields);
    else if (Object.hasOwn(fields, "end")) this.end(fields);
    else if ("shootdown" in value && value.shootdown === "recording") this.record(value as Record<string, unknown>);
    else {
      this.event(fields);
      this.row++;
      if (this.buffer.length === BLOCK_EVENTS) this.flush();
    }
  }

  private header(value: Record<string, unknown>): string {
    if (value.shootdown !== "trace")
      throw this.error(`not a trace: expected the header {"shootdown":"trace","version":${TRACE_VERSION}}`);
    const { version, producer } = value;
    if (!(typeof version === "number" && Number.isInteger(version) && version > 0 && version <= TRACE_VERSION))
      throw this.error(`a trace of format version ${JSON.stringify(version)}, expected at most ${TRACE_VERSION}`);
    if (producer !== undefined && typeof producer !== "string") throw this.error("producer: expected a string");
    return producer ?? "";
  }

  private end({ end, events, ...more }: Record<string, unknown>): void {
    if (end !== true || typeof events !== "number" || Object.keys(more).length > 0)
      throw this.error(`expected the end line ${endLine(this.row)}`);
    if (events !== this.row) throw this.error(`the end line says ${events} events, there are ${this.row}`);
    this.ended = true;
  }

  private record(value: Record<string, unknown>): void {
    const recording = readRecording(value.recording);
    if (typeof recording === "string") throw this.error(recording);
    this.recording = recording;
  }

  private event(value: Record<string, unknown>): void {
    const b = this.buffer;
    for (const key in value)
      if (!isColumn(key)) throw this.error(`unknown key '${key}', expected ${COLUMNS.join(", ")}`);
    const { kind: kindName, name } = value;
    const kind = (KINDS as readonly unknown[]).indexOf(kindName);
    if (kind < 0) throw this.error(`kind: unknown kind ${JSON.stringify(kindName)}, expected ${KINDS.join(", ")}`);
    if (typeof name !== "string") throw this.error("name: expected a string");
    const i = b.length;
    try {
      const code = codeOf(kind, name, this.names);
      if (code === undefined) throw this.error(`name: ${unknownName(kind, name)}`);
      b.code[i] = code;
      b.site[i] = this.names.id(this.text(value, "site"));
    } catch (error) {
      throw error instanceof RangeError ? this.error(error.message) : error;
    }
    b.kind[i] = kind;
    for (const column of SMALL_COLUMNS) b[column][i] = this.small(value, column);
    for (const column of WIDE_COLUMNS) this.wide(value, column, b[column]);
    b.length++;
  }

  private text(value: Record<string, unknown>, key: TextColumn): string {
    const text = value[key] ?? "";
    if (typeof text !== "string") throw this.error(`${key}: expected a string`);
    return text;
  }

  private small(value: Record<string, unknown>, key: SmallColumnName): number {
    const { absent, min, max } = COLUMN_TABLE[key];
    if (!Object.hasOwn(value, key)) return absent;
    const number = value[key];
    if (typeof number === "number" && Number.isInteger(number) && number >= min && number <= max) return number;
    throw this.error(`${key}: ${JSON.stringify(number)}, expected a whole number from ${min} to ${max}`);
  }

  private wide(value: Record<string, unknown>, key: WideColumnName, out: Uint32Array): void {
    const j = 2 * this.buffer.length;
    out[j] = 0;
    out[j + 1] = 0;
    if (!Object.hasOwn(value, key)) return;
    const text = value[key];
    if (typeof text !== "string" || !/^0x[0-9a-f]{1,16}$/i.test(text))
      throw this.error(`${key}: ${JSON.stringify(text)}, expected 64 bits as a hex string, such as "0x40000000"`);
    const digits = text.slice(2);
    out[j] = Number.parseInt(digits.slice(-8), 16);
    if (digits.length > 8) out[j + 1] = Number.parseInt(digits.slice(0, -8), 16);
  }

  private flush(): void {
    const b = this.buffer;
    if (b.length === 0) return;
    try {
      for (const sink of this.sinks) sink.events(b, this.names);
    } catch (error) {
      // The header is line 1, row 0 line 2.
      if (!(error instanceof EventError)) throw error;
      throw InputError.at(this.path, this.row - b.length + error.index + 2, error.message);
    }
    this.read += b.length;
    b.length = 0;
    this.part.progress?.(this.read, undefined);
  }

  finish(): { info: TraceInfo; read: number } {
    const { done, producer } = this;
    if (producer === undefined) throw this.error("the file is empty, expected an NDJSON trace");
    this.flush();
    const integrity: Integrity = this.ended ? "checked" : done ? "unread" : "partial";
    if (integrity === "partial" && !this.part.partial)
      throw this.error(
        `it has no end line ${endLine(this.row)} behind this and may be cut off (--partial takes it as far as it goes)`,
      );
    return {
      info: { events: integrity === "unread" ? undefined : this.row, integrity, producer, recording: this.recording },
      read: this.read,
    };
  }
}
