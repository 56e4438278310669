/** The last TLBIs and barriers of a trace, and why none of them did for an entry: read only when a finding is made. */
import { BARRIERS, completesInside, completesTlbi, decodeOperand, TLBI_OPS, type TlbiOp } from "../arch/index.js";
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
  readonly op: TlbiOp;
  /** what it will have removed: of stage 2, of what is combined, of neither (a repeat) */
  readonly stage2: boolean;
  readonly combined: boolean;
  /** why the DSBs behind it so far do not complete it */
  dsb: Reason;
}

/** One entry's way through the maintenance since its birth. */
class Replay {
  private visible: boolean;
  private visibleHere: boolean;
  /** PEs on which the stage-2 entry is gone, and what is combined */
  private stage2: number;
  private combined = 0;
  private repeated = false;
  private under: Under[] = [];
  /** the nearest that a TLBI of stage 2, or of what is combined, came: numbers of reasons; the second since stage 2 is gone */
  private nearStage2 = 0;
  private nearCombined = 0;

  constructor(
    private readonly stale: StaleEntries,
    private readonly id: number,
    private readonly repeats: boolean,
  ) {
    this.visible = stale.visible[id]! > 0 && stale.visible[id]! <= stale.born[id]!;
    this.visibleHere = this.visible;
    this.stage2 = stale.gone[id]!;
  }

  /** What is missing, in the order in which it must come. */
  reason(): Reason {
    const held = this.stale.held[this.id]!;
    const left2 = (held & ~this.stage2) !== 0;
    if (!left2 && (held & ~this.combined) === 0) return "no-repeat";
    const waiting = this.under.findLast(({ stage2, combined }) => (left2 ? stage2 : combined));
    if (waiting !== undefined) return waiting.dsb;
    const near = REASON_WORDS[left2 ? this.nearStage2 : this.nearCombined]!;
    if (near !== "no-flush") return near;
    return left2 || this.stale.gone[this.id] !== 0 ? "no-flush" : "stage-2-only";
  }

  /** A TLBI came so near. */
  private near(op: TlbiOp, reason: Reason): void {
    const number = REASON_WORDS.indexOf(reason);
    if (op.stage2) this.nearStage2 = Math.max(this.nearStage2, number);
    if (op.combined) this.nearCombined = Math.max(this.nearCombined, number);
  }

  tlbi(pcpu: number, code: number, lo: number, hi: number, vmid: number, flags: number): void {
    const { stale, id } = this;
    const op = TLBI_OPS[code]!;
    if (this.repeated) {
      if (op.reach !== "local") this.under.push({ pcpu, op, stage2: false, combined: false, dsb: "no-repeat" });
      return;
    }
    if ((op.regime === "EL2") !== (stale.space[id] === EL2_SPACE)) return;
    const why = this.missing(pcpu, op, lo, hi, vmid, flags);
    if (why !== undefined) {
      this.near(op, why);
      return;
    }
    const held = stale.held[id]!;
    const reach = (op.reach === "local" ? coveredBy(pcpu) : EVERY_PE) & held;
    if ((held & ~reach) !== 0) this.near(op, "local-only");
    const { stage2, combined } = removesAt(op, this.stage2, reach);
    if (op.combined && !combined) {
      const between = this.under.some((one) => one.stage2);
      if (between) this.between = true;
      else this.nearStage2 = Math.max(this.nearStage2, REASON_WORDS.indexOf("stage-1-only"));
    }
    if (stage2 || combined) this.under.push({ pcpu, op, stage2, combined, dsb: "no-dsb-after" });
  }

  /** a TLBI of what is combined came while that of stage 2 was under way */
  private between = false;

  /** Why a TLBI is not about the entry, or comes too early; undefined where it counts. */
  private missing(pcpu: number, op: TlbiOp, lo: number, hi: number, vmid: number, flags: number): Reason | undefined {
    const { stale, id } = this;
    // Another pCPU's flush of another VMID is nobody's mistake.
    if (op.matchesVmid && vmid !== stale.space[id]) return pcpu === stale.pcpu[id] ? "wrong-vmid" : "no-flush";
    if ((flags & OPERAND_UNKNOWN) !== 0 && op.operand !== "none") return "operand-unknown";
    if (op.lastLevel && stale.step[id] === 1) return "last-level-only";
    if (!covers(stale, id, op, decodeOperand(op.operand, lo, hi))) return "missed";
    if (op.matchesVmid && (flags & SYNCHRONISED) === 0) return "vttbr-not-synchronised";
    const visible = this.visible || (op.reach === "local" && pcpu === stale.pcpu[id] && this.visibleHere);
    return visible ? undefined : "no-dsb-before";
  }

  barrier(pcpu: number, code: number): void {
    const barrier = BARRIERS[code]!;
    if (barrier.kind !== "DSB") return;
    const { stale, id } = this;
    this.under = this.under.filter((one) => {
      if (one.pcpu !== pcpu) return true;
      if (completesInside(barrier, one.op)) {
        this.complete(one);
        return false;
      }
      if (one.dsb !== "no-repeat") one.dsb = completesTlbi(barrier) === "none" ? "dsb-of-one-type" : "dsb-too-narrow";
      return true;
    });
    if (pcpu !== stale.pcpu[id] || barrier.type === "LD") return;
    this.visibleHere = true;
    if (barrier.domain !== "NSH") this.visible = true;
  }

  private complete({ pcpu, op, stage2, combined }: Under): void {
    const reach = op.reach === "local" ? coveredBy(pcpu) : EVERY_PE;
    const held = this.stale.held[this.id]!;
    if (stage2) {
      this.stage2 |= reach;
      if ((held & ~this.stage2) === 0) this.nearCombined = this.between ? REASON_WORDS.indexOf("no-dsb-between") : 0;
    }
    if (combined) this.combined |= reach;
    if ((held & ~(this.stage2 & this.combined)) === 0 && this.repeats) this.repeated = true;
  }
}
