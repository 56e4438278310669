/** The rows of a trace that are asked for, out of all that a source brings. */
import { EventBuffer, type TraceSink } from "./buffer.js";
import type { Names } from "./event.js";
import type { ReadPart } from "./read.js";

/** Passes on rows `from` to `from + count`. */
export class Rows implements TraceSink {
  /** rows passed on */
  passed = 0;
  private seen = 0;
  private readonly from: number;
  private readonly end: number;

  constructor(
    private readonly sinks: readonly TraceSink[],
    { from = 0, count = Number.POSITIVE_INFINITY }: ReadPart,
  ) {
    this.from = from;
    this.end = from + count;
  }

  events(buffer: EventBuffer, names: Names): void {
    const first = Math.max(0, this.from - this.seen);
    const end = Math.min(buffer.length, this.end - this.seen);
    this.seen += buffer.length;
    if (first >= end) return;
    this.passed += end - first;
    const rows = first === 0 && end === buffer.length ? buffer : new EventBuffer(end - first, buffer, first);
    for (const sink of this.sinks) sink.events(rows, names);
  }
}
