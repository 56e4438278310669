/** A block of events in columns. Sources fill it, sinks read it; nothing is allocated per event. */
import { COUNT_FIELDS, type ColumnArrays, FIELDS } from "./columns.js";
import type { Names } from "./event.js";

/** The arrays of the columns: of `capacity` events, or those of `of` from event `first` on. Made in one order, so that all buffers are of one shape. */
const Arrays = class {
  constructor(capacity: number, of?: ColumnArrays, first = 0) {
    const fields = this as Record<string, unknown>;
    for (const { field, words, array, absent } of FIELDS)
      fields[field] = of
        ? of[field].subarray(words * first, words * (first + capacity))
        : new array(words * capacity).fill(absent);
  }
} as new (
  capacity: number,
  of?: ColumnArrays,
  first?: number,
) => ColumnArrays;

/** The columns of columns.ts: `kind[i]`, `code[i]`, ... of event i. 64-bit columns are interleaved halves: [2i] = bits [31:0], [2i+1] = bits [63:32]. */
export class EventBuffer extends Arrays {
  /** events in use, at most `capacity` */
  length = 0;
  /** one of the events may have a host's counts: who writes one says so. Where not, those columns need not be looked at */
  counted = false;

  /** An empty buffer, or a view of a part of another one: `capacity` events from `first` on. */
  constructor(
    readonly capacity: number,
    of?: EventBuffer,
    first = 0,
  ) {
    super(capacity, of, first);
    if (of) {
      this.length = capacity;
      this.counted = of.counted;
    }
  }

  /** Empties the buffer; the columns that not every event writes are as in a new one. */
  clear(): void {
    for (const { field, words, absent, always, count } of FIELDS)
      if (!always && !count) this[field].fill(absent, 0, words * this.length);
    if (this.counted) this.forgetCounts();
    this.length = 0;
  }

  private forgetCounts(): void {
    for (const { field, words, absent } of COUNT_FIELDS) this[field].fill(absent, 0, words * this.length);
    this.counted = false;
  }

  /** True when a host's count of one of the events is there. */
  hasCounts(): boolean {
    if (!this.counted) return false;
    return COUNT_FIELDS.some(({ field, words }) => {
      const array = this[field];
      for (let i = 0; i < words * this.length; i++) if (array[i] !== 0) return true;
      return false;
    });
  }

  /** Appends `n` events of another buffer, from `first` on; there must be room for them. */
  append(of: EventBuffer, first: number, n: number): void {
    const counts = of.counted || this.counted;
    for (const { field, words, count } of FIELDS)
      if (!count || counts)
        this[field].set(of[field].subarray(words * first, words * (first + n)), words * this.length);
    this.counted = counts;
    this.length += n;
  }
}

/** Takes a trace block by block, in order. `names` grows between blocks; the buffer is only valid during the call. */
export interface TraceSink {
  /** codes of the kinds of event that it looks at; all of them when absent. A source may leave the others out */
  readonly wants?: readonly number[];
  events(buffer: EventBuffer, names: Names): void;
}

/** Thrown by a sink: what is wrong with event `index` of the block at hand. Who reads a file says in which row or line. */
export class EventError extends Error {
  constructor(
    readonly index: number,
    message: string,
  ) {
    super(message);
  }
}

/** Events of one block: small enough for the cache, large enough that a call a block costs nothing. */
export const BLOCK_EVENTS = 4096;
