/** How the accesses of a story were translated: when the PE filled the entry, and whether it was stale by then. */
import type { Rule } from "../rules.js";
import type { Walked, World } from "../thread/index.js";
import { EL10, type Entry, INVALIDATE, outputOf, S2_LEAF, WRITE } from "../tlb/index.js";
import { FILL, type Steps } from "./step.js";
import type { Words } from "./words.js";

/** Tells fills, once each, and says of accesses what they went through. */
export class Translations {
  /** fills told already, by PE, entry and time */
  private readonly told = new Set<string>();

  constructor(
    private readonly world: World,
    private readonly words: Words,
    private readonly steps: Steps,
  ) {}

  /** When the PE filled the entry that a walk used: since then it has held it. */
  fill(pe: number, walk: Pick<Walked, "context" | "entry" | "time" | "update"> & Partial<Walked>): void {
    const { cache, catalogue, timeline } = this.world;
    let t = walk.time;
    if (walk.update) {
      const { page } = catalogue.entries[walk.entry]!;
      this.steps.add(
        t,
        FILL,
        pe,
        `walks ${this.words.va(page)} to ${this.words.pa(walk.leaf!.page)}, and will update the descriptor`,
      );
      return;
    }
    const removedAt = (i: number): boolean =>
      timeline.kind[i] === INVALIDATE && timeline.pe[i] === pe && catalogue.matches(timeline.what[i]!, walk.entry);
    while (t > 0 && !removedAt(t) && cache.entriesAt(pe, t - 1).includes(walk.entry)) t--;
    const key = `${pe}.${walk.entry}.${t}`;
    if (this.told.has(key)) return;
    this.told.add(key);
    const entry = catalogue.entries[walk.entry]!;
    const what = `walks ${this.words.va(entry.page)} and holds ${this.words.entry(walk.entry)}`;
    const add = (words: string, rule?: Rule): void =>
      this.steps.add(t, FILL, pe, words, rule, { entry: this.words.entry(walk.entry) });
    if (t === 0) add(what);
    else if (this.fromTables(pe, entry, t)) add(what, "speculative-fill");
    else {
      const held = this.world.cache.outOfHeld(pe, walk.context, entry.page, t).includes(walk.entry);
      const old = held ? this.heldPart(pe, entry, t) : undefined;
      if (old) add(`${what}, out of the ${old} that it still holds`, "speculative-fill");
      else add(`${what}, out of a former descriptor in a physical translation cache`, "physical-caches");
    }
  }

  /** True when the tables of a context that is live at time `t` give the entry then. */
  private fromTables(pe: number, { id, regime, vmid, page }: Entry, t: number): boolean {
    const { cache } = this.world;
    return cache
      .live.at(pe, t)
      .some((context) => context.regime === regime && context.vmid === vmid && cache.fresh(pe, context, page, t).includes(id)); // biome-ignore format: one row
  }

  /** What a PE held already before time `t`, out of which it fills a combined entry then. */
  private heldPart(pe: number, entry: Entry, t: number): string {
    const { cache, catalogue } = this.world;
    const leaf = catalogue.leaves[entry.payload]!;
    const stage2 = cache.entriesAt(pe, t).find((id) => {
      const other = catalogue.entries[id]!;
      const same = other.kind === S2_LEAF && other.vmid === entry.vmid && other.page === leaf.ipa;
      return same && outputOf(other.payload) === leaf.page;
    });
    return stage2 === undefined ? "table descriptors" : this.words.entry(stage2);
  }

  /** True when the tables do not give, at time `t`, what a walk out of the TLB gives. */
  isStale(pe: number, walk: Walked, t: number): boolean {
    const { page } = this.world.catalogue.entries[walk.entry]!;
    return !walk.update && !this.world.cache.fresh(pe, walk.context, page, t).includes(walk.entry);
  }

  /** The time, up to `t`, at which the entry of a walk was removed; Infinity = it was not. */
  removal(pe: number, walk: Walked, t: number): number {
    const { timeline, catalogue } = this.world;
    for (let i = walk.time + 1; i <= t; i++)
      if (timeline.kind[i] === INVALIDATE && timeline.pe[i] === pe && catalogue.matches(timeline.what[i]!, walk.entry))
        return i;
    return Number.POSITIVE_INFINITY;
  }

  /** Words for an access through a cached entry, and the rule that lets it. */
  through(
    pe: number,
    walk: Walked,
    t: number,
  ): { words: string; rule: Rule | undefined; entry?: string; stale?: true } {
    if (walk.update) return { words: "by this walk", rule: undefined };
    const entry = this.words.entry(walk.entry);
    const name = `through ${entry}`;
    if (!this.isStale(pe, walk, t)) return { words: name, rule: undefined, entry };
    const { asid, regime } = this.world.catalogue.entries[walk.entry]!;
    const written = this.descriptorWritten(t);
    const words = `${name}, which ${written ? "the tables do not give any more" : "the present tables do not give"}`;
    return { stale: true, words, entry, rule: written || asid < 0 || regime !== EL10 ? undefined : "asid-match" };
  }

  private descriptorWritten(t: number): boolean {
    const { timeline, cache } = this.world;
    for (let i = t; i > 0; i--) if (timeline.kind[i] === WRITE && cache.descriptors.has(timeline.what[i]!)) return true;
    return false;
  }
}
