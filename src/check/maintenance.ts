/** The last TLBIs and barriers of a trace, and why none of them did for an entry: read only when a finding is made. */
import { BARRIERS, completes, completesTlbi, decodeOperand, TLBI_OPS, type TlbiOp } from "../arch/index.js";
import { covers, removesAt } from "./covers.js";
import { REASON_WORDS, type Reason } from "./kinds.js";
import { coveredBy, EL2_SPACE, EVERY_PE, type StaleEntries } from "./stale.js";

/** So many are kept. */
const KEPT = 4096;
const TLBI = 1;

/** Flags of a TLBI: VTTBR_EL2 was synchronised; its operand is not known. */
export const SYNCHRONISED = 1;
export const OPERAND_UNKNOWN = 2;

export class MaintenanceLog {
  private readonly at = new Float64Array(KEPT);
  private readonly pcpu = new Uint8Array(KEPT);
  private readonly what = new Uint8Array(KEPT);
  private readonly code = new Uint16Array(KEPT);
  private readonly lo = new Uint32Array(KEPT);
  private readonly hi = new Uint32Array(KEPT);
  private readonly vmid = new Uint16Array(KEPT);
  private readonly flags = new Uint8Array(KEPT);
  private written = 0;

  tlbi(at: number, pcpu: number, code: number, lo: number, hi: number, vmid: number, flags: number): void {
    const i = this.put(at, pcpu, TLBI, code);
    this.lo[i] = lo;
    this.hi[i] = hi;
    this.vmid[i] = vmid;
    this.flags[i] = flags;
  }

  barrier(at: number, pcpu: number, code: number): void {
    this.put(at, pcpu, 0, code);
  }

  private put(at: number, pcpu: number, what: number, code: number): number {
    const i = this.written++ % KEPT;
    this.at[i] = at;
    this.pcpu[i] = pcpu;
    this.what[i] = what;
    this.code[i] = code;
    return i;
  }

  /**
   * Why the entry is not flushed: what is kept since its birth, once more for it alone; the reason that came nearest. `repeats`:
   * the CPU has the erratum.
   */
  why(stale: StaleEntries, id: number, repeats: boolean): Reason {
    const replay = new Replay(stale, id, repeats);
    const first = Math.max(0, this.written - KEPT);
    for (let n = first; n < this.written; n++) {
      const i = n % KEPT;
      if (this.at[i]! <= stale.born[id]!) continue;
      if (this.what[i] !== TLBI) replay.barrier(this.pcpu[i]!, this.code[i]!);
      else replay.tlbi(this.pcpu[i]!, this.code[i]!, this.lo[i]!, this.hi[i]!, this.vmid[i]!, this.flags[i]!);
    }
    return replay.reason();
  }
}

/** A TLBI that is under way for the entry. */
interface Under {
  readonly pcpu: number;
  readonly code: number;
  readonly sequence: number;
  /** what it will have removed: of stage 2, of what is combined, of neither (a repeat) */
  readonly stage2: boolean;
  readonly combined: boolean;
  done: boolean;
}

/** One entry's way through the maintenance since its birth. */
class Replay {
  private best = 0;
  private sequence = 0;
  private visible: boolean;
  private visibleHere: boolean;
  private stage2: number;
  private combined = 0;
  private repeatFrom = 0;
  private readonly under: Under[] = [];

  constructor(
    private readonly stale: StaleEntries,
    private readonly id: number,
    private readonly repeats: boolean,
  ) {
    this.visible = stale.visible[id]! > 0 && stale.visible[id]! <= stale.born[id]!;
    this.visibleHere = this.visible;
    this.stage2 = stale.gone[id]!;
  }

  reason(): Reason {
    return REASON_WORDS[this.best]!;
  }

  private because(reason: Reason): void {
    this.best = Math.max(this.best, REASON_WORDS.indexOf(reason));
  }

  tlbi(pcpu: number, code: number, lo: number, hi: number, vmid: number, flags: number): void {
    const { stale, id } = this;
    const op = TLBI_OPS[code]!;
    this.sequence++;
    const reach = op.reach === "local" ? coveredBy(pcpu) : EVERY_PE;
    if (this.repeatFrom > 0 && op.reach !== "local") {
      this.under.push({ pcpu, code, sequence: this.sequence, stage2: false, combined: false, done: false });
      return;
    }
    const el2 = stale.space[id] === EL2_SPACE;
    if ((op.regime === "EL2") !== el2) return;
    if (!op.stage2 && !op.combined) return;
    const misses = this.missing(op, lo, hi, vmid, flags);
    const visible = this.visible || (op.reach === "local" && pcpu === stale.pcpu[id] && this.visibleHere);
    const why = misses ?? (visible ? undefined : "no-dsb-before");
    if (why !== undefined) {
      this.because(why);
      return;
    }
    const held = stale.held[id]!;
    if ((held & ~reach) !== 0) this.because("local-only");
    const { stage2, combined } = removesAt(op, this.stage2, reach & held);
    if (!stage2 && !combined) {
      const underWay = this.under.some((one) => one.stage2 && !one.done);
      this.because(underWay ? "no-dsb-between" : "stage-1-only");
      return;
    }
    if (!combined) this.because("stage-2-only");
    this.because("no-dsb-after");
    this.under.push({ pcpu, code, sequence: this.sequence, stage2, combined, done: false });
  }

  /** Why a TLBI is not about the entry; undefined where it is. */
  private missing(op: TlbiOp, lo: number, hi: number, vmid: number, flags: number): Reason | undefined {
    const { stale, id } = this;
    if (op.matchesVmid && vmid !== stale.space[id]) return "wrong-vmid";
    if ((flags & OPERAND_UNKNOWN) !== 0 && op.operand !== "none") return "operand-unknown";
    if (op.lastLevel && stale.step[id] === 1) return "last-level-only";
    if (!covers(stale, id, op, decodeOperand(op.operand, lo, hi))) return "missed";
    return op.matchesVmid && (flags & SYNCHRONISED) === 0 ? "vttbr-not-synchronised" : undefined;
  }

  barrier(pcpu: number, code: number): void {
    const barrier = BARRIERS[code]!;
    this.sequence++;
    if (barrier.kind !== "DSB") return;
    const { stale, id } = this;
    for (const one of this.under) {
      if (one.done || one.pcpu !== pcpu) continue;
      const op = TLBI_OPS[one.code]!;
      if (completes(barrier, op)) this.complete(one);
      else this.because(completesTlbi(barrier) === "none" ? "dsb-of-one-type" : "dsb-too-narrow");
    }
    if (pcpu !== stale.pcpu[id] || barrier.type === "LD") return;
    this.visibleHere = true;
    if (barrier.domain !== "NSH") this.visible = true;
  }

  private complete(one: Under): void {
    one.done = true;
    const reach = TLBI_OPS[one.code]!.reach === "local" ? coveredBy(one.pcpu) : EVERY_PE;
    if (one.stage2) {
      this.stage2 |= reach;
      if (!one.combined) this.because("stage-2-only");
    }
    if (one.combined) this.combined |= reach;
    const held = this.stale.held[this.id]!;
    if ((held & ~(this.stage2 & this.combined)) === 0 && this.repeats && this.repeatFrom === 0) {
      this.repeatFrom = this.sequence;
      this.because("no-repeat");
    }
  }
}
