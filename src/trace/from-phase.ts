/** The end of a trace, from the begin of a phase on. */
import { EventBuffer, type TraceSink } from "./buffer.js";
import { Kind, type Names } from "./event.js";
import { markName } from "./marks.js";

/**
 * Passes on what comes from the first begin of a phase; before it, nothing, and after it no end of a mark that was begun
 * before: what is passed on has a begin for each end.
 */
export class FromPhase implements TraceSink {
  /** events passed on */
  passed = 0;
  private begun = false;
  /** by id of a mark: begun and not ended, before the phase and since */
  private readonly before = new Uint32Array(0x1_0000);
  private readonly since = new Uint32Array(0x1_0000);

  constructor(
    private readonly phase: string,
    private readonly to: TraceSink,
  ) {}

  events(buffer: EventBuffer, names: Names): void {
    const { kind, code, length } = buffer;
    const mark = markName("phase", this.phase);
    let first = 0;
    for (let i = 0; i < length; i++) {
      if (kind[i] !== Kind.begin && kind[i] !== Kind.end) continue;
      const id = code[i]!;
      if (!this.begun && kind[i] === Kind.begin && names.list[id] === mark) {
        this.begun = true;
        first = i;
      }
      const open = this.begun ? this.since : this.before;
      if (kind[i] === Kind.begin) open[id]!++;
      else if (open[id]! > 0) open[id]!--;
      else if (this.begun && this.before[id]! > 0) {
        this.before[id]!--;
        this.pass(buffer, first, i, names);
        first = i + 1;
      }
    }
    if (this.begun) this.pass(buffer, first, length, names);
  }

  private pass(buffer: EventBuffer, first: number, end: number, names: Names): void {
    if (first === end) return;
    this.passed += end - first;
    this.to.events(first === 0 && end === buffer.length ? buffer : new EventBuffer(end - first, buffer, first), names);
  }
}
