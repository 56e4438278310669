/** A block of events in columns. Sources fill it, sinks read it; nothing is allocated per event. */
import { type Names, NO_LEVEL } from "./event.js";

/** 64-bit columns are stored as interleaved halves: [2i] = bits [31:0], [2i+1] = bits [63:32]. */
export class EventBuffer {
  readonly kind: Uint8Array;
  readonly pcpu: Uint8Array;
  readonly code: Uint16Array;
  readonly domain: Uint16Array;
  readonly vmid: Uint16Array;
  readonly stage: Uint8Array;
  readonly level: Int8Array;
  readonly slot: Uint16Array;
  readonly site: Uint16Array;
  readonly address: Uint32Array;
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  /** events in use, at most `capacity` */
  length = 0;

  /** An empty buffer, or a view of a part of another one: `capacity` events from `first` on. */
  constructor(
    readonly capacity: number,
    of?: EventBuffer,
    first = 0,
  ) {
    if (of) {
      const end = first + capacity;
      this.kind = of.kind.subarray(first, end);
      this.pcpu = of.pcpu.subarray(first, end);
      this.code = of.code.subarray(first, end);
      this.domain = of.domain.subarray(first, end);
      this.vmid = of.vmid.subarray(first, end);
      this.stage = of.stage.subarray(first, end);
      this.level = of.level.subarray(first, end);
      this.slot = of.slot.subarray(first, end);
      this.site = of.site.subarray(first, end);
      this.address = of.address.subarray(2 * first, 2 * end);
      this.from = of.from.subarray(2 * first, 2 * end);
      this.to = of.to.subarray(2 * first, 2 * end);
      this.length = capacity;
      return;
    }
    this.kind = new Uint8Array(capacity);
    this.pcpu = new Uint8Array(capacity);
    this.code = new Uint16Array(capacity);
    this.domain = new Uint16Array(capacity);
    this.vmid = new Uint16Array(capacity);
    this.stage = new Uint8Array(capacity);
    this.level = new Int8Array(capacity).fill(NO_LEVEL);
    this.slot = new Uint16Array(capacity);
    this.site = new Uint16Array(capacity);
    this.address = new Uint32Array(2 * capacity);
    this.from = new Uint32Array(2 * capacity);
    this.to = new Uint32Array(2 * capacity);
  }

  /** Empties the buffer; the columns that not every event writes are as in a new one. */
  clear(): void {
    const n = this.length;
    this.stage.fill(0, 0, n);
    this.level.fill(NO_LEVEL, 0, n);
    this.slot.fill(0, 0, n);
    this.address.fill(0, 0, 2 * n);
    this.from.fill(0, 0, 2 * n);
    this.to.fill(0, 0, 2 * n);
    this.length = 0;
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
