/**
 * Final states that hang on a violation of break-before-make: they come about only by an access for which a PE may hold two entries
 * that should never be held together, so that what it does is CONSTRAINED UNPREDICTABLE (DDI 0487, D8.17, K1.2.3).
 */
import type { Compiled } from "./condition.js";
import { Breaches, type Moment, momentsOf, type Step, tell } from "./story/index.js";
import type { AmalgamTrail, Runs, ThreadRun, Trail, World } from "./thread/index.js";

/** What a violation is, in words. */
export interface Breach {
  /** who may hold two entries, for which address, and which; in what they differ */
  readonly who: string;
  readonly va: string;
  readonly entries: readonly [string, string];
  readonly differ: readonly string[];
  /** the write of a valid descriptor over another one that makes it so */
  readonly write: string;
  /** what may come of the access */
  readonly may: readonly string[];
  /** all of it as one sentence, without its full stop */
  readonly sentence: string;
}

/** Satisfying executions that are compared before the shortest is told. */
const COMPARED = 6;

/** Each mask of the one with each of the others. */
export const joined = (masks: ReadonlySet<number>, others: Iterable<number>): Set<number> => {
  const list = [...others];
  return new Set([...masks].flatMap((a) => list.map((b) => a | b)));
};

/** A thread's end: its mask, behind an amalgam or not. */
interface End {
  readonly mask: number;
  readonly behind: boolean;
}

/** Violations on which a final state may hang, gathered over the timelines of one exploration. */
export class Violations {
  /** the first violation found */
  first: { readonly pe: number; readonly amalgam: AmalgamTrail; readonly breach: Breach } | undefined;
  private found = 0;
  private bestScore = Number.POSITIVE_INFINITY;
  witness: readonly Step[] | undefined;
  breach: Breach | undefined;
  moments: readonly Moment[] | undefined;

  constructor(
    private readonly world: World,
    private readonly threads: readonly ThreadRun[],
    private readonly condition: Compiled,
    private readonly score: (records: readonly (readonly Trail[])[]) => number,
    /** what PEs may hold at each time of the witness is wanted too */
    private readonly wantsMoments: boolean,
  ) {}

  /** Could the condition hold over this timeline if whatever may come of accesses through amalgams came of them? */
  judge(runs: readonly Runs[], memory: number, anyState: boolean): void {
    if (this.found >= COMPARED) return;
    for (let pe = 0; pe < runs.length; pe++) {
      let masks = new Set<number>(runs[pe]!.amalgams.keys());
      if (masks.size === 0) continue;
      runs.forEach((other, i) => {
        if (i !== pe) masks = joined(masks, [...other.outcomes, ...other.amalgams.keys()]);
      });
      const wanted = [...masks].find((mask) => anyState || this.condition.holds(mask, memory));
      if (wanted !== undefined) this.take(runs, pe, wanted, anyState);
    }
  }

  private take(runs: readonly Runs[], pe: number, wanted: number, anyState: boolean): void {
    this.found++;
    const ends = runs.map(({ outcomes, amalgams }, i): readonly End[] => {
      const behind = [...amalgams.keys()].map((mask) => ({ mask, behind: true }));
      return i === pe ? behind : [...[...outcomes].map((mask) => ({ mask, behind: false })), ...behind];
    });
    const chosen = anyState ? ends.map((of) => of[0]!) : choice(ends, wanted);
    if (chosen === undefined) return;
    const amalgam = runs[pe]!.amalgams.get(chosen[pe]!.mask)!;
    const breach = new Breaches(this.world).tell(pe, amalgam);
    this.first ??= { pe, amalgam, breach };
    if (anyState) return;
    const records = this.threads.map((thread, i) => thread.record(chosen[i]!.mask, chosen[i]!.behind) ?? []);
    const score = this.score(records);
    if (score >= this.bestScore) return;
    this.bestScore = score;
    this.breach = breach;
    this.witness = tell(this.world, records);
    if (this.wantsMoments) this.moments = momentsOf(this.world);
  }
}

/** Ends, one of each thread, that together make the mask. */
function choice(ends: readonly (readonly End[])[], wanted: number): readonly End[] | undefined {
  const pick = (i: number, left: number): readonly End[] | undefined => {
    if (i === ends.length) return left === wanted ? [] : undefined;
    for (const end of ends[i]!) {
      if ((end.mask & ~wanted) !== 0) continue;
      const rest = pick(i + 1, left | end.mask);
      if (rest) return [end, ...rest];
    }
    return undefined;
  };
  return pick(0, 0);
}
