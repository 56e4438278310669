/** What every PE may hold at each time of a story, and what the tables say then: for who steps through it. */
import type { World } from "../thread/index.js";
import { type Context, EL2, EL10, isStep, KINDS, type Regime } from "../tlb/index.js";
import { Words } from "./words.js";

/** An entry that a PE may hold. */
export interface HeldEntry {
  /** the same for the same entry at all times of a story */
  readonly id: number;
  /** "stage-1", "stage-2", "combined", each also as "... step": an entry of a table descriptor */
  readonly kind: string;
  /** in words, as the steps call it */
  readonly text: string;
  /**
   * No walk of the tables as they are gives it: for the contexts of its regime and VMID that are live somewhere, or, where none
   * is, for those that were live last on this PE.
   */
  readonly stale: boolean;
}

/** A PE at a time. */
interface HoldingPe {
  /** tables that it may walk, with VMID and ASID; empty while it may walk none */
  readonly walks: readonly string[];
  readonly entries: readonly HeldEntry[];
}

/** How things stand after the event of a time; time 0 is before anything happens. Plain data. */
export interface Moment {
  readonly time: number;
  /** in the order of the threads */
  readonly pes: readonly HoldingPe[];
  /** descriptors that the story's PEs may walk, by their place, with what they say */
  readonly tables: readonly { readonly place: string; readonly value: string; readonly written: boolean }[];
}

/** The moments of the world's present timeline. */
export function momentsOf(world: World): Moment[] {
  const { timeline } = world;
  // Asking makes entries and cells known: the moments are made twice, and those that know all of them are taken.
  const all = (): Moment[] => Array.from({ length: timeline.n + 1 }, (_, t) => momentAt(world, t));
  all();
  return all();
}

function momentAt(world: World, t: number): Moment {
  const { cache, cells, timeline, program } = world;
  const words = new Words(world);
  const tables = cells.pa.flatMap((pa, cell) => {
    if (!cache.descriptors.has(cell)) return [];
    const last = timeline.lastWrite(cell, t);
    const value = last === 0 ? cells.initial[cell]! : timeline.value[last]!;
    return [{ place: words.cell(pa), value: words.value(value, cell), written: last > 0 && last === t }];
  });
  return { time: t, pes: program.threads.map((_, pe) => holding(world, words, pe, t)), tables };
}

function holding(world: World, words: Words, pe: number, t: number): HoldingPe {
  const { cache, catalogue } = world;
  const ids = cache.entriesAt(pe, t);
  const tags = new Map<string, ReadonlySet<number>>();
  const entries = ids.map((id): HeldEntry => {
    const { kind, regime, vmid, level } = catalogue.entries[id]!;
    const tag = `${regime}.${vmid}`;
    const given = tags.get(tag) ?? new Set(cache.given(pe, contextsOf(world, pe, t, regime, vmid), t));
    tags.set(tag, given);
    const from = !isStep(kind) ? "" : level < 0 ? ", of the root" : `, of level ${level}`;
    return { id, kind: KINDS[kind]!, text: words.entry(id).replace(/^its /, "") + from, stale: !given.has(id) };
  });
  const walks = cache.live
    .at(pe, t)
    .map((c) =>
      c.regime === EL2
        ? `EL2: ${words.table(c.root0)}`
        : `EL1&0: ${words.table(c.root0)}${c.stage2 ? `, VMID ${c.vmid}` : ""}, ASID ${c.asid}`,
    );
  return { walks: [...new Set(walks)], entries };
}

/** The contexts for which an entry of this regime and VMID is of use at a time. */
function contextsOf(world: World, pe: number, t: number, regime: Regime, vmid: number): readonly Context[] {
  const { cache, program } = world;
  const mine = (list: readonly Context[]): readonly Context[] =>
    list.filter((c) => c.regime === regime && (regime !== EL10 || c.vmid === vmid));
  const live = program.threads.flatMap((_, other) => mine(cache.live.at(other, t)));
  if (live.length > 0) return [...new Set(live)];
  for (let before = t - 1; before >= 0; before--) {
    const last = mine(cache.live.at(pe, before));
    if (last.length > 0) return last;
  }
  return mine(cache.live.former(pe));
}
