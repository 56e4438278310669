/** Writes a trace as NDJSON (ndjson.ts), byte by byte: strings would take half as long again. */
import type { EventBuffer, TraceSink } from "./buffer.js";
import {
  COLUMN_TABLE,
  COUNT_COLUMNS,
  type ColumnArrays,
  fieldOf,
  SMALL_COLUMNS,
  type SmallColumnName,
  WIDE_COLUMNS,
} from "./columns.js";
import { KINDS, type Names, nameOf } from "./event.js";
import { endLine } from "./ndjson.js";
import { TRACE_VERSION } from "./parquet/format.js";
import { recordingJson, type TraceRecording } from "./recording.js";

const encoder = new TextEncoder();
const HEX = encoder.encode("0123456789abcdef");
const ZERO = 0x30;
const QUOTE = 0x22;
const LINE_END = encoder.encode("}\n");

/** What a small column has when it is left out, and how those of a line begin. */
const ABSENT = SMALL_COLUMNS.map((column) => COLUMN_TABLE[column].absent);
const SMALL_KEYS = SMALL_COLUMNS.map((column) => encoder.encode(`,"${column}":`));
/** The wide columns of an event without a host's counts, which are the last. */
const UNCOUNTED = WIDE_COLUMNS.length - COUNT_COLUMNS.length;
const WIDE_KEYS = WIDE_COLUMNS.map((column) => encoder.encode(`,"${column}":"0x`));

/** Bytes are handed on in pieces of about so many. */
const PIECE = 65_536;
/** More than a number with its quote takes behind its key. */
const ROOM = 32;

/** Writes events as lines to `out`, in UTF-8; a piece is valid only during the call. The header goes out with the first. */
export class NdjsonTrace implements TraceSink {
  private readonly piece = new Uint8Array(PIECE);
  private at = 0;
  private written = 0;
  /** how a line begins, by kind and code, and a site with its key, by id: each made once */
  private readonly names = KINDS.map((): Uint8Array[] => []);
  private readonly sites: Uint8Array[] = [];
  /** the block at hand, and its arrays: of the small columns, and of the wide ones */
  private block: EventBuffer | undefined;
  private small: readonly ColumnArrays[SmallColumnName][] = [];
  private wide: readonly Uint32Array[] = [];
  /** what the trace says about its run, set before {@link NdjsonTrace.finish} */
  recording: TraceRecording | undefined;

  constructor(
    private readonly out: (bytes: Uint8Array) => void,
    producer: string,
  ) {
    this.line({ shootdown: "trace", version: TRACE_VERSION, ...(producer ? { producer } : {}) });
  }

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++) this.event(b, i, names);
  }

  /** Writes event `i` of a block. */
  event(b: EventBuffer, i: number, names: Names): void {
    if (b !== this.block) this.begin(b);
    this.written++;
    const kind = b.kind[i]!;
    const code = b.code[i]!;
    const known = this.names[kind]!;
    known[code] ??= encoder.encode(`{"kind":"${KINDS[kind]!}","name":${JSON.stringify(nameOf(kind, code, names))}`);
    this.put(known[code]);
    const { small, wide } = this;
    for (let c = 0; c < small.length; c++) {
      const value = small[c]![i]!;
      if (value === ABSENT[c]) continue;
      this.put(SMALL_KEYS[c]!);
      this.decimal(value);
    }
    const site = b.site[i]!;
    if (site !== 0) {
      this.sites[site] ??= encoder.encode(`,"site":${JSON.stringify(names.list[site]!)}`);
      this.put(this.sites[site]);
    }
    for (let c = 0, n = b.counted ? wide.length : UNCOUNTED; c < n; c++) {
      const lo = wide[c]![2 * i]!;
      const hi = wide[c]![2 * i + 1]!;
      if ((lo | hi) === 0) continue;
      this.put(WIDE_KEYS[c]!);
      this.hex(lo, hi);
    }
    this.put(LINE_END);
  }

  private begin(b: EventBuffer): void {
    this.block = b;
    this.small = SMALL_COLUMNS.map((column) => b[fieldOf(column)]);
    this.wide = WIDE_COLUMNS.map((column) => b[fieldOf(column)]);
  }

  /** Appends bytes, and leaves room for a number. */
  private put(bytes: Uint8Array): void {
    const { piece } = this;
    const n = bytes.length;
    if (this.at + n > PIECE - ROOM) {
      this.flush();
      if (n > PIECE - ROOM) {
        this.out(bytes);
        return;
      }
    }
    let { at } = this;
    for (let i = 0; i < n; i++) piece[at++] = bytes[i]!;
    this.at = at;
  }

  /** Appends a number of at most 16 bits, which has a sign only where it is -1. */
  private decimal(value: number): void {
    const { piece } = this;
    let rest = value;
    if (rest < 0) {
      piece[this.at++] = 0x2d;
      rest = -rest;
    }
    const digits = rest < 10 ? 1 : rest < 100 ? 2 : rest < 1000 ? 3 : rest < 10_000 ? 4 : 5;
    this.at += digits;
    for (let at = this.at - 1, i = 0; i < digits; i++, at--) {
      piece[at] = ZERO + (rest % 10);
      rest = (rest / 10) | 0;
    }
  }

  /** Appends 64 bits, not all of them zero, and the quote behind them. */
  private hex(lo: number, hi: number): void {
    const { piece } = this;
    let { at } = this;
    const digits = hi === 0 ? 8 - (Math.clz32(lo) >>> 2) : 16 - (Math.clz32(hi) >>> 2);
    for (let i = digits - 1; i >= 8; i--) piece[at++] = HEX[(hi >>> (4 * (i - 8))) & 15]!;
    for (let i = Math.min(digits, 8) - 1; i >= 0; i--) piece[at++] = HEX[(lo >>> (4 * i)) & 15]!;
    piece[at++] = QUOTE;
    this.at = at;
  }

  private line(value: unknown): void {
    this.put(encoder.encode(`${JSON.stringify(value)}\n`));
  }

  private flush(): void {
    const { at } = this;
    this.at = 0;
    if (at > 0) this.out(this.piece.subarray(0, at));
  }

  /** The end line, and what is left. */
  finish(): void {
    if (this.recording)
      this.put(encoder.encode(`{"shootdown":"recording","recording":${recordingJson(this.recording)}}\n`));
    this.put(encoder.encode(`${endLine(this.written)}\n`));
    this.flush();
  }
}
