/**
 * Every timeline that the threads can make, event by event, and over each one every execution of every thread: can the final
 * state satisfy the condition? A timeline that no thread can go on with keeping its promises is cut at once.
 */

import type { Cpu } from "./cpu.js";
import { type Condition, type Program, Unsupported } from "./program.js";
import { modelWithout, type Rule } from "./rules.js";
import { type Step, tell } from "./story/index.js";
import { type Atom, type Candidate, LimitReached, type Runs, ThreadRun, type Trail, World } from "./thread/index.js";
import { byWalk, Knowledge, Learned, MAX_EVENTS, NOBODY, WRITE } from "./tlb/index.js";

export interface Options extends Cpu {
  /** over this many thread states the answer is unknown */
  readonly maxStates: number;
  /** milliseconds; 0 = no limit */
  readonly timeoutMs: number;
  /** rules that the model leaves out: for the test that each of them matters */
  readonly without?: ReadonlySet<Rule>;
  /** false: explore what is thought to make no difference too, much slower; for the test that it makes none */
  readonly reductions?: boolean;
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
}

/** Satisfying timelines that are compared before the shortest is told. */
const COMPARED = 24;
/** Decides whether an execution that the architecture allows satisfies the condition. The same from run to run, but for the time limit. */
export function explore(program: Program, options: Options): Decision {
  const knowledge = new Knowledge();
  let states = 0;
  const now = options.now ?? (() => performance.now());
  const deadline = options.timeoutMs > 0 ? (options.begun ?? now()) + options.timeoutMs : Number.POSITIVE_INFINITY;
  for (;;) {
    let search: Search | undefined;
    try {
      search = new Search(program, options, knowledge, states, deadline);
      return search.decide();
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

class Search {
  readonly world: World;
  timelines = 0;
  private readonly threads: ThreadRun[];
  private readonly condition: (threads: number, memory: number) => boolean;
  private readonly memoryAtoms: { pa: number; value: bigint; size: number; bit: number }[] = [];
  private best: readonly Step[] | undefined;
  private bestScore = Number.POSITIVE_INFINITY;
  private satisfying = 0;

  constructor(
    program: Program,
    private readonly options: Options,
    knowledge: Knowledge,
    states: number,
    deadline: number,
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
    const atoms: Atom[][] = program.threads.map(() => []);
    let bits = 0;
    const known = new Map<string, number>();
    /** One bit for atoms that say the same. */
    const bitOf = (key: string, made: (bit: number) => void): number => {
      const bit = known.get(key) ?? bits++;
      if (!known.has(key)) made(bit);
      known.set(key, bit);
      return bit;
    };
    const compile = (c: Condition): ((threads: number, memory: number) => boolean) => {
      switch (c.kind) {
        case "true":
        case "false":
          return () => c.kind === "true";
        case "not": {
          const of = compile(c.of);
          return (t, m) => !of(t, m);
        }
        case "and":
        case "or": {
          const of = c.of.map(compile);
          return c.kind === "and" ? (t, m) => of.every((f) => f(t, m)) : (t, m) => of.some((f) => f(t, m));
        }
        case "reg": {
          const value = this.world.values.id(c.value);
          const bit = bitOf(`reg ${c.thread} ${c.reg} ${value}`, (bit) => {
            atoms[c.thread]!.push({ reg: c.reg, value, bit });
          });
          return (t) => (t & (1 << bit)) !== 0;
        }
        case "sysreg": {
          const value = this.world.values.id(c.value);
          const bit = bitOf(`sysreg ${c.thread} ${c.sysreg} ${value}`, (bit) => {
            atoms[c.thread]!.push({ sysreg: c.sysreg, value, bit });
          });
          return (t) => (t & (1 << bit)) !== 0;
        }
        case "pc": {
          const bit = bitOf(`pc ${c.thread} ${c.address}`, (bit) => {
            atoms[c.thread]!.push({ pc: c.address, bit });
          });
          return (t) => (t & (1 << bit)) !== 0;
        }
        case "mem": {
          const { pa, value, size = 8 } = c;
          const bit = bitOf(`mem ${pa} ${size} ${value}`, (bit) => {
            this.memoryAtoms.push({ pa, value, size, bit });
          });
          return (_, m) => (m & (1 << bit)) !== 0;
        }
        case "fault": {
          const bit = bitOf(`fault ${c.thread} ${JSON.stringify(c.fault)}`, (bit) => {
            atoms[c.thread]!.push({ faults: c.fault, bit });
          });
          return (t) => (t & (1 << bit)) !== 0;
        }
      }
    };
    this.condition = compile(program.final);
    if (bits > 30) throw new Unsupported(`an assertion of ${bits} parts, expected at most 30`);
    this.threads = program.threads.map((_, i) => new ThreadRun(this.world, i, atoms[i]!));
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
    return this.best
      ? { verdict: "allowed", states, timelines, witness: this.best }
      : { verdict: "forbidden", states, timelines };
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
    if (runs.every((run) => run === undefined || run.outcomes.size > 0)) {
      this.judge(this.threads.map((thread, i) => (runs[i] ?? thread.run()).outcomes));
      if (this.satisfying >= COMPARED) return;
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
    const { timeline, cache } = this.world;
    const t = timeline.n;
    if (!this.world.reduces || before === undefined || t === 0 || timeline.thread[t] === thread) return undefined;
    const what = timeline.what[t]!;
    const seen =
      timeline.kind[t] === WRITE
        ? before.touched.has(what) || (cache.descriptors.has(what) && cache.knowledge.changes(thread))
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
    let masks = new Set<number>([0]);
    for (const set of outcomes) {
      const next = new Set<number>();
      for (const a of masks) for (const b of set) next.add(a | b);
      masks = next;
    }
    const memory = this.memoryMask();
    for (const mask of masks)
      if (this.condition(mask, memory)) {
        this.satisfying++;
        this.witness(outcomes, mask);
        return;
      }
  }

  private memoryMask(): number {
    const { timeline, cells, values } = this.world;
    let mask = 0;
    for (const { pa, value, size, bit } of this.memoryAtoms) {
      const cell = cells.at(pa, size);
      const t = timeline.lastWrite(cell, timeline.n);
      if ((t === 0 ? cells.initial[cell] : timeline.value[t]) === values.id(value)) mask |= 1 << bit;
    }
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
