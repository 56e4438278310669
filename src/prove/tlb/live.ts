/** Which contexts are live on each PE at each time: for these hardware may walk. A function of the timeline, too. */
import type { Context, Regime } from "./entry.js";
import { CONTEXT, type Timeline } from "./timeline.js";

export class LiveContexts {
  /** ids of the live sets at the start, by PE */
  private readonly initial: number[] = [];
  /** contexts that were live before the story, by PE */
  private readonly before: (readonly Context[])[] = [];
  private readonly sets: (readonly Context[])[] = [];
  private readonly ids = new Map<string, number>();

  constructor(private readonly timeline: Timeline) {}

  /** The id of a set of live contexts, for a CONTEXT event. */
  idOf(contexts: readonly Context[]): number {
    const sorted = [...new Set(contexts)].sort((a, b) => a.id - b.id);
    const key = sorted.map((c) => c.id).join();
    let id = this.ids.get(key);
    if (id === undefined) {
      id = this.sets.length;
      this.ids.set(key, id);
      this.sets.push(sorted);
    }
    return id;
  }

  /** The set of an id. */
  of(id: number): readonly Context[] {
    return this.sets[id]!;
  }

  /**
   * Begins with PE `pe`: `former` are all contexts that were live before the story and `live` those at time 0 (a PE that
   * starts at EL2 has no EL1&0 one).
   */
  begin(pe: number, former: readonly Context[], live: readonly Context[]): void {
    this.initial[pe] = this.idOf(live);
    this.before[pe] = former;
  }

  /** The contexts that were live on a PE before the story. */
  former(pe: number): readonly Context[] {
    return this.before[pe]!;
  }

  /** The EL1&0 and EL2 contexts live on a PE at a time. */
  at(pe: number, t: number): readonly Context[] {
    const { timeline } = this;
    for (let i = t; i > 0; i--)
      if (timeline.kind[i] === CONTEXT && timeline.pe[i] === pe) return this.of(timeline.what[i]!);
    return this.of(this.initial[pe]!);
  }

  /** True when a context of the regime is live on the PE at one of the times from `from` to `to`, or was before the first. */
  ofRegime(pe: number, regime: Regime, from: number, to: number): boolean {
    if (from === 0 && this.before[pe]!.some((c) => c.regime === regime)) return true;
    for (let t = from; t <= to; t++)
      if ((t === from || this.timeline.kind[t] === CONTEXT) && this.at(pe, t).some((c) => c.regime === regime))
        return true;
    return false;
  }

  /** Contexts of other PEs, live at a time, whose entries a PE may use one day: both have CnP = 1. */
  foreign(pe: number, t: number): { readonly context: Context; readonly of: number }[] {
    return this.initial.flatMap((_, of) => {
      if (of === pe) return [];
      const theirs = [...this.at(of, t), ...(t === 0 ? this.before[of]! : [])];
      return theirs.flatMap((context) => (context.common > 0 ? [{ context, of }] : []));
    });
  }
}
