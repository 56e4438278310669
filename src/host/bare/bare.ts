/** The hypervisor under study on bare metal: its TLBIs are the hardware's, and wait for its DSBs. */
import { BARRIERS, completesInside, type Reach, TLBI_OPS } from "../../arch/index.js";
import { type EventBuffer, Kind, type Names } from "../../trace/index.js";
import { byName, type Counts, NO_COUNTS } from "../counts.js";
import { HypercallMarks } from "../marks.js";
import type { HostSink } from "../model.js";

const REACHES: readonly Reach[] = ["local", "inner", "outer"];
/** TLBIs that wait for the same DSBs: by reach, and with or without nXS. */
const CLASSES = REACHES.flatMap((reach) => [false, true].map((nXS) => ({ reach, nXS })));
const CLASS_OF = Uint8Array.from(TLBI_OPS, (op) => REACHES.indexOf(op.reach) * 2 + Number(op.nXS));
const FIRST_BROADCAST = 2;
/** For each barrier the classes that it completes for the PEs of the machine, which are one Inner Shareable domain. */
const COMPLETED = BARRIERS.map((b) => CLASSES.flatMap((pending, i) => (completesInside(b, pending) ? [i] : [])));
const EVERY_CLASS = CLASSES.map((_, i) => i);
const MAX_PCPUS = 256;

/**
 * Counts TLBIs and the DSBs that complete them. Of the broadcast TLBIs that a DSB completes one is priced with that DSB, the
 * others as further ones; each local one as with a DSB of its own, for it sends no message that others could overlap. What no
 * DSB has completed when the trace ends is priced as if one did, pCPU by pCPU.
 */
export class BareMetal implements HostSink {
  readonly wants = [Kind.tlbi, Kind.barrier, Kind.begin];
  private readonly executed = new Float64Array(TLBI_OPS.length);
  private readonly pending = new Float64Array(MAX_PCPUS * CLASSES.length);
  /** TLBIs pending on each pCPU, of all classes */
  private readonly waiting = new Float64Array(MAX_PCPUS);
  private readonly hypercalls = new HypercallMarks();
  private broadcast = 0;
  private local = 0;
  private further = 0;

  events(buffer: EventBuffer, names: Names): void {
    const { kind, pcpu, code, length } = buffer;
    for (let i = 0; i < length; i++) {
      const event = kind[i]!;
      if (event === Kind.tlbi) {
        this.executed[code[i]!]!++;
        this.pending[pcpu[i]! * CLASSES.length + CLASS_OF[code[i]!]!]!++;
        this.waiting[pcpu[i]!]!++;
      } else if (event === Kind.barrier) {
        if (this.waiting[pcpu[i]!]! > 0) this.complete(pcpu[i]!, COMPLETED[code[i]!]!);
      } else if (event === Kind.begin) this.hypercalls.begin(code[i]!);
    }
    this.hypercalls.names = names;
  }

  private complete(pcpu: number, classes: readonly number[]): void {
    let broadcasts = 0;
    let locals = 0;
    for (const i of classes) {
      const at = pcpu * CLASSES.length + i;
      if (i >= FIRST_BROADCAST) broadcasts += this.pending[at]!;
      else locals += this.pending[at]!;
      this.pending[at] = 0;
    }
    if (broadcasts + locals === 0) return;
    this.waiting[pcpu]! -= broadcasts + locals;
    this.local += locals;
    if (broadcasts === 0) return;
    this.broadcast++;
    this.further += broadcasts - 1;
  }

  /** What was counted; to be called when the trace has ended. */
  counts(): Counts {
    for (let pcpu = 0; pcpu < MAX_PCPUS; pcpu++) this.complete(pcpu, EVERY_CLASS);
    const tlbi = byName(this.executed, (i) => TLBI_OPS[i]!.name);
    const flush = { broadcast: this.broadcast, local: this.local, further: this.further };
    const hypercalls = this.hypercalls.byName();
    return { ...NO_COUNTS, tlbi, hardwareTlbi: tlbi, hypercalls, parts: { ...NO_COUNTS.parts, flush } };
  }

  vmidsRun(): number[] {
    return [];
  }
}
