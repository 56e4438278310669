/**
 * A trace as NDJSON, for eyes and pipes: a header line, then one JSON object an event with the columns' names, then an end
 * line with the number of events, without which a stream may have been cut off. Small numbers are numbers, 64-bit values are
 * hex strings; what an event without the column has (columns.ts: 0, NO_DOMAIN, NO_LEVEL) is left out.
 *
 * {"shootdown":"trace","version":2,"producer":"..."}
 * {"kind":"write","name":"PTE","domain":0,"vmid":1,"stage":2,"level":3,"slot":5,"site":"p2m_set_entry","address":"0x90000028","after":"0x4000000407ff"}
 * {"shootdown":"recording","recording":{...}}   (where there is one: see recording.ts)
 * {"end":true,"events":1}
 */
import { InputError } from "../input/index.js";
import { BLOCK_EVENTS, EventBuffer, EventError, type TraceSink } from "./buffer.js";
import { COLUMNS, type ColumnName, columnOf, fieldOf, wordsOf } from "./columns.js";
import { codeOf, KINDS, Names } from "./event.js";
import { TRACE_VERSION } from "./parquet/format.js";
import { type Integrity, type ReadPart, type TraceInfo, unknownName } from "./read.js";
import { readRecording, type TraceRecording } from "./recording.js";

/** Longest line that a reader takes, in characters. */
const MAX_LINE = 65_536;

/** The last line of a trace of so many events. */
export const endLine = (events: number): string => JSON.stringify({ end: true, events });
/** How an end line begins, for lines that are not parsed. */
const END = /^\s*\{\s*"end"/;

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

const HEX = /^0x[0-9a-f]{1,16}$/i;

/** A column of the buffer that is filled. */
interface Place {
  readonly column: ColumnName;
  readonly holds: "text" | "small" | "wide";
  readonly array: { [index: number]: number };
  readonly words: 1 | 2;
  readonly absent: number;
  readonly min: number;
  readonly max: number;
}

/** The columns of a buffer by their names, and by their former ones. */
function placesIn(buffer: EventBuffer): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const column of COLUMNS) {
    const of = columnOf(column);
    const { min, max } = of.holds === "small" ? of : { min: 0, max: 0 };
    const { holds, absent, former = column } = of;
    const place = { column, holds, array: buffer[fieldOf(column)], words: wordsOf(column), absent, min, max };
    places.set(column, place).set(former, place);
  }
  return places;
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
  /** where the value of a key goes */
  private readonly places: ReadonlyMap<string, Place> = placesIn(this.buffer);
  /** the columns of numbers among them, each once, but for a host's counts: of those a block is emptied */
  private readonly numbers = [...new Set(this.places.values())].filter(
    ({ holds, column }) => holds !== "text" && !columnOf(column).count,
  );
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
    const { buffer: b, names } = this;
    const { kind: kindName, name, site = "" } = value;
    const kind = (KINDS as readonly unknown[]).indexOf(kindName);
    if (kind < 0) throw this.error(`kind: unknown kind ${JSON.stringify(kindName)}, expected ${KINDS.join(", ")}`);
    if (typeof name !== "string") throw this.error("name: expected a string");
    if (typeof site !== "string") throw this.error("site: expected a string");
    const i = b.length;
    try {
      const code = codeOf(kind, name, names);
      if (code === undefined) throw this.error(`name: ${unknownName(kind, name)}`);
      b.code[i] = code;
      b.site[i] = names.id(site);
    } catch (error) {
      throw error instanceof RangeError ? this.error(error.message) : error;
    }
    b.kind[i] = kind;
    for (const { array, absent, words } of this.numbers) {
      array[words * i] = absent;
      if (words === 2) array[2 * i + 1] = absent;
    }
    for (const key in value) {
      const place = this.places.get(key);
      if (place === undefined) this.refuse(key);
      if (place.holds === "small") this.small(value[key], key, place, i);
      else if (place.holds === "wide") this.wide(value[key], key, place.array, i);
      if (columnOf(place.column).count) b.counted = true;
      if (key !== place.column && Object.hasOwn(value, place.column))
        throw this.error(`'${key}' is what '${place.column}' was called, expected one of them`);
    }
    b.length++;
  }

  private refuse(key: string): never {
    throw this.error(`unknown key '${key}', expected ${COLUMNS.join(", ")}`);
  }

  private small(number: unknown, key: string, { array, min, max }: Place, i: number): void {
    if (!(typeof number === "number" && Number.isInteger(number) && number >= min && number <= max))
      throw this.error(`${key}: ${JSON.stringify(number)}, expected a whole number from ${min} to ${max}`);
    array[i] = number;
  }

  private wide(text: unknown, key: string, out: Place["array"], i: number): void {
    if (typeof text !== "string" || !HEX.test(text))
      throw this.error(`${key}: ${JSON.stringify(text)}, expected 64 bits as a hex string, such as "0x40000000"`);
    const low = Math.max(2, text.length - 8);
    out[2 * i] = Number.parseInt(text.slice(low), 16);
    if (low > 2) out[2 * i + 1] = Number.parseInt(text.slice(2, low), 16);
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
    b.clear();
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
