/** The end of a trace, from the begin of a phase on. */
import { EventBuffer, type TraceSink } from "./buffer.js";
import { Kind, type Names } from "./event.js";

/** Passes on what comes from the first begin of a phase; before it, nothing. */
export class FromPhase implements TraceSink {
  /** events passed on */
  passed = 0;
  private begun = false;

  constructor(
    private readonly phase: string,
    private readonly to: TraceSink,
  ) {}

  events(buffer: EventBuffer, names: Names): void {
    let first = 0;
    if (!this.begun) {
      const { kind, code, length } = buffer;
      const mark = `phase:${this.phase}`;
      while (first < length && !(kind[first] === Kind.begin && names.list[code[first]!] === mark)) first++;
      if (first === length) return;
      this.begun = true;
    }
    const part = first === 0 ? buffer : new EventBuffer(buffer.length - first, buffer, first);
    this.passed += part.length;
    this.to.events(part, names);
  }
}
