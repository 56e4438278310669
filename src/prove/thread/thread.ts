/**
 * One thread over a timeline. It executes in program order; each read takes a value, each translation an outcome, and each
 * write or TLBI a place in the timeline that its views allow. With the timeline given, threads do not influence each other.
 */
import { BARRIERS } from "../../arch/index.js";
import type { Action, FaultType, Instruction, Observed, Thread } from "../program.js";
import { isPermitted, MAX_EVENTS } from "../tlb/index.js";
import { Accesses } from "./access.js";
import type { Atom } from "./atom.js";
import { latestTlbi, orderBy } from "./barriers.js";
import { Code } from "./code.js";
import { compute } from "./compute.js";
import { leastEl, UNDEFINED } from "./exception.js";
import { executeTlbi } from "./invalidate.js";
import { Outcomes } from "./outcome.js";
import { Regimes, refuseRenamed } from "./regime.js";
import type { Placing, Run } from "./run.js";
import {
  ALL_SYSREGS,
  EL,
  equal,
  hash,
  isDone,
  OPEN,
  PC,
  reg,
  regDeps,
  SP,
  STATE_SIZE,
  type State,
  setDone,
  setReg,
  setSysreg,
  sysregPlace,
  VCSE,
  VDSB,
} from "./state.js";
import type { AmalgamTrail, Trail } from "./trail.js";
import { initialSysreg, LimitReached, type World } from "./world.js";

/** An event that a thread may place next. */
export interface Candidate {
  readonly kind: number;
  readonly thread: number;
  readonly pe: number;
  readonly what: number;
  readonly value: number;
  readonly origin: number;
  /** the views that bind it: it may stand at any later time */
  readonly after: number;
}

/** What {@link ThreadRun.run} finds. */
export interface Runs {
  /** events that the thread may place right after the timeline, keeping all its promises */
  readonly candidates: readonly Candidate[];
  /** masks of the thread's atoms at its end, for executions that need no further event */
  readonly outcomes: ReadonlySet<number>;
  /** masks that it may end with behind an access through an amalgam of two entries, and that access */
  readonly amalgams: ReadonlyMap<number, AmalgamTrail>;
  /** cells that it may access on the way */
  readonly touched: ReadonlySet<number>;
  /**
   * Where runs over this timeline and a further event may begin: up to here there was nothing to choose, each event keeps its
   * promise and nothing is read that events change.
   */
  readonly checkpoint: State;
}

/** Instructions that may place an event, or read. */
const MAY_PLACE = new Set<Action["op"]>(["load", "store", "atomic", "tlbi", "msr", "svc", "hvc", "eret", "barrier"]);
/** A state that was met, with the events placed behind the base before it; `kept` = some way on keeps all promises. */
interface Visit {
  readonly state: State;
  readonly added: readonly number[];
  kept: boolean;
}

export class ThreadRun implements Run {
  private readonly thread: Thread;
  readonly code: Code;
  private readonly outcomesOf: Outcomes;
  private readonly regimes = new Regimes(this);
  private readonly accesses = new Accesses(this, this.regimes);
  private first: State | undefined;
  base = 0;
  private candidates = new Map<string, Candidate>();
  private outcomes = new Set<number>();
  private amalgams = new Map<number, AmalgamTrail>();
  private touched = new Set<number>();
  /** true as long as there was nothing to choose; then `checkpoint` follows the state, instruction by instruction */
  private linear = false;
  private checkpoint!: State;
  private visited = new Map<number, Visit[]>();
  /** the executions wanted by {@link record}: stop at the first with this mask */
  private wanted = -1;
  /** the wanted mask is one behind an amalgam */
  private behind = false;
  private log: Trail[] | undefined;
  found: readonly Trail[] | undefined;

  /** `observed`: outcomes are numbers of what is observed at the end, see {@link Outcomes.seen}; else masks of the atoms */
  constructor(
    readonly world: World,
    readonly index: number,
    atoms: readonly Atom[],
    observed?: readonly Observed[],
  ) {
    this.thread = world.program.threads[index]!;
    this.code = new Code(this.thread.code);
    this.outcomesOf = new Outcomes(this.code, atoms, observed);
  }

  /** What was observed, by the number of an outcome. */
  get seen(): readonly (readonly number[])[] {
    return this.outcomesOf.seen;
  }

  /** The state before the first instruction. */
  private initial(): State {
    if (this.first) return this.first.slice();
    const s = new Int32Array(STATE_SIZE);
    const { thread, world } = this;
    s[PC] = this.code.place(thread.entry);
    s[EL] = thread.el;
    s[SP] = thread.sp;
    for (const [r, value] of Object.entries(thread.registers)) setReg(s, Number(r), world.values.id(value), 0);
    for (const [name, value] of Object.entries(thread.sysregs)) world.takes(this.index, name, value);
    ALL_SYSREGS.forEach((name, place) => {
      setSysreg(s, place, world.values.id(initialSysreg(thread, name)), 0);
    });
    this.first = s.slice();
    return s;
  }

  /**
   * The contexts with which the PE begins. Its registers' EL1&0 context ran there before, so that it may hold entries, also
   * where the thread starts at EL2. Call once, before anything runs.
   */
  begin(): void {
    const { world, index } = this;
    const s = this.initial();
    const former = this.regimes.contexts(s);
    const live = this.regimes.live(s);
    for (const context of [...former, ...live]) world.cache.constants.know(index, context, true);
    world.cache.begin(index, former, live);
  }

  /**
   * All executions over the present timeline, with the events that may come next. `before` are the runs without the last
   * event.
   */
  run(before?: Runs): Runs {
    const { timeline } = this.world;
    this.base = timeline.n;
    this.candidates = new Map();
    this.outcomes = new Set();
    this.amalgams = new Map();
    this.touched = new Set(before?.touched);
    this.visited = new Map();
    let start: State;
    if (before) {
      start = before.checkpoint.slice();
      if (timeline.thread[timeline.n] === this.index) start[OPEN]!++;
    } else start = this.start();
    this.linear = true;
    this.checkpoint = start;
    this.explore(start.slice());
    this.linear = false;
    const { outcomes, amalgams, touched, checkpoint } = this;
    return { candidates: [...this.candidates.values()], outcomes, amalgams, touched, checkpoint };
  }

  choose(): void {
    this.linear = false;
  }

  private start(): State {
    const { timeline } = this.world;
    const s = this.initial();
    for (let t = 1; t <= timeline.n; t++) if (timeline.thread[t] === this.index) s[OPEN]!++;
    return s;
  }

  /**
   * An execution over the present timeline that ends with this mask, step by step; `behind`: that may end so behind an amalgam, where
   * its steps end. Undefined when there is none.
   */
  record(mask: number, behind = false): readonly Trail[] | undefined {
    this.behind = behind;
    this.base = this.world.timeline.n;
    this.linear = false;
    this.visited = new Map();
    this.outcomes = new Set();
    this.candidates = new Map();
    this.wanted = mask;
    this.log = [];
    this.found = undefined;
    this.explore(this.start());
    this.log = undefined;
    this.wanted = -1;
    return this.found;
  }

  explore(s: State): boolean {
    const { world } = this;
    for (;;) {
      if (this.found) return true;
      // Nothing placed after the base can be next, nor can what is bound to come after it keep a promise. A DSB does not bind
      // walks without FEAT_ETS2, nor what they write.
      const bound = world.cache.knowledge.updates && !world.ets2 ? s[VCSE]! : Math.max(s[VCSE]!, s[VDSB]!);
      if (bound > this.base) return s[OPEN] === 0;
      const at = s[PC]! < 0 ? undefined : this.code.at(s[PC]!);
      if (at === undefined || at.op === "stop") {
        if (s[OPEN] === 0 && world.timeline.n === this.base) this.end(s);
        return s[OPEN] === 0;
      }
      if (this.linear && MAY_PLACE.has(at.op)) this.checkpoint = s.slice();
      if (s[EL]! < 2 && s[EL]! < leastEl(at) && world.model["least-el"]) {
        world.tick();
        const goOn = this.regimes.exception(s, at, 1, UNDEFINED, undefined, s[PC]!);
        if (goOn !== undefined) return goOn;
        continue;
      }
      if (at.op === "tlbi") {
        world.tick();
        return executeTlbi(this, this.regimes, s, at);
      }
      if (at.op === "load" || at.op === "store" || at.op === "atomic")
        return this.branch(s, () => this.accesses.execute(s, at));
      world.tick();
      const goOn = this.simple(s, at);
      if (goOn !== undefined) return goOn;
    }
  }

  /** What has no choices, or hardly any: returns undefined to go on with the next instruction. */
  private simple(s: State, at: Instruction): boolean | undefined {
    s[PC] = this.code.next(at);
    if (at.op === "mrs") refuseRenamed(this.world, this.index, s[EL]!, at.sysreg);
    if (compute(this.world, this.code, s, at)) return undefined;
    const { regimes } = this;
    switch (at.op) {
      case "barrier": {
        const barrier = BARRIERS[at.barrier]!;
        if (barrier.kind === "ISB") return regimes.synchronise(s, at);
        orderBy(this.world, s, barrier);
        this.log?.push({ kind: "barrier", at, barrier: at.barrier, view: s[VDSB]!, tlbis: latestTlbi(s) });
        return barrier.kind === "DSB" && barrier.type === "full" ? regimes.drain(s, at) : undefined;
      }
      case "msr":
        return regimes.msr(s, at, sysregPlace(at.sysreg), reg(s, at.rt), regDeps(s, at.rt));
      case "svc":
        return regimes.exception(s, at, 1, (0x15 << 26) | (1 << 25) | at.imm, undefined, s[PC]!);
      case "hvc":
        return regimes.exception(s, at, 2, (0x16 << 26) | (1 << 25) | at.imm, undefined, s[PC]!);
      case "eret":
        return regimes.eret(s, at);
      default:
        throw new Error(`'${at.text}' has choices`);
    }
  }

  /** Explores a state with choices once; the state must not be changed afterwards. */
  private branch(s: State, choices: () => boolean): boolean {
    const { world } = this;
    world.tick();
    const { timeline } = world;
    const added: number[] = [];
    for (let t = this.base + 1; t <= timeline.n; t++)
      added.push(timeline.kind[t]!, timeline.pe[t]!, timeline.what[t]!, timeline.value[t]!);
    const key = hash(s, world.slotCount);
    const alike = this.visited.get(key);
    for (const other of alike ?? [])
      if (equal(other.state, s) && other.added.length === added.length && added.every((n, i) => n === other.added[i]))
        return other.kept;
    const visit = { state: s, added, kept: s[OPEN] === 0 };
    if (alike) alike.push(visit);
    else this.visited.set(key, [visit]);
    if (choices()) visit.kept = true;
    return visit.kept;
  }

  private end(s: State): void {
    const outcome = this.outcomesOf.of(s);
    this.outcomes.add(outcome);
    if (this.log && !this.behind && this.outcomesOf.areMasks && outcome === this.wanted) this.found = [...this.log];
  }

  amalgamated(s: State, amalgam: AmalgamTrail): void {
    const { world, base } = this;
    if (world.timeline.n !== base || world.program.ordinaryChanges || !world.model["break-before-make"]) return;
    if (isPermitted(amalgam.conflict, world.cpu.bbm)) {
      world.conflictAborts = true;
      return;
    }
    // What no instruction behind the access writes is as it is.
    const masks = this.outcomesOf.anyFrom(s);
    for (const mask of masks) if (!this.amalgams.has(mask)) this.amalgams.set(mask, amalgam);
    if (this.log && this.behind && masks.includes(this.wanted)) this.found = [...this.log, amalgam];
  }

  noted(record: Trail, then: () => boolean): boolean {
    if (!this.log) return then();
    const { length } = this.log;
    this.log.push(record);
    const result = then();
    this.log.length = length;
    return result;
  }

  faultBits(at: Instruction, va: number, type: FaultType): number {
    return this.outcomesOf.faultBits(at, va, type);
  }

  touch(cell: number): void {
    for (const part of this.world.cells.parts[cell]!) this.touched.add(part);
  }

  placeEvent(s: State, event: Placing, then: (next: State, time: number) => boolean): boolean {
    const { at, kind, pe, what, value, after, before } = event;
    const { timeline, cache } = this.world;
    const origin = this.code.place(at.address);
    for (let t = after + 1; t <= timeline.n && t < before; t++)
      if (
        timeline.thread[t] === this.index &&
        timeline.origin[t] === origin &&
        timeline.kind[t] === kind &&
        timeline.pe[t] === pe &&
        timeline.what[t] === what &&
        timeline.value[t] === value &&
        t <= this.base &&
        !isDone(s, t)
      ) {
        const next = s.slice();
        setDone(next, t);
        next[OPEN]!--;
        return then(next, t);
      }
    this.choose();
    const t = timeline.n + 1;
    if (t >= before || this.log) return false;
    if (t > MAX_EVENTS) throw new LimitReached();
    timeline.push(kind, this.index, pe, what, value, origin);
    const kept = then(s.slice(), t);
    timeline.n--;
    cache.truncate(timeline.n);
    if (kept && after <= this.base) {
      const candidate = { kind, thread: this.index, pe, what, value, origin, after };
      const key = `${kind}.${pe}.${what}.${value}.${origin}`;
      const known = this.candidates.get(key);
      if (!known || known.after > after) this.candidates.set(key, candidate);
    }
    return kept;
  }
}
