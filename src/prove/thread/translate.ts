/** How accesses may be translated: out of what the PE may hold, when, and how long an access so translated may take. */
import type { Instruction } from "../program.js";
import { type Context, INVALIDATE, type Update, type WalkFault } from "../tlb/index.js";
import type { Regimes } from "./regime.js";
import type { Run } from "./run.js";
import { isDone, type State, VCSE, VCSE_OWN, VDSB, VMSR, VOWN, VRD, VSEEN, VWR } from "./state.js";
import type { Walked } from "./trail.js";

/** An access that wants a translation. */
interface Wanted {
  readonly at: Instruction;
  /** its VA, and the view of that */
  readonly address: { readonly va: number; readonly view: number };
  readonly write: boolean;
}

/** The translations of one thread's accesses. */
export class Translations {
  constructor(
    private readonly run: Run,
    private readonly regimes: Regimes,
  ) {}

  /** Every way in which the access may be translated. */
  of(s: State, { at, address, write }: Wanted): Walked[] {
    const { world, index } = this.run;
    const { cache, timeline } = world;
    const page = Math.floor(address.va / 4096);
    const list: Walked[] = [];
    const contexts = this.regimes.current(s);
    // With FEAT_ETS2 translations wait for a DSB before them. Without it they may run ahead of it, up to an ISB (B2.3).
    const bound = world.ets2 ? Math.max(s[VCSE]!, s[VDSB]!, s[VOWN]!) : Math.max(s[VCSE]!, s[VCSE_OWN]!);
    const oldest = contexts.length > 1 ? this.regimes.oldest(s) : undefined;
    for (const context of contexts) {
      // A walk in a new context comes after the write that began it; one in the former context need not know of that.
      const earliest = oldest && context !== oldest ? Math.max(bound, s[VMSR]!) : bound;
      cache.constants.know(index, context);
      const fixed = cache.constants.of(index, context, page);
      if (fixed) {
        list.push({
          context,
          entry: -1,
          leaf: "leaf" in fixed ? fixed.leaf : undefined,
          fault: "fault" in fixed ? fixed.fault : undefined,
          time: 0,
          removed: Number.POSITIVE_INFINITY,
          deadline: Number.POSITIVE_INFINITY,
        });
        continue;
      }
      this.run.choose();
      let faultFrom = world.model["not-cached-invalid"] ? Math.max(earliest, address.view) : 0;
      // Accesses before it in program order, own descriptor writes too, are enough with FEAT_ETS2.
      if (world.ets2) faultFrom = Math.max(faultFrom, s[VRD]!, s[VWR]!);
      const completed = world.ets2 ? s[VWR]! : s[VSEEN]!;
      const seen = new Map<number, number>();
      const tried: (Update & { readonly removed: number })[] = [];
      for (let t = Math.min(earliest, faultFrom); t <= timeline.n; t++) {
        const { entries, faults, updates, conflict } = cache.results(index, context, page, t);
        if (conflict && t >= earliest)
          this.run.amalgamated(s, { kind: "amalgam", at, page, view: t, context, conflict });
        if (t >= earliest)
          for (const entry of entries) {
            // Held since an earlier time that serves as well, and not removed since: nothing new.
            if ((seen.get(entry) ?? -1) > t) continue;
            const deadline = this.deadline(s, entry, t, write);
            const removed = this.removal(s, entry, t);
            seen.set(entry, removed);
            const leaf = world.catalogue.leaves[world.catalogue.entries[entry]!.payload]!;
            list.push({ context, entry, leaf, fault: undefined, time: t, removed, deadline });
          }
        if (t >= earliest)
          for (const { update, leaf } of updates) {
            if (update.dirty && !write) continue;
            const removed = this.removal(s, update.entry, t);
            // The same descriptor, read later: nothing new.
            if (
              tried.some(
                (u) =>
                  u.cell === update.cell &&
                  u.read === update.read &&
                  u.value === update.value &&
                  u.entry === update.entry &&
                  u.removed === removed,
              )
            )
              continue;
            tried.push({ ...update, removed });
            const deadline = this.deadline(s, update.entry, t, write);
            list.push({ context, entry: update.entry, leaf, fault: undefined, update, time: t, removed, deadline });
          }
        if (t >= faultFrom)
          for (const fault of [...faults, ...cache.faultsBefore(index, context, page, t, completed)]) {
            const deadline = this.faultDeadline(s, fault, context, page, t);
            const code = -1 - fault.id;
            if (seen.get(code) === deadline) continue;
            seen.set(code, deadline);
            list.push({ context, entry: -1, leaf: undefined, fault, time: t, removed: deadline, deadline });
          }
      }
    }
    return list;
  }

  /**
   * True when the event is an invalidation that an access from this state must respect. Of a TLBI before it in program order
   * it may not know yet: without FEAT_ETS2 it may have been translated before.
   */
  private strikes(s: State, i: number): boolean {
    const { timeline, ets2 } = this.run.world;
    if (timeline.kind[i] !== INVALIDATE || timeline.pe[i] !== this.run.index) return false;
    // Own events behind the base are placed for a try: what comes after them in program order may yet stand before them.
    if (i > this.run.base) return false;
    return ets2 || timeline.thread[i] !== this.run.index || !isDone(s, i);
  }

  /** True when the event is an invalidation that removes the entry and waits for accesses through it: one with nXS not where XS = 1. */
  private ends(s: State, i: number, entry: number): boolean {
    const { timeline, catalogue, model } = this.run.world;
    if (!this.strikes(s, i) || !catalogue.matches(timeline.what[i]!, entry)) return false;
    const { op } = catalogue.invalidations[timeline.what[i]!]!;
    return !op.nXS || !catalogue.leaves[catalogue.entries[entry]!.payload]!.xs || !model.xs;
  }

  /** The time after `t` at which an invalidation ends accesses through the entry on this PE; Infinity = never. */
  private removal(s: State, entry: number, t: number): number {
    const { timeline } = this.run.world;
    for (let i = t + 1; i <= timeline.n; i++) if (this.ends(s, i, entry)) return i;
    return Number.POSITIVE_INFINITY;
  }

  /**
   * The time by which an access through the entry is complete. On a CPU that is late with writes, or with reads, it has more time: until the
   * next broadcast that the PE which executed a broadcast removing the entry issued behind a DSB of its own.
   */
  private deadline(s: State, entry: number, t: number, write: boolean): number {
    const { timeline, cpu, model } = this.run.world;
    if (!model["access-completion"]) return Number.POSITIVE_INFINITY;
    const removed = this.removal(s, entry, t);
    const late = write
      ? cpu.symptoms["repeat-tlbi"] && model["repeat-tlbi"]
      : cpu.symptoms["repeat-tlbi-reads"] && model["repeat-tlbi-reads"];
    if (!late || removed > timeline.n) return removed;
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = removed; i <= timeline.n && i < earliest; i++) {
      if (!this.ends(s, i, entry)) continue;
      earliest = Math.min(earliest, this.repeated(i));
    }
    return earliest;
  }

  /** The time of the first broadcast behind a DSB behind the TLBI of time `i`; of a local one, which is not affected, its own. */
  private repeated(i: number): number {
    const { timeline } = this.run.world;
    const epoch = timeline.value[i]!;
    if (epoch < 0) return i;
    for (let k = i + 1; k <= timeline.n; k++)
      if (
        timeline.kind[k] === INVALIDATE &&
        timeline.pe[k] === this.run.index &&
        timeline.thread[k] === timeline.thread[i] &&
        timeline.value[k]! > epoch
      )
        return k;
    return Number.POSITIVE_INFINITY;
  }

  private faultDeadline(s: State, fault: WalkFault, context: Context, page: number, t: number): number {
    const { timeline, catalogue, model } = this.run.world;
    if (!model["access-completion"]) return Number.POSITIVE_INFINITY;
    for (let i = t + 1; i <= timeline.n; i++)
      if (this.strikes(s, i) && catalogue.matchesFault(timeline.what[i]!, fault, context, page)) return i;
    return Number.POSITIVE_INFINITY;
  }
}
