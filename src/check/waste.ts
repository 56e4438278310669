/** What was flushed for nothing: needless, mergeable and too wide, told when a TLBI completes. */
import { TLBI_OPS, type TlbiOp } from "../arch/index.js";
import { PageMap } from "./page-map.js";
import type { UnderWay } from "./pes.js";
import { EL2_SPACE, NIL } from "./stale.js";
import type { State } from "./state.js";

/** Removals of a run of flushes that are remembered; a longer run is told as several. */
const RUN_ENTRIES = 1 << 17;

/** Flushes one after the other for one VMID from one place, which one at their end could have replaced so far. */
class Run {
  count = 0;
  first = 0;
  last = 0;
  site = 0;
  /** TLBIs by code, of those by VMID */
  readonly ops = new Float64Array(TLBI_OPS.length);
  /** descriptors that were changed, and pages that they gave */
  readonly descriptors = new PageMap();
  readonly frames = new PageMap();
}

/** Descriptors of a table. */
const SLOTS = 512;
/** By code: it removes all of a VMID, whatever a descriptor is of. */
const IS_WIDE: readonly boolean[] = TLBI_OPS.map(({ base }) => base === "VMALLS12E1");
/** By code: codes of what does for one descriptor, with the same reach. */
const INSTEAD: readonly (readonly number[])[] = TLBI_OPS.map(({ name }) => {
  const reach = name.endsWith("IS") || name.endsWith("OS") ? name.slice(-2) : "";
  const instead = [`IPAS2E1${reach}`, `VMALLE1${reach}`];
  return instead.map((one) => TLBI_OPS.findIndex((op) => op.name === one));
});
/** Pages of blocks. */
const BLOCKS = [512, 2 ** 18];

export class Waste {
  private readonly known = new Uint8Array(EL2_SPACE + 1);
  private allKnown = false;
  private readonly runs = new Map<number, Run>();
  /** the same in a list, for those who ask all of them */
  private readonly every: { readonly space: number; readonly run: Run }[] = [];
  /** what the completing DSB at hand has served: entries, of which space, and the widest TLBI of it */
  private count = 0;
  private space = NIL;
  private single = NIL;
  private wide = NIL;
  private site = 0;
  private at = 0;
  /** codes of its TLBIs by VMID */
  private readonly ops: number[] = [];
  /** how many of them are in use: an array that is emptied for each flush costs more than the flush */
  private opCount = 0;

  constructor(private readonly state: State) {}

  /** The trace begins with the boot: nothing was held before. */
  fromBoot(): void {
    this.allKnown = true;
  }

  /** A TLBI is complete; `needed`: it brought some entry further. `space` NIL: every VMID. */
  tlbi(pcpu: number, op: TlbiOp, way: UnderWay, n: number, space: number, needed: boolean): void {
    if (op.regime === "EL2") return;
    const { state } = this;
    this.site = way.site[n]!;
    this.at = way.at[n]!;
    const judged = this.allKnown || (space !== NIL && this.known[space] === 1);
    const wanted =
      needed ||
      (state.pes.flushWanted[pcpu] === 1 && op.combined) ||
      (state.repeats && op.reach !== "local" && state.pes.repeats(pcpu).length > 0);
    if (wanted) {
      // Those by address stay to be done one by one, however their ends are put together.
      if (op.operand === "none") {
        this.ops[this.opCount++] = way.code[n]!;
        if (op.stage2) this.wide = way.code[n]!;
      }
    } else if (judged && state.shown.writes) this.needless(way.code[n]!);
    if (op.operand === "none" && op.stage2 && op.reach !== "local") {
      if (space === NIL) this.allKnown = true;
      else this.known[space] = 1;
    }
  }

  private needless(code: number): void {
    const { findings, index } = this.state;
    const group =
      findings.again("needless", index, this.site) ??
      findings.add("needless", index, {
        site: this.site,
        detail: () => `${TLBI_OPS[code]!.name}: nothing was removed or changed since the last flush of as much`,
        since: this.at - 1,
      });
    if (group === undefined) return;
    group.tlbi[code]!++;
    group.saved[code]!++;
  }

  /** An entry has been flushed. */
  served(id: number): void {
    const { stale, left } = this.state;
    const space = stale.space[id]!;
    if (left[space] === id) return;
    this.count++;
    this.space = space;
    this.single = this.count === 1 && stale.step[id] === 0 ? stale.level[id]! : NIL;
    const run = this.runOf(space);
    if (stale.table[id]! >= 0) run.descriptors.set(stale.table[id]! * SLOTS + stale.slot[id]!, 1);
    if (stale.frame[id]! >= 0) run.frames.set(stale.frame[id]!, 1);
  }

  private runOf(space: number): Run {
    let run = this.runs.get(space);
    if (run === undefined) {
      run = new Run();
      this.runs.set(space, run);
      this.every.push({ space, run });
    }
    return run;
  }

  /** A DSB has completed what was under way on a PE: the flush as a whole. */
  completed(): void {
    if (this.count > 0) {
      if (this.count === 1 && this.single !== NIL && IS_WIDE[this.wide] === true) this.tooWide();
      this.extend();
      this.count = 0;
    }
    this.wide = NIL;
    this.opCount = 0;
  }

  private tooWide(): void {
    const { findings, index } = this.state;
    const group =
      findings.again("too-wide", index, this.site) ??
      findings.add("too-wide", index, {
        site: this.site,
        detail: () => `${TLBI_OPS[this.wide]!.name} for one descriptor of level ${this.single}`,
        since: this.at - 1,
      });
    if (group === undefined) return;
    group.tlbi[this.wide]!++;
    group.saved[this.wide]!++;
    const instead = INSTEAD[this.wide]!;
    for (let i = 0; i < instead.length; i++) group.instead[instead[i]!]!++;
  }

  private extend(): void {
    const run = this.runOf(this.space);
    if (run.count > 0 && run.site !== this.site) this.close(this.space, true);
    const open = this.runOf(this.space);
    if (open.count === 0) open.first = this.at - 1;
    open.count++;
    open.site = this.site;
    open.last = this.at - 1;
    for (let i = 0; i < this.opCount; i++) open.ops[this.ops[i]!]!++;
    if (open.descriptors.size > RUN_ENTRIES) this.close(this.space, false);
  }

  /** The run of a space ends. `keep`: what the flush at hand has served belongs to the next one. */
  private close(space: number, keep: boolean): void {
    const run = this.runs.get(space);
    if (run === undefined) return;
    if (!keep) {
      run.descriptors.clear();
      run.frames.clear();
    }
    const { count, first, last, site } = run;
    if (count > 1) {
      const group = this.state.findings.add("mergeable", this.state.index, {
        site,
        times: count,
        event: last,
        since: first,
        vmid: space,
        detail: () =>
          `${count.toLocaleString("en")} flushes from event ${first} on: one at event ${last} would do, were their calls one`,
      });
      if (group !== undefined)
        for (const [code, n] of run.ops.entries()) {
          group.tlbi[code]! += n;
          group.saved[code]! += n - Math.ceil(n / count);
        }
    }
    run.count = 0;
    run.ops.fill(0);
  }

  /** A descriptor is made valid: a run that removed it needed its flush before. */
  remade(table: number, slot: number): void {
    for (const { space, run } of this.every)
      if (run.descriptors.size > 0 && run.descriptors.get(table * SLOTS + slot) >= 0) this.close(space, false);
  }

  /** Pages are put to another use. */
  reused(page: number, pages: number): void {
    for (const { space, run } of this.every)
      if (run.frames.size > 0 && touches(run.frames, page, pages)) this.close(space, false);
  }

  /** A phase ends, or the trace does. */
  boundary(): void {
    for (const space of [...this.runs.keys()]) this.close(space, false);
  }
}

function touches(frames: PageMap, page: number, pages: number): boolean {
  for (const size of BLOCKS) if (frames.get(Math.floor(page / size) * size) >= 0) return true;
  return frames.hasIn(page, pages);
}
