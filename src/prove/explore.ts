/**
 * Every timeline that the threads can make, event by event, and over each one every execution of every thread: can the final
 * state satisfy the condition? A timeline that no thread can go on with keeping its promises is cut at once.
 */

import { type Compiled, compiled } from "./condition.js";
import type { Cpu } from "./cpu.js";
import { type Observed, type Program, Unsupported } from "./program.js";
import { modelWithout, type Rule } from "./rules.js";
import { type Moment, momentsOf, type Step, tell } from "./story/index.js";
import {
  type Atom,
  type Candidate,
  LimitReached,
  type Runs,
  ThreadRun,
  type Trail,
  valueAt,
  World,
} from "./thread/index.js";
import { byWalk, Knowledge, Learned, MAX_EVENTS, NOBODY, WRITE } from "./tlb/index.js";
import { type Breach, joined, Violations } from "./violations.js";

export interface Options extends Cpu {
  /** over this many thread states the answer is unknown */
  readonly maxStates: number;
  /** milliseconds; 0 = no limit */
  readonly timeoutMs: number;
  /** rules that the model leaves out: for the test that each of them matters */
  readonly without?: ReadonlySet<Rule>;
  /** false: explore what is thought to make no difference too, much slower; for the test that it makes none */
  readonly reductions?: boolean;
  /** true: of an allowed final state also what PEs may hold at each time */
  readonly moments?: boolean;
  /** the clock in milliseconds, for the time limit */
  readonly now?: () => number;
  /** when the time that is limited began, by that clock; default: now */
  readonly begun?: number;
}

export const DEFAULT_MAX_STATES = 20_000_000;

export interface Decision {
  readonly verdict: "allowed" | "forbidden" | "unknown" | "unsupported";
  /** why, for unknown and unsupported */
  readonly reason?: string;
  /** thread states met */
  readonly states: number;
  /** complete timelines */
  readonly timelines: number;
  /** of an allowed final state: how it comes about, step by step in time */
  readonly witness?: readonly Step[];
  /** where it was asked for: how things stand at each time of the witness, 0 being before anything happens */
  readonly moments?: readonly Moment[];
  /** of an allowed final state that comes about only where break-before-make is violated: how, and what may come of it */
  readonly breach?: Breach;
  /** what besides may happen that is no final state of the program */
  readonly remark?: string;
}

/** The verdict in one word: one that hangs on a violation of break-before-make is told apart. */
export const verdictWord = ({
  verdict,
  breach,
}: Pick<Decision, "verdict" | "breach">): Decision["verdict"] | "breaks-bbm" => (breach ? "breaks-bbm" : verdict);
/** Said of what FEAT_BBM lets software do in place. */
const CONFLICT_ABORT =
  "a size was changed without break-before-make, as FEAT_BBM level 2 permits: until the TLBI is complete an access may take a TLB conflict abort, which software must be ready for unless the CPU promises none";

/** Satisfying timelines that are compared before the shortest is told. */
const COMPARED = 24;
/** Decides whether an execution that the architecture allows satisfies the condition. The same from run to run, but for the time limit. */
export const explore = (program: Program, options: Options): Decision =>
  exploring(program, options, undefined, (search) => search.decide());

/** Searches, again and again while more is learned about what the threads may do. */
function exploring(
  program: Program,
  options: Options,
  observed: readonly Observed[] | undefined,
  ask: (search: Search) => Decision,
): Decision {
  const knowledge = new Knowledge();
  let states = 0;
  const now = options.now ?? (() => performance.now());
  const deadline = options.timeoutMs > 0 ? (options.begun ?? now()) + options.timeoutMs : Number.POSITIVE_INFINITY;
  for (;;) {
    let search: Search | undefined;
    try {
      search = new Search(program, options, knowledge, states, deadline, observed);
      return ask(search);
    } catch (error) {
      const timelines = search?.timelines ?? 0;
      states = search?.world.states ?? states;
      if (error instanceof Learned) continue;
      if (error instanceof Unsupported) return { verdict: "unsupported", reason: error.message, states, timelines };
      if (error instanceof LimitReached)
        return { verdict: "unknown", reason: search?.limit() ?? "", states, timelines };
      throw error;
    }
  }
}

/** All final states of a program: a row of values for each, in the order of what was asked for. */
interface Finals {
  readonly rows: readonly (readonly bigint[])[];
  /** why these are not all of them */
  readonly incomplete?: { readonly verdict: "unknown" | "unsupported"; readonly reason: string };
}

/** Every final state that the architecture allows, as far as it is observed. */
export function finalStates(program: Program, observed: readonly Observed[], options: Options): Finals {
  let rows: readonly (readonly bigint[])[] = [];
  const decision = exploring(program, options, observed, (search) => {
    rows = search.finals();
    return { verdict: "allowed", states: 0, timelines: 0 };
  });
  const { verdict, reason = "" } = decision;
  return verdict === "unknown" || verdict === "unsupported" ? { rows, incomplete: { verdict, reason } } : { rows };
}

class Search {
  readonly world: World;
  timelines = 0;
  private readonly threads: ThreadRun[];
  private readonly condition: Compiled;
  private best: readonly Step[] | undefined;
  private moments: readonly Moment[] | undefined;
  private bestScore = Number.POSITIVE_INFINITY;
  private satisfying = 0;
  private readonly violations: Violations;

  constructor(
    program: Program,
    private readonly options: Options,
    knowledge: Knowledge,
    states: number,
    deadline: number,
    /** all final states are wanted, and this of them */
    private readonly observed?: readonly Observed[],
  ) {
    const now = options.now ?? (() => performance.now());
    this.world = new World(
      program,
      options,
      modelWithout(options.without),
      knowledge,
      {
        maxStates: options.maxStates,
        expired: () => now() > deadline,
      },
      options.reductions ?? true,
    );
    this.world.states = states;
    this.condition = compiled(observed ? { kind: "true" } : program.final, program.threads.length, this.world.values);
    const { atoms } = this.condition;
    this.threads = program.threads.map((_, i) => this.threadRun(i, atoms[i]!));
    this.violations = new Violations(
      this.world,
      this.threads,
      this.condition,
      (records) => this.score(records),
      options.moments ?? false,
    );
  }

  private threadRun(i: number, atoms: readonly Atom[]): ThreadRun {
    const mine = this.observed?.filter((one) => one.kind !== "mem" && one.thread === i);
    if (mine === undefined) return new ThreadRun(this.world, i, atoms);
    const faults = mine.flatMap((one) => (one.kind === "fault" ? [one.fault] : []));
    if (faults.length > 30) throw new Unsupported(`${faults.length} faults in a final state, expected at most 30`);
    return new ThreadRun(
      this.world,
      i,
      faults.map((one, bit): Atom => ({ faults: one, bit })),
      mine,
    );
  }

  /** Every final state, each once, in the order in which they were met. */
  finals(): readonly (readonly bigint[])[] {
    for (const thread of this.threads) thread.begin();
    this.node([]);
    // What an access gives that uses an amalgam of two entries is not known: then these are not all.
    if (this.violations.first) throw new Unsupported(this.violations.first.breach.sentence);
    const { values } = this.world;
    return [...this.met].map((key) => {
      const [outcomes, memory] = key.split(";").map((part) => part.split(",").map(Number));
      let cell = 0;
      const at = this.threads.map(() => 0);
      return this.observed!.map((one) => {
        if (one.kind === "mem") return values.big(memory![cell++]!);
        const value = this.threads[one.thread]!.seen[outcomes![one.thread]!]![at[one.thread]!++]!;
        return one.kind === "reg" || one.kind === "sysreg" ? values.big(value) : BigInt(value);
      });
    });
  }

  /** Final states met, as "numbers of the threads' outcomes;ids of values in memory". */
  private readonly met = new Set<string>();

  private meet(outcomes: readonly ReadonlySet<number>[]): void {
    const memory = this.observed!.flatMap((one) => (one.kind === "mem" ? [this.held(one.pa, one.size)] : []));
    let rows: readonly (readonly number[])[] = [[]];
    for (const set of outcomes) rows = rows.flatMap((row) => [...set].map((one) => [...row, one]));
    for (const row of rows) this.met.add(`${row.join()};${memory.join()}`);
  }

  /** The id of the value that memory holds at the end of the timeline. */
  private held(pa: number, size: number): number {
    const { timeline, cells } = this.world;
    return valueAt(this.world, cells.at(pa, size), timeline.n);
  }

  /** Which limit ended the search. */
  limit(): string {
    return this.world.late
      ? `the time limit of ${this.options.timeoutMs / 1000} s was reached`
      : this.world.states >= this.options.maxStates
        ? `the limit of ${this.options.maxStates.toLocaleString("en")} states was reached`
        : `a timeline has more than ${MAX_EVENTS} events`;
  }

  decide(): Decision {
    for (const thread of this.threads) thread.begin();
    this.node([]);
    const { states } = this.world;
    const { timelines } = this;
    const { best, moments } = this;
    if (best) return { verdict: "allowed", states, timelines, witness: best, ...(moments && { moments }) };
    const { breach, witness, moments: held } = this.violations;
    if (breach)
      return { verdict: "allowed", states, timelines, witness: witness!, breach, ...(held && { moments: held }) };
    return {
      verdict: "forbidden",
      states,
      timelines,
      ...(this.world.conflictAborts ? { remark: CONFLICT_ABORT } : {}),
    };
  }

  /** One timeline, as it stands: is it complete, and what may come next? `before` are the runs without its last event. */
  private node(before: readonly (Runs | undefined)[]): void {
    this.world.checkTime();
    const { timeline } = this.world;
    const runs = this.threads.map((thread, i) =>
      thread.code.issues || this.world.cache.knowledge.updates
        ? (this.unseen(i, before[i]) ?? thread.run(this.world.reduces ? before[i] : undefined))
        : undefined,
    );
    if (runs.every((run) => run === undefined || run.outcomes.size + run.amalgams.size > 0)) {
      const all = this.threads.map((thread, i) => runs[i] ?? thread.run());
      if (runs.every((run) => run === undefined || run.outcomes.size > 0)) this.judge(all.map((run) => run.outcomes));
      if (this.satisfying >= COMPARED) return;
      if (!this.best) this.violations.judge(all, this.memoryMask(), this.observed !== undefined);
    }
    for (const candidates of [...runs.map((run) => run?.candidates ?? []), this.flags()])
      for (const c of candidates) {
        if (this.mirrored(c)) continue;
        timeline.push(c.kind, c.thread, c.pe, c.what, c.value, c.origin);
        this.node(runs);
        timeline.n--;
        this.world.cache.truncate(timeline.n);
        if (this.satisfying >= COMPARED) return;
      }
  }

  /** The access flags that hardware may set next without being asked: no instruction fulfils that. */
  private flags(): Candidate[] {
    const { timeline, cache, program } = this.world;
    if (!cache.knowledge.updates) return [];
    return program.threads.flatMap((_, pe) =>
      cache.flags(pe, timeline.n).map(({ cell, value }) => {
        cache.constants.write(cell);
        return { kind: WRITE, thread: NOBODY, pe: byWalk(pe), what: cell, value, origin: -1, after: 0 };
      }),
    );
  }

  /** A thread's runs before the last event, when it cannot tell that the event is there: then they are its runs now. */
  private unseen(thread: number, before: Runs | undefined): Runs | undefined {
    const { timeline, cache, cells } = this.world;
    const t = timeline.n;
    if (!this.world.reduces || before === undefined || t === 0 || timeline.thread[t] === thread) return undefined;
    const what = timeline.what[t]!;
    const seen =
      timeline.kind[t] === WRITE
        ? cells.parts[what]!.some((part) => before.touched.has(part)) ||
          (cache.descriptors.has(what) && cache.knowledge.changes(thread))
        : timeline.pe[t] === thread;
    return seen ? undefined : before;
  }

  /**
   * True when the candidate and the last event do not touch each other, and the timeline with the two exchanged is explored
   * instead: one order stands for both.
   */
  private mirrored(c: Candidate): boolean {
    const { timeline } = this.world;
    const t = timeline.n;
    if (!this.world.reduces || t === 0 || c.after >= t) return false;
    const kind = timeline.kind[t]!;
    const last = { kind, pe: timeline.pe[t]! };
    // A write and a change of contexts are not apart: what follows the change is bound to see the write, or not.
    if (kind === WRITE || c.kind === WRITE || last.pe === c.pe) return false;
    const order =
      c.thread - timeline.thread[t]! || c.origin - timeline.origin[t]! || c.pe - last.pe || c.kind - last.kind;
    return order < 0;
  }

  private judge(outcomes: readonly ReadonlySet<number>[]): void {
    this.timelines++;
    if (this.observed) {
      this.meet(outcomes);
      return;
    }
    let masks = new Set<number>([0]);
    for (const set of outcomes) masks = joined(masks, set);
    const memory = this.memoryMask();
    for (const mask of masks)
      if (this.condition.holds(mask, memory)) {
        this.satisfying++;
        this.witness(outcomes, mask);
        return;
      }
  }

  private memoryMask(): number {
    let mask = 0;
    for (const { pa, value, size, bit } of this.condition.memory) if (this.held(pa, size) === value) mask |= 1 << bit;
    return mask;
  }

  /** Keeps the executions with this combined mask if they make a shorter story than the best so far. */
  private witness(outcomes: readonly ReadonlySet<number>[], mask: number): void {
    const choice: number[] = [];
    const pick = (i: number, left: number): boolean => {
      if (i === outcomes.length) return left === mask;
      for (const own of outcomes[i]!) {
        choice[i] = own;
        if ((own & ~mask) === 0 && pick(i + 1, left | own)) return true;
      }
      return false;
    };
    if (!pick(0, 0)) return;
    const records = this.threads.map((thread, i) => thread.record(choice[i]!) ?? []);
    const score = this.score(records);
    if (score >= this.bestScore) return;
    this.bestScore = score;
    this.best = tell(this.world, records);
    if (this.options.moments) this.moments = momentsOf(this.world);
  }

  /** Fewer events, fewer faults, and fewer old translations make a better story. */
  private score(records: readonly (readonly Trail[])[]): number {
    let score = 4 * this.world.timeline.n;
    for (const list of records)
      for (const record of list) {
        if (record.kind === "fault") score += 3;
        if (record.kind === "access" && record.walk.entry >= 0) score += 1;
      }
    return score;
  }
}
