/** A block of events in columns. Sources fill it, sinks read it; nothing is allocated per event. */
import type { Names } from "./event.js";

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

  constructor(readonly capacity: number) {
    this.kind = new Uint8Array(capacity);
    this.pcpu = new Uint8Array(capacity);
    this.code = new Uint16Array(capacity);
    this.domain = new Uint16Array(capacity);
    this.vmid = new Uint16Array(capacity);
    this.stage = new Uint8Array(capacity);
    this.level = new Int8Array(capacity);
    this.slot = new Uint16Array(capacity);
    this.site = new Uint16Array(capacity);
    this.address = new Uint32Array(2 * capacity);
    this.from = new Uint32Array(2 * capacity);
    this.to = new Uint32Array(2 * capacity);
  }
}

/** Takes a trace block by block, in order. `names` grows between blocks; the buffer is only valid during the call. */
export interface TraceSink {
  events(buffer: EventBuffer, names: Names): void;
}

/** Events of one block: small enough for the cache, large enough that a call a block costs nothing. */
export const BLOCK_EVENTS = 32_768;
