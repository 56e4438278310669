/** TLBIs and barriers: what completes when, and which stale entries are gone by it. */
import {
  BARRIERS,
  completesInside,
  decodeOperand,
  type OperandFields,
  pagesAtLevel,
  TLBI_OPS,
  type TlbiOp,
} from "../arch/index.js";
import { covers, removesAt } from "./covers.js";
import { REASON_WORDS } from "./kinds.js";
import { OPERAND_UNKNOWN, SYNCHRONISED } from "./maintenance.js";
import type { UnderWay } from "./pes.js";
import { coveredBy, EL2_SPACE, EVERY_PE, NIL } from "./stale.js";
import type { State } from "./state.js";
import type { Waste } from "./waste.js";

/** Pages of a range beyond which a flush by range looks at all entries of its space. */
const FEW_PAGES = 64;
const LEVELS = 4;
const NO_OPERAND = { kind: "none" } as const;

/** The 4 KiB pages that an operand by IPA names; a range of another granule names none. */
const pagesOf = (
  fields: Extract<OperandFields, { kind: "ipa" } | { kind: "va-range" | "ipa-range" }>,
): { first: number; pages: number } =>
  fields.kind === "ipa" ? { first: fields.page, pages: 1 } : { first: fields.base, pages: fields.granules };

/** What each barrier does, in bits: a trace has more of them than of anything else. */
const [SYNCHRONISES, IS_DSB, COMPLETES, PUBLISHES, TO_ALL] = [1, 2, 4, 8, 16] as const;
const DOES = Uint8Array.from(BARRIERS, ({ kind, type, domain }) => {
  if (kind === "ISB") return SYNCHRONISES;
  if (kind !== "DSB") return 0;
  const stores = type === "LD" ? 0 : PUBLISHES | (domain === "NSH" ? 0 : TO_ALL);
  return IS_DSB | (type === "full" ? COMPLETES : 0) | stores;
});

export class Flushes {
  /** by space: issue of the last completed broadcast that removed all that is combined; and of all spaces */
  private readonly broadcastAt = new Float64Array(EL2_SPACE + 1);
  private broadcastAllAt = 0;
  /** the same of local ones, by PE and space; and of all spaces, by PE */
  private readonly localAt = new Map<number, number>();
  private readonly localAllAt = new Float64Array(256);

  constructor(
    private readonly state: State,
    private readonly waste: Waste,
  ) {}

  tlbi(pcpu: number, code: number, lo: number, hi: number, vmid: number, unknown: boolean, site: number): void {
    const { state } = this;
    const flags = (state.pes.synchronised[pcpu] === 1 ? SYNCHRONISED : 0) | (unknown ? OPERAND_UNKNOWN : 0);
    state.pes.underWay(pcpu).push(state.now, code, lo, hi, vmid, flags, site);
    state.log.tlbi(state.now, pcpu, code, lo, hi, vmid, flags);
  }

  barrier(pcpu: number, code: number): void {
    const { state } = this;
    const { pes } = state;
    const does = DOES[code]!;
    if ((does & SYNCHRONISES) !== 0) pes.synchronised[pcpu] = 1;
    if ((does & IS_DSB) === 0) return;
    state.log.barrier(state.now, pcpu, code);
    if ((does & COMPLETES) !== 0) this.complete(pcpu, code, pes.underWay(pcpu));
    if ((does & PUBLISHES) !== 0) this.publish(pcpu, (does & TO_ALL) !== 0);
  }

  /** A DSB with stores: what this PE wrote is seen by its own walks, and by all others' unless it is of NSH. */
  private publish(pcpu: number, toAll: boolean): void {
    const fresh = this.state.pes.fresh(pcpu);
    if (fresh.length === 0) return;
    const { stale, now, live } = this.state;
    fresh.sweep(stale.serial, (id) => {
      stale.held[id]! |= live[stale.space[id]!]!;
      if (stale.visibleHere[id] === 0) stale.visibleHere[id] = now;
      if (toAll) stale.visible[id] = now;
      return !toAll;
    });
  }

  /** A DSB of loads and stores: the TLBIs that it completes. */
  private complete(pcpu: number, code: number, way: UnderWay): void {
    if (way.count === 0) return;
    const barrier = BARRIERS[code]!;
    let kept = 0;
    let repeatAt = 0;
    for (let n = 0; n < way.count; n++) {
      const op = TLBI_OPS[way.code[n]!]!;
      if (!completesInside(barrier, op)) {
        way.keep(n, kept++);
        continue;
      }
      if (op.reach !== "local") repeatAt = way.at[n]!;
      this.completed(pcpu, op, way, n);
    }
    way.count = kept;
    if (repeatAt > 0 && this.state.repeats) this.repeated(pcpu, repeatAt);
    this.waste.completed();
  }

  /** The erratum's repeat: entries that wanted one since before this TLBI. */
  private repeated(pcpu: number, at: number): void {
    const { stale, pes } = this.state;
    pes.repeats(pcpu).sweep(stale.serial, (id) => {
      if (stale.repeatFrom[id]! >= at) return true;
      this.flushed(id);
      return false;
    });
  }

  private completed(pcpu: number, op: TlbiOp, way: UnderWay, n: number): void {
    const { state } = this;
    const { stale } = state;
    if (op.matchesVmid && (way.flags[n]! & SYNCHRONISED) === 0) return;
    if ((way.flags[n]! & OPERAND_UNKNOWN) !== 0 && op.operand !== "none") return;
    const space = op.regime === "EL2" ? EL2_SPACE : op.matchesVmid ? way.vmid[n]! : NIL;
    this.touched = false;
    if (stale.count > 0) this.apply(pcpu, op, way, n, space);
    const needed = this.touched;
    if (op.operand === "none" && op.combined) this.wholeSpace(pcpu, op, space, way.at[n]!);
    this.waste.tlbi(pcpu, op, way, n, space, needed);
  }

  /** the TLBI at hand is about some entry, whether it came in time or not */
  private touched = false;

  private apply(pcpu: number, op: TlbiOp, way: UnderWay, n: number, space: number): void {
    const { stale } = this;
    const at = way.at[n]!;
    const fields = op.operand === "none" ? NO_OPERAND : decodeOperand(op.operand, way.lo[n]!, way.hi[n]!);
    if (space === NIL) {
      for (let id = 0; id < stale.serial.length; id++)
        if (stale.serial[id] !== 0 && stale.space[id] !== EL2_SPACE) this.meets(pcpu, op, id, fields, at);
      return;
    }
    if (stale.of[space] === 0) return;
    if (stale.odd[space] === 0 && this.byAddress(pcpu, op, fields, space, at)) return;
    for (let id = stale.head[space]!; id !== NIL; ) {
      const after = stale.next[id]!;
      this.meets(pcpu, op, id, fields, at);
      id = after;
    }
  }

  /** Looks entries up by IPA; false where going through the space's list is less work. */
  private byAddress(pcpu: number, op: TlbiOp, fields: OperandFields, space: number, at: number): boolean {
    const { stale } = this;
    if (fields.kind !== "ipa" && fields.kind !== "ipa-range") return false;
    const { first, pages } = pagesOf(fields);
    if (pages > FEW_PAGES || stale.of[space]! <= LEVELS * pages) return false;
    for (let level = 0; level < LEVELS; level++) {
      const size = pagesAtLevel(level);
      for (let page = Math.floor(first / size) * size; page < first + pages; page += size)
        for (let id = stale.at(page, level); id !== NIL; ) {
          const after = stale.nextAt(id);
          if (stale.space[id] === space) this.meets(pcpu, op, id, fields, at);
          id = after;
        }
    }
    return true;
  }

  /** A completed TLBI, issued at event `at`, meets an entry of its space. */
  private meets(pcpu: number, op: TlbiOp, id: number, fields: OperandFields, at: number): void {
    const { stale, state } = this;
    if (stale.repeatFrom[id]! > 0) return;
    if (!covers(stale, id, op, fields)) return;
    this.touched = true;
    const local = op.reach === "local";
    const visible = local && pcpu === stale.pcpu[id] ? stale.visibleHere[id]! : stale.visible[id]!;
    if (visible === 0 || visible >= at) return;
    if (op.lastLevel && stale.step[id] === 1) return;
    const held = stale.held[id]!;
    const reach = (local ? coveredBy(pcpu) : EVERY_PE) & held;
    if (stale.span[id]! > 1 && !this.named(id, fields)) return;
    const gone = stale.stage2At[id]! < at ? stale.stage2[id]! : stale.gone[id]!;
    const { stage2, combined } = removesAt(op, gone, reach);
    let moved = false;
    if (stage2 && (reach & ~stale.stage2[id]!) !== 0) {
      stale.stage2[id]! |= reach;
      stale.stage2At[id] = state.now;
      moved = true;
    }
    if (combined && (reach & ~stale.combined[id]!) !== 0) {
      stale.combined[id]! |= reach;
      moved = true;
    }
    if (!moved) return;
    if ((held & ~(stale.stage2[id]! & stale.combined[id]!)) !== 0) return;
    this.waste.served(id);
    if (state.repeats && !local) {
      stale.repeatFrom[id] = state.now;
      state.pes.repeats(pcpu).push(id, stale.serial[id]!);
    } else this.flushed(id);
  }

  /** Counts what a flush by address names of an entry that stands for many pages; true when that is all of them. */
  private named(id: number, fields: OperandFields): boolean {
    const { stale } = this;
    if (fields.kind !== "ipa" && fields.kind !== "ipa-range") return true;
    const { first, pages } = pagesOf(fields);
    const next = stale.input[id]! + stale.named[id]!;
    if (first <= next && first + pages > next) stale.named[id] = first + pages - stale.input[id]!;
    return stale.named[id]! >= stale.span[id]!;
  }

  private get stale(): State["stale"] {
    return this.state.stale;
  }

  /** All of a space's entries, or of all spaces', went by one instruction. */
  private wholeSpace(pcpu: number, op: TlbiOp, space: number, at: number): void {
    const { state } = this;
    if (op.regime === "EL2") return;
    if (op.reach !== "local") {
      if (space === NIL) this.broadcastAllAt = at;
      else this.broadcastAt[space] = at;
    } else if (space === NIL) this.localAllAt[pcpu] = at;
    else this.localAt.set(pcpu * 0x1_0000 + space, at);
    if (!op.stage2) return;
    const reach = op.reach === "local" ? coveredBy(pcpu) : EVERY_PE;
    if (space !== NIL) state.live[space]! &= ~reach | state.inForce(space);
    else for (const vmid of state.everLive) state.live[vmid]! &= ~reach | state.inForce(vmid);
  }

  /** When the last flush was issued that left nothing combined of a VMID on a PE; 0: none. */
  combinedFlushAt(pcpu: number, vmid: number): number {
    return Math.max(
      this.broadcastAt[vmid]!,
      this.broadcastAllAt,
      this.localAllAt[pcpu]!,
      this.localAt.get(pcpu * 0x1_0000 + vmid) ?? 0,
    );
  }

  /** The entry is gone from every PE. */
  private flushed(id: number): void {
    const { state, stale } = this;
    const { findings } = state;
    if (stale.told[id] === 0) {
      const since = stale.born[id]! - 1;
      const site = stale.site[id]!;
      if (stale.freed[id]! > 0)
        findings.add("freed-before-flush", state.index, {
          site,
          detail: () => "the page was freed, and flushed later",
          since,
          window: state.now - stale.freed[id]!,
        });
      else if (stale.exposed[id]! > 0)
        findings.add("late", state.index, {
          site,
          ...(stale.why[id]! > 0 ? { reason: REASON_WORDS[stale.why[id]! - 1]! } : {}),
          detail: () => "the guest ran on, or the lock was free, in between",
          since,
          window: state.now - stale.exposed[id]!,
        });
      else if (stale.dropped[id]! > 0)
        findings.add("dropped-before-flush", state.index, {
          site,
          detail: () => `the reference on page 0x${stale.frame[id]!.toString(16)} was dropped, and flushed later`,
          since,
          window: state.now - stale.dropped[id]!,
        });
    }
    if (state.left[stale.space[id]!] === id) state.left[stale.space[id]!] = NIL;
    stale.remove(id);
  }
}
