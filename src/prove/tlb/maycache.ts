/**
 * What each PE may hold at each time: everything that hardware may have walked and filled by then, for the contexts that
 * were live, minus what invalidations removed. A function of the timeline alone, so it is computed once and shared by all
 * executions of all threads over that timeline.
 */

import type { Granule } from "../../arch/index.js";
import { Unsupported } from "../program.js";
import type { Model } from "../rules.js";
import type { Catalogue } from "./catalogue.js";
import type { Cells } from "./cells.js";
import { type Conflict, conflictAmong } from "./conflict.js";
import { Constants } from "./constant.js";
import { Descriptors } from "./descriptors.js";
import {
  COMMON,
  type Context,
  isStage2,
  isStep,
  type Leaf,
  PAGES,
  type Regime,
  type Update,
  type WalkFault,
} from "./entry.js";
import { fill, forEachHeld, type Held, nothingHeld, remove } from "./held.js";
import { type Knowledge, peKey } from "./knowledge.js";
import { LiveContexts } from "./live.js";
import { CONTEXT, INVALIDATE, type Timeline, WRITE } from "./timeline.js";
import type { Values } from "./values.js";
import { Walk } from "./walk.js";

/** What a PE may hold at one time, and what translations may come of it. */
interface Moment {
  readonly bits: Held;
  readonly results: Map<number, Result>;
}

/** The outcomes that the translation of a VA may have at a time: ids of combined leaf entries, and faults. */
interface Result {
  readonly entries: readonly number[];
  readonly faults: readonly WalkFault[];
  /** ways through a leaf descriptor that the walk itself changes */
  readonly updates: readonly { readonly update: Update; readonly leaf: Leaf }[];
  /** two of the entries that may not be held together */
  readonly conflict: Conflict | undefined;
}

const NO_FAULTS: readonly WalkFault[] = [];
const NOBODY_ELSE: { readonly context: Context; readonly of: number }[] = [];

/** Ways to hide own writes from a walk; over this many the test is unsupported. */
const MAX_HIDDEN = 256;

export class MayCache {
  readonly descriptors: Descriptors;
  readonly constants: Constants;
  /** by PE: what it may hold at times 0 to the present */
  private readonly moments: Moment[][] = [];
  readonly live: LiveContexts;

  constructor(
    private readonly timeline: Timeline,
    cells: Cells,
    values: Values,
    private readonly catalogue: Catalogue,
    readonly knowledge: Knowledge,
    physicalCaches: boolean,
    private readonly model: Model,
    named: readonly number[],
    reduces: boolean,
    granule: Granule,
  ) {
    this.live = new LiveContexts(timeline);
    const walks = this.walks.bind(this);
    const groups = this.model.contiguous;
    this.descriptors = new Descriptors(
      timeline,
      cells,
      values,
      catalogue,
      knowledge,
      physicalCaches,
      granule,
      groups,
      walks,
    );
    this.constants = new Constants(this.descriptors, cells, catalogue, knowledge, named, reduces);
  }

  /**
   * Begins with PE `pe`: `former` are all contexts that were live before the story and `live` those at time 0 (a PE that
   * starts at EL2 has no EL1&0 one).
   */
  begin(pe: number, former: readonly Context[], live: readonly Context[]): void {
    this.live.begin(pe, former, live);
    this.moments[pe] = [];
  }

  /** What a PE may hold at time 0: its own former and live contexts have been walked for, and those of PEs that it shares with. */
  private first(pe: number): Moment {
    const bits = nothingHeld();
    const own = [...this.live.former(pe), ...this.live.at(pe, 0)];
    this.close(pe, 0, bits, own);
    return { bits, results: new Map() };
  }

  /**
   * Contexts of other PEs, live at a time, whose entries a PE may use one day: both have CnP = 1. Under which VMID and ASID, entries
   * say themselves (RFWQJZ).
   */
  private foreign(pe: number, t: number): { readonly context: Context; readonly of: number }[] {
    const { knowledge } = this;
    return !knowledge.sharing || !knowledge.common.has(pe) ? NOBODY_ELSE : this.live.foreign(pe, t);
  }

  /** Forgets what was computed for times after `t`. */
  truncate(t: number): void {
    for (const list of this.moments) if (list !== undefined && list.length > t + 1) list.length = t + 1;
  }

  private at(pe: number, t: number): Moment {
    const list = this.moments[pe]!;
    if (list.length === 0) list.push(this.first(pe));
    while (list.length <= t) list.push(this.next(pe, list.length, list[list.length - 1]!));
    return list[t]!;
  }

  /** True when a walk for the regime may have read memory on the PE at one of the times from `from` to `to`. */
  private walks(pe: number, regime: Regime, from: number, to: number): boolean {
    return !this.model["physical-refill"] || this.live.ofRegime(pe, regime, from, to);
  }

  private next(pe: number, t: number, before: Moment): Moment {
    const { timeline } = this;
    const kind = timeline.kind[t]!;
    const sharing = this.knowledge.sharing && kind === CONTEXT;
    const concerns = kind === WRITE ? this.descriptors.changes(timeline.what[t]!) : sharing || timeline.pe[t] === pe;
    if (!concerns) return before;
    const fresh = !this.model["speculative-fill"];
    const bits = fresh ? nothingHeld() : before.bits.slice();
    if (kind === INVALIDATE) this.drop(bits, timeline.what[t]!);
    if (!this.model["walk-caches"]) this.dropSteps(bits);
    this.close(pe, t, bits, this.live.at(pe, t));
    return { bits, results: new Map() };
  }

  private drop(bits: Held, invalidation: number): void {
    forEachHeld(bits, (entry) => {
      if (this.catalogue.matches(invalidation, entry)) remove(bits, entry);
    });
  }

  private dropSteps(bits: Held): void {
    forEachHeld(bits, (entry) => {
      if (isStep(this.catalogue.entries[entry]!.kind)) remove(bits, entry);
    });
  }

  /** Ids of the entries that a PE may hold at a time. */
  entriesAt(pe: number, t: number): number[] {
    const list: number[] = [];
    forEachHeld(this.at(pe, t).bits, (entry) => list.push(entry));
    return list;
  }

  private walk(
    pe: number,
    context: Context,
    t: number,
    bits: Held,
    hidden?: ReadonlyMap<number, number>,
    memoryOnly = false,
  ): Walk {
    const { descriptors, constants, catalogue } = this;
    const anyAsid = !this.model["asid-match"];
    const anyStage1 = !this.model["stage1-off"];
    return new Walk(
      descriptors,
      this.knowledge,
      constants,
      catalogue,
      pe,
      context,
      t,
      bits,
      hidden,
      memoryOnly,
      anyAsid,
      anyStage1,
    );
  }

  /** Adds every entry that walks for the contexts may fill, until nothing is new. */
  private close(pe: number, t: number, bits: Held, contexts: readonly Context[]): void {
    let changed = true;
    while (changed) {
      changed = false;
      for (const context of contexts)
        for (const va of this.knowledge.changing.get(peKey(pe, context.regime)) ?? [])
          if (this.walk(pe, context, t, bits).fill(va)) changed = true;
      for (const { context, of } of this.foreign(pe, t)) if (this.share(pe, context, of, t, bits)) changed = true;
    }
  }

  /** Adds what another PE's walks fill of what is shared, out of what this PE may use: a refill undoes no TLBI (IBWGVK). */
  private share(pe: number, context: Context, of: number, t: number, bits: Held): boolean {
    const filled = bits.slice();
    const vas = [pe, of].flatMap((who) => this.knowledge.changing.get(peKey(who, context.regime)) ?? []);
    for (const va of new Set(vas)) this.walk(pe, context, t, filled).fill(va);
    let changed = false;
    forEachHeld(filled, (id) => {
      const { kind } = this.catalogue.entries[id]!;
      if ((context.common === COMMON || isStage2(kind)) && fill(bits, id)) changed = true;
    });
    return changed;
  }

  /** What the translation of a VA in a context may give at a time. */
  results(pe: number, context: Context, vaPage: number, t: number): Result {
    const { bits, results } = this.at(pe, t);
    const key = context.id * PAGES + vaPage;
    let result = results.get(key);
    if (result === undefined) {
      const walk = this.walk(pe, context, t, bits.slice());
      walk.fill(vaPage);
      const entries = walk.leaves(vaPage);
      result = { entries, faults: walk.faults, updates: walk.updates, conflict: this.conflict(entries, t) };
      results.set(key, result);
    }
    return result;
  }

  private conflict(entries: readonly number[], t: number): Conflict | undefined {
    if (entries.length < 2) return undefined;
    const written = this.descriptors.replaced(t);
    return written === 0 && !this.knowledge.contiguous ? undefined : conflictAmong(this.catalogue, entries, t, written);
  }

  /** The access flags that walks of the PE for its live contexts may set at a time, be it ahead of any access. */
  flags(pe: number, t: number): Update[] {
    const list: Update[] = [];
    for (const context of this.live.at(pe, t))
      if (context.ha)
        for (const va of this.knowledge.changing.get(peKey(pe, context.regime)) ?? [])
          for (const { update } of this.results(pe, context, va, t).updates)
            if (update.flag && !update.dirty && !list.some((known) => known.cell === update.cell)) list.push(update);
    return list;
  }

  /** The combined leaf entries that a walk from the root gives at a time, when nothing is cached. */
  fresh(pe: number, context: Context, vaPage: number, t: number): number[] {
    const walk = this.walk(pe, context, t, nothingHeld(), undefined, true);
    walk.fill(vaPage);
    return walk.leaves(vaPage);
  }

  /** Ids of the entries of any kind that walks for these contexts fill at a time out of memory alone, nothing being held. */
  given(pe: number, contexts: readonly Context[], t: number): number[] {
    const bits = nothingHeld();
    for (const context of contexts)
      for (const va of this.knowledge.changing.get(peKey(pe, context.regime)) ?? [])
        this.walk(pe, context, t, bits, undefined, true).fill(va);
    const list: number[] = [];
    forEachHeld(bits, (entry) => list.push(entry));
    return list;
  }

  /** The combined leaf entries that a walk at a time gives out of memory and of what the PE held before and holds still. */
  outOfHeld(pe: number, context: Context, vaPage: number, t: number): number[] {
    const bits = this.at(pe, t - 1).bits.slice();
    if (this.timeline.kind[t] === INVALIDATE && this.timeline.pe[t] === pe) this.drop(bits, this.timeline.what[t]!);
    const walk = this.walk(pe, context, t, bits, undefined, true);
    walk.fill(vaPage);
    return walk.leaves(vaPage);
  }

  /**
   * Further faults that a translation may give at a time when the walk need not see the PE's own writes of descriptors that
   * came after `completed` and that no DSB has completed: of each cell those from some write on. Throws {@link Unsupported}
   * when there are too many.
   */
  faultsBefore(pe: number, context: Context, vaPage: number, t: number, completed: number): readonly WalkFault[] {
    const { timeline } = this;
    let first = completed + 1;
    while (first <= t && !this.isOwnWrite(pe, first)) first++;
    if (first > t) return NO_FAULTS;
    /** by cell: the times from which on its own writes may be hidden, besides never */
    const own = new Map<number, number[]>();
    for (let i = first; i <= t; i++) {
      if (!this.isOwnWrite(pe, i)) continue;
      const cell = timeline.what[i]!;
      own.set(cell, [...(own.get(cell) ?? []), i - 1]);
    }
    let choices: ReadonlyMap<number, number>[] = [new Map()];
    for (const [cell, times] of own)
      choices = choices.flatMap((map) => [map, ...times.map((after) => new Map([...map, [cell, after]]))]);
    if (choices.length > MAX_HIDDEN)
      throw new Unsupported(`a walk behind ${own.size} own descriptor writes that no DSB has completed`);
    const faults: WalkFault[] = [];
    for (const hidden of choices.slice(1)) {
      const walk = this.walk(pe, context, t, this.at(pe, t).bits.slice(), hidden);
      walk.fill(vaPage);
      for (const fault of walk.faults) if (!faults.includes(fault)) faults.push(fault);
    }
    return faults;
  }

  /** The PE itself wrote a descriptor at a time. */
  private isOwnWrite(pe: number, t: number): boolean {
    const { kind, thread, what } = this.timeline;
    return kind[t] === WRITE && thread[t] === pe && this.descriptors.has(what[t]!);
  }
}
