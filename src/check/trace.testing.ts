/** Traces for tests of the checker, put together event by event. */
import {
  barrierIndex,
  encodeOperand,
  type Halves,
  halvesOf,
  leafHi,
  leafLo,
  type OperandFields,
  S2AP_R,
  S2AP_W,
  sysregIndex,
  tlbiIndex,
  vttbr,
} from "../arch/index.js";
import { type EventBuffer, type Names, NO_DOMAIN, Recorder, type TraceSink } from "../trace/index.js";

/** Attributes of a leaf that may be read and written. */
const RW = S2AP_R | S2AP_W | (0xf << 2) | (3 << 8) | (1 << 10);
const VTTBR = sysregIndex("VTTBR_EL2")!;

/** A leaf that maps a page at a level. */
export const leaf = (page: number, level: number, low = RW): Halves => ({
  lo: leafLo(page, level, low),
  hi: leafHi(page, 0),
});
/** A descriptor of a table. */
export const table = (page: number): Halves => ({ lo: leafLo(page, 3, 0), hi: 0 });
export const INVALID: Halves = { lo: 0, hi: 0 };

/** A trace on its way to a sink. */
export class TraceOf {
  readonly recorder: Recorder;
  private readonly memory = new Map<string, Halves>();
  private readonly roots = new Map<number, Halves>();

  constructor(sink: TraceSink, pcpus = 3) {
    this.recorder = new Recorder(pcpus, [sink]);
  }

  /** VTTBR_EL2 := this; `domain` runs there or is served there. */
  vttbr(pcpu: number, vmid: number, root: number, domain = vmid): this {
    const to = vttbr(vmid, root);
    this.recorder.sysreg(pcpu, VTTBR, this.roots.get(pcpu) ?? INVALID, to);
    this.roots.set(pcpu, to);
    this.recorder.context(pcpu, domain, vmid);
    return this;
  }

  write(pcpu: number, page: number, level: number, slot: number, to: Halves, stage: 1 | 2 = 2): this {
    const key = `${page} ${slot}`;
    const from = this.memory.get(key) ?? INVALID;
    this.memory.set(key, to);
    this.recorder.write(pcpu, page, stage, level, slot, from.lo, from.hi, to.lo, to.hi);
    return this;
  }

  /** Barriers by name, one after the other. */
  barriers(pcpu: number, ...names: string[]): this {
    for (const name of names) this.recorder.barrier(pcpu, barrierIndex(name)!);
    return this;
  }

  tlbi(pcpu: number, name: string, fields: OperandFields = { kind: "none" }): this {
    const { lo, hi } = halvesOf(encodeOperand(fields));
    this.recorder.tlbi(pcpu, tlbiIndex(name)!, (hi & 0xffff) * 2 ** 32 + lo, hi >>> 16);
    return this;
  }

  mark(pcpu: number, name: string, body: () => void, to = 0): this {
    const id = this.recorder.names.id(name);
    this.recorder.begin(pcpu, id, to);
    body();
    this.recorder.end(pcpu, id);
    return this;
  }

  owner(page: number, after: number, before = NO_DOMAIN, level = 3): this {
    this.recorder.owner(0, page, before, after, level);
    return this;
  }

  end(): void {
    this.recorder.flush();
  }
}

/** Keeps blocks of events, to be fed again as they are or with some of them changed. */
export class Kept implements TraceSink {
  readonly blocks: EventBuffer[] = [];
  names: Names | undefined;

  constructor(private readonly make: (capacity: number) => EventBuffer) {}

  events(b: EventBuffer, names: Names): void {
    const block = this.make(b.length);
    block.append(b, 0, b.length);
    this.blocks.push(block);
    this.names = names;
  }
}
