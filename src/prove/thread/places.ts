/**
 * The order of one location's two translations (AARCH-24876; DDI 0487, B2.3): of two accesses to the same bytes of a page, by one
 * VA or by aliases, the second may not use a translation that is older than that of the first. Older means: another PE's TLBI
 * that removes it came before the first was translated. Nothing is said where one of them faults.
 */

import { Unsupported } from "../program.js";
import { type Context, INVALIDATE } from "../tlb/index.js";
import type { Run } from "./run.js";
import { MAX_SLOTS, raiseRenewed, renewed, type State } from "./state.js";
import type { Walked } from "./trail.js";

/** What was accessed through a translation that can change. */
interface Place {
  readonly context: Context;
  readonly va: number;
  readonly size: number;
}

const PAGE = 4096;
const pageOf = (va: number): number => Math.floor(va / PAGE);

/** The places that one thread has accessed. */
export class Places {
  private readonly places: Place[] = [];

  constructor(private readonly run: Run) {}

  /** The state with the note that an access is translated so; the same where no TLBI of another PE came before. */
  noted(s: State, walk: Walked, va: number, size: number): State {
    let t = walk.entry < 0 ? 0 : walk.time;
    while (t > 0 && !this.foreign(t)) t--;
    if (t === 0) return s;
    const next = s.slice();
    raiseRenewed(next, this.place({ context: walk.context, va, size }), t);
    return next;
  }

  /** True when an earlier access to the same bytes was translated after a TLBI of another PE that removes this one's entry. */
  outdated(s: State, walk: Walked, va: number, size: number): boolean {
    const { world } = this.run;
    if (walk.entry < 0 || !world.model["translation-coherence"]) return false;
    return this.places.some((place, i) => {
      const since = renewed(s, i);
      if (since <= walk.time || !overlaps(place, va, size) || !this.alias(place, walk, va)) return false;
      for (let t = walk.time + 1; t <= since; t++)
        if (this.foreign(t) && world.catalogue.matches(world.timeline.what[t]!, walk.entry)) return true;
      return false;
    });
  }

  /** A TLBI of another PE arrives at this one. */
  private foreign(t: number): boolean {
    const { timeline } = this.run.world;
    return (
      timeline.kind[t] === INVALIDATE && timeline.pe[t] === this.run.index && timeline.thread[t] !== this.run.index
    );
  }

  /** True when the place is of the same context, and of the same VA or of one that led to the same page when the entry was held. */
  private alias(place: Place, walk: Walked, va: number): boolean {
    const { cache, catalogue } = this.run.world;
    if (place.context !== walk.context) return false;
    if (pageOf(place.va) === pageOf(va)) return true;
    const { entries } = cache.results(this.run.index, place.context, pageOf(place.va), walk.time);
    return entries.some((entry) => catalogue.leaves[catalogue.entries[entry]!.payload]!.page === walk.leaf!.page);
  }

  private place(wanted: Place): number {
    const known = this.places.findIndex(
      ({ context, va, size }) => context === wanted.context && va === wanted.va && size === wanted.size,
    );
    if (known >= 0) return known;
    if (this.places.length === MAX_SLOTS) throw new Unsupported(`accesses of more than ${MAX_SLOTS} addresses`);
    return this.places.push(wanted) - 1;
  }
}

const overlaps = (place: Place, va: number, size: number): boolean =>
  place.va % PAGE < (va % PAGE) + size && va % PAGE < (place.va % PAGE) + place.size;
