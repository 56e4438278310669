/**
 * One thread over a timeline. It executes in program order; each read takes a value, each translation an outcome, and each
 * write or TLBI a place in the timeline that its views allow. With the timeline given, threads do not influence each other.
 */
import { BARRIERS, completesTlbi, TLBI_OPS } from "../arch/index.js";
import { type Context, EL10, type Leaf, type WalkFault } from "./entry.js";
import {
  type AccessKind,
  permitted,
  syndrome,
  VECTOR_CURRENT_SP0,
  VECTOR_CURRENT_SPX,
  VECTOR_LOWER,
} from "./exception.js";
import { peKey } from "./maycache.js";
import type { Action, Instruction, Operand, Thread } from "./program.js";
import {
  ALL_SYSREGS,
  coherence,
  EL,
  EPOCH,
  equal,
  FLAGS,
  FLAGS_VIEW,
  forward,
  forwardView,
  hash,
  isDone,
  MAX_PENDING,
  MONITOR,
  MONITOR_TIME,
  OPEN,
  PC,
  PENDING,
  raise,
  raiseCoherence,
  reg,
  regView,
  SP,
  STATE_SIZE,
  type State,
  setDone,
  setForward,
  setReg,
  setSysreg,
  sysreg,
  sysregPlace,
  sysregView,
  TLBI_INNER,
  TLBI_OUTER,
  TLBI_OWN,
  VACQ,
  VCSE,
  VDMB,
  VDMB_ST,
  VDSB,
  VMSR,
  VOWN,
  VRD,
  VREL,
  VSPEC,
  VWR,
} from "./state.js";
import { CONTEXT, INVALIDATE, MAX_EVENTS, Unsupported, WRITE } from "./timeline.js";
import { holds } from "./values.js";
import { initialSysreg, LimitReached, PLACE, type World } from "./world.js";

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

/** One thing that a thread did, for stories. */
export type Record =
  | {
      readonly kind: "access";
      readonly at: Instruction;
      readonly read: boolean;
      readonly value: number;
      readonly va: number;
      readonly cell: number;
      readonly time: number;
      readonly view: number;
      readonly walk: Walked;
    }
  | {
      readonly kind: "fault";
      readonly at: Instruction;
      readonly va: number;
      readonly view: number;
      readonly walk: Walked;
      readonly what: string;
    }
  | { readonly kind: "event"; readonly at: Instruction; readonly time: number }
  /** a TLBI with the PEs at which it arrives as an event; it comes after `view` */
  | {
      readonly kind: "tlbi";
      readonly invalidation: number;
      readonly local: boolean;
      readonly targets: readonly number[];
      readonly view: number;
    }
  /** `view` is what a DSB has waited for, `tlbis` the latest arrival of a TLBI before it (0 = none) */
  | { readonly kind: "barrier"; readonly barrier: number; readonly view: number; readonly tlbis: number };

/** How an access was translated: `entry` is the combined entry used, -1 where nothing of the walk can change. */
export interface Walked {
  readonly context: Context;
  readonly entry: number;
  readonly leaf: Leaf | undefined;
  readonly fault: WalkFault | undefined;
  /** the time at which the PE held it */
  readonly time: number;
  /** the time of the invalidation by which an access through it is complete; Infinity = none */
  readonly deadline: number;
}

/** What {@link ThreadRun.run} finds. */
export interface Runs {
  /** events that the thread may place right after the timeline, keeping all its promises */
  readonly candidates: readonly Candidate[];
  /** masks of the thread's atoms at its end, for executions that need no further event */
  readonly outcomes: ReadonlySet<number>;
  /** cells that it may access on the way */
  readonly touched: ReadonlySet<number>;
  /**
   * Where runs over this timeline and a further event may begin: up to here there was nothing to choose, each event keeps its
   * promise and nothing is read that events change.
   */
  readonly checkpoint: State;
}

/** A condition's atom about this thread: bit `bit` is set when register `reg` ends with the value. */
export interface Atom {
  readonly reg: number;
  readonly value: number;
  readonly bit: number;
}

const IP = { esr1: sysregPlace("ESR_EL1"), esr2: sysregPlace("ESR_EL2"), elr1: sysregPlace("ELR_EL1"), elr2: sysregPlace("ELR_EL2"), spsr1: sysregPlace("SPSR_EL1"), spsr2: sysregPlace("SPSR_EL2"), far1: sysregPlace("FAR_EL1"), far2: sysregPlace("FAR_EL2"), hpfar: sysregPlace("HPFAR_EL2"), vbar1: sysregPlace("VBAR_EL1"), vbar2: sysregPlace("VBAR_EL2") }; // biome-ignore format: a table
/** Instructions that may place an event, or read. */
const MAY_PLACE = new Set<Action["op"]>(["load", "store", "atomic", "tlbi", "msr", "svc", "hvc", "eret", "barrier"]);
/** Registers whose writes count for translation only after a context synchronisation event. */
const CONTEXT_REGISTERS = new Set([
  PLACE.ttbr0,
  PLACE.ttbr1,
  PLACE.vttbr,
  PLACE.hcr,
  PLACE.sctlr1,
  PLACE.ttbr0El2,
  PLACE.sctlr2,
]);

type Load = Extract<Action, { op: "load" }> & Instruction;
type Store = Extract<Action, { op: "store" }> & Instruction;
type Atomic = Extract<Action, { op: "atomic" }> & Instruction;
type Tlbi = Extract<Action, { op: "tlbi" }> & Instruction;

/** A state that was met, with the events placed behind the base before it; `kept` = some way on keeps all promises. */
interface Visit {
  readonly state: State;
  readonly added: readonly number[];
  kept: boolean;
}

export class ThreadRun {
  private readonly thread: Thread;
  private readonly code: readonly Instruction[];
  private readonly place = new Map<number, number>();
  /** true when it may place events at all */
  readonly issues: boolean;
  private first: State | undefined;
  /** by place at EL2: can an ERET be reached? */
  private readonly returns = new Map<number, boolean>();
  private base = 0;
  private candidates = new Map<string, Candidate>();
  private outcomes = new Set<number>();
  private touched = new Set<number>();
  /** true as long as there was nothing to choose; then `checkpoint` follows the state, instruction by instruction */
  private linear = false;
  private checkpoint!: State;
  private visited = new Map<number, Visit[]>();
  /** the executions wanted by {@link record}: stop at the first with this mask */
  private wanted = -1;
  private log: Record[] | undefined;
  private found: readonly Record[] | undefined;

  constructor(
    private readonly world: World,
    private readonly index: number,
    private readonly atoms: readonly Atom[],
  ) {
    this.thread = world.program.threads[index]!;
    this.code = this.thread.code;
    this.code.forEach((instruction, i) => {
      this.place.set(instruction.address, i);
    });
    this.issues = this.code.some(
      ({ op }) => op === "store" || op === "atomic" || op === "tlbi" || op === "msr" || op === "hvc" || op === "eret",
    );
  }

  /** The state before the first instruction. */
  private initial(): State {
    if (this.first) return this.first.slice();
    const s = new Int32Array(STATE_SIZE);
    const { thread, world } = this;
    s[PC] = this.place.get(thread.entry) ?? -1;
    s[EL] = thread.el;
    s[SP] = thread.sp;
    for (const [r, value] of Object.entries(thread.registers)) setReg(s, Number(r), world.values.id(value), 0);
    ALL_SYSREGS.forEach((name, place) => {
      setSysreg(s, place, world.values.id(initialSysreg(thread, name)), 0);
    });
    this.first = s.slice();
    return s;
  }

  /** The contexts with which the PE begins: all that ran on it, and those live now. Call once, before anything runs. */
  begin(): void {
    const { world, index, thread } = this;
    const s = this.initial();
    const id = (value: bigint): number => world.values.id(value);
    const el2 = this.el2Context(s);
    const own = this.contexts(s);
    const former = (thread.former ?? []).map((c) =>
      world.el10Context(id(c.ttbr0), id(c.ttbr1), id(c.vttbr), sysreg(s, PLACE.hcr), sysreg(s, PLACE.sctlr1)),
    );
    for (const context of [...own, ...former, el2]) world.cache.know(index, context, true);
    const live = thread.el === 2 && !world.without.has("out-of-context") ? [el2] : [...own, el2];
    world.cache.begin(index, [...own, ...former], live);
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
    return { candidates: [...this.candidates.values()], outcomes: this.outcomes, touched: this.touched, checkpoint: this.checkpoint }; // biome-ignore format: one row
  }

  /** There is something to choose: later runs begin here. */
  private choose(): void {
    this.linear = false;
  }

  private start(): State {
    const { timeline } = this.world;
    const s = this.initial();
    for (let t = 1; t <= timeline.n; t++) if (timeline.thread[t] === this.index) s[OPEN]!++;
    return s;
  }

  /** An execution over the present timeline that ends with this mask, step by step; undefined when there is none. */
  record(mask: number): readonly Record[] | undefined {
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

  /** Goes on from a state, which it may change; true when some way on keeps all promises. */
  private explore(s: State): boolean {
    const { world } = this;
    for (;;) {
      if (this.found) return true;
      // Nothing placed after the base can be next, nor can what is bound to come after it keep a promise.
      if (s[VDSB]! > this.base || s[VCSE]! > this.base) return s[OPEN] === 0;
      if (s[PC]! < 0) {
        if (s[OPEN] === 0 && world.timeline.n === this.base) this.end(s);
        return s[OPEN] === 0;
      }
      const at = this.code[s[PC]!]!;
      if (this.linear && MAY_PLACE.has(at.op)) this.checkpoint = s.slice();
      if (at.op === "tlbi") {
        world.tick();
        return this.tlbi(s, at);
      }
      if (at.op === "load" || at.op === "store" || at.op === "atomic") return this.branch(s, () => this.access(s, at));
      world.tick();
      const goOn = this.simple(s, at);
      if (goOn !== undefined) return goOn;
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
    let mask = 0;
    for (const { reg: r, value, bit } of this.atoms) if (reg(s, r) === value) mask |= 1 << bit;
    this.outcomes.add(mask);
    if (this.log && mask === this.wanted) this.found = [...this.log];
  }

  /** Does `then` with the log as it was taken back afterwards. */
  private noted(record: Record, then: () => boolean): boolean {
    if (!this.log) return then();
    const { length } = this.log;
    this.log.push(record);
    const result = then();
    this.log.length = length;
    return result;
  }

  private view(s: State, r: number): number {
    return this.world.without.has("dependency") ? 0 : regView(s, r);
  }

  private operand(s: State, o: Operand): { value: number; view: number } {
    const { values } = this.world;
    if ("imm" in o) return { value: values.id(o.imm), view: 0 };
    const value = o.extend ? values.extended(reg(s, o.reg), o.extend) : reg(s, o.reg);
    const shifted = o.shift ? values.alu("lsl", value, values.id(BigInt(o.shift))) : value;
    return { value: shifted, view: this.view(s, o.reg) };
  }

  /** What has no choices, or hardly any: returns undefined to go on with the next instruction. */
  private simple(s: State, at: Instruction): boolean | undefined {
    const { world } = this;
    const { values, without } = world;
    s[PC] = this.next(at);
    switch (at.op) {
      case "nop":
        return undefined;
      case "alu": {
        const a = at.kind === "movk" ? at.rd : at.rn;
        const b = this.operand(s, at.operand);
        const second = at.imms ? values.id(BigInt(at.imms[0] + 64 * at.imms[1])) : b.value;
        const view = Math.max(at.kind === "mov" || at.kind === "mvn" ? 0 : this.view(s, a), b.view);
        if (at.flags) {
          s[FLAGS] = values.flags(at.kind, reg(s, a), second, at.word);
          s[FLAGS_VIEW] = view;
        }
        setReg(s, at.rd, values.alu(at.kind, reg(s, a), second, at.word), view);
        return undefined;
      }
      case "csel": {
        const first = holds(at.cond, s[FLAGS]!);
        const chosen = first ? reg(s, at.rn) : secondOf(at.kind, reg(s, at.rm), values);
        const value = at.word ? values.extended(chosen, "uxtw") : chosen;
        const flagsView = without.has("dependency") ? 0 : s[FLAGS_VIEW]!;
        setReg(s, at.rd, value, Math.max(flagsView, this.view(s, at.rn), this.view(s, at.rm)));
        return undefined;
      }
      case "branch":
        if (at.cond !== "al") raise(s, VSPEC, s[FLAGS_VIEW]!);
        if (holds(at.cond, s[FLAGS]!)) s[PC] = this.place.get(at.target) ?? -1;
        return undefined;
      case "cbz": {
        raise(s, VSPEC, regView(s, at.rt));
        const value = values.big(at.word ? values.extended(reg(s, at.rt), "uxtw") : reg(s, at.rt));
        const zero = at.bit === undefined ? value === 0n : ((value >> BigInt(at.bit)) & 1n) === 0n;
        if (zero !== at.nonzero) s[PC] = this.place.get(at.target) ?? -1;
        return undefined;
      }
      case "barrier":
        return this.barrier(s, at);
      case "mrs":
        setReg(s, at.rt, sysreg(s, sysregPlace(at.sysreg)), sysregView(s, sysregPlace(at.sysreg)));
        return undefined;
      case "msr":
        return this.msr(s, at, sysregPlace(at.sysreg), reg(s, at.rt), regView(s, at.rt));
      case "svc":
        return this.exception(s, at, 1, (0x15 << 26) | (1 << 25) | at.imm, undefined, s[PC]!);
      case "hvc":
        return this.exception(s, at, 2, (0x16 << 26) | (1 << 25) | at.imm, undefined, s[PC]!);
      case "eret":
        return this.eret(s, at);
      default:
        throw new Error(`'${at.text}' has choices`);
    }
  }

  private next(at: Instruction): number {
    return this.place.get(at.address + 4) ?? -1;
  }

  private barrier(s: State, at: Instruction & { op: "barrier" }): boolean | undefined {
    const barrier = BARRIERS[at.barrier]!;
    const { without } = this.world;
    if (barrier.kind === "ISB") return this.synchronise(s, at);
    const accesses = barrier.type === "ST" ? s[VWR]! : barrier.type === "LD" ? s[VRD]! : Math.max(s[VRD]!, s[VWR]!);
    const own = barrier.domain === "NSH" && !without.has("dsb-domain");
    if (barrier.kind === "DMB" || without.has("dsb-order")) {
      // A DMB NSH orders accesses as the PE itself observes them, which program order does already.
      if (!own && !without.has("dmb-order"))
        if (barrier.type === "ST") raise(s, VDMB_ST, accesses);
        else raise(s, VDMB, accesses);
    } else raise(s, own ? VOWN : VDSB, accesses);
    if (barrier.kind === "DSB") this.completeTlbis(s, barrier, own);
    const tlbis = Math.max(s[TLBI_OWN]!, s[TLBI_INNER]!, s[TLBI_OUTER]!);
    this.log?.push({ kind: "barrier", barrier: at.barrier, view: s[VDSB]!, tlbis });
    return undefined;
  }

  private completeTlbis(s: State, barrier: (typeof BARRIERS)[number], own: boolean): void {
    const { without } = this.world;
    if (completesTlbi(barrier) === "none" && !without.has("tlbi-completion")) return;
    const wide = !own;
    const outer = barrier.domain === "OSH" || barrier.domain === "SY";
    for (const nXS of [0, 3]) {
      if (nXS === 0 && barrier.nXS) continue;
      raise(s, VDSB, s[TLBI_OWN + nXS]!);
      if (wide) raise(s, VDSB, s[TLBI_INNER + nXS]!);
      if (wide && outer) raise(s, VDSB, s[TLBI_OUTER + nXS]!);
    }
    if (wide && s[EPOCH]! < 1000) s[EPOCH]!++;
  }

  /** A context synchronisation event that stays in the same regime. */
  private synchronise(s: State, at: Instruction): boolean | undefined {
    this.raiseContext(s);
    if (s[PENDING] === 0) return undefined;
    const before = this.contexts(s);
    this.settle(s);
    return this.liveChanges(s, at, before);
  }

  private raiseContext(s: State): void {
    if (this.world.without.has("isb-order")) return;
    raise(s, VCSE, Math.max(s[VSPEC]!, s[VMSR]!, s[VDSB]!, s[VOWN]!));
  }

  /** Pending writes of system registers are certain from now on. */
  private settle(s: State): void {
    s[PENDING] = 0;
    for (let i = 1; i <= 2 * MAX_PENDING; i++) s[PENDING + i] = 0;
    s[VMSR] = 0;
  }

  private msr(s: State, at: Instruction, place: number, value: number, view: number): boolean | undefined {
    const { world } = this;
    if (!CONTEXT_REGISTERS.has(place) || world.without.has("context-sync")) {
      const before = CONTEXT_REGISTERS.has(place) ? this.contexts(s) : [];
      setSysreg(s, place, value, view);
      return before.length > 0 ? this.liveChanges(s, at, before) : undefined;
    }
    const before = this.contexts(s);
    // The old value may go on being used: it is kept as pending, the register itself has the new one.
    const n = s[PENDING]!;
    if (n === MAX_PENDING) throw new Unsupported(`more than ${MAX_PENDING} system register writes without an ISB`);
    s[PENDING + 1 + 2 * n] = place;
    s[PENDING + 2 + 2 * n] = sysreg(s, place);
    s[PENDING] = n + 1;
    setSysreg(s, place, value, view);
    raise(s, VMSR, view);
    return this.liveChanges(s, at, before);
  }

  /** Values of a system register that translation may use now: the current one, and former ones not yet synchronised away. */
  private options(s: State, place: number): number[] {
    const list = [sysreg(s, place)];
    for (let i = 0; i < s[PENDING]!; i++)
      if (s[PENDING + 1 + 2 * i] === place && !list.includes(s[PENDING + 2 + 2 * i]!))
        list.push(s[PENDING + 2 + 2 * i]!);
    return list;
  }

  /** The EL1&0 contexts that the registers may stand for. */
  private contexts(s: State): readonly Context[] {
    if (s[PENDING] === 0) return this.world.el10Only(s);
    const list: Context[] = [];
    for (const ttbr0 of this.options(s, PLACE.ttbr0))
      for (const ttbr1 of this.options(s, PLACE.ttbr1))
        for (const vttbr of this.options(s, PLACE.vttbr))
          for (const hcr of this.options(s, PLACE.hcr))
            for (const sctlr of this.options(s, PLACE.sctlr1)) {
              const context = this.world.el10Context(ttbr0, ttbr1, vttbr, hcr, sctlr);
              if (!list.includes(context)) list.push(context);
            }
    return list;
  }

  private el2Context(s: State): Context {
    return this.world.el2Context(sysreg(s, PLACE.ttbr0El2), sysreg(s, PLACE.sctlr2));
  }

  /** Registers have changed: where the PE may walk for EL1&0 now, an event says for which contexts. */
  private liveChanges(s: State, at: Instruction, before: readonly Context[]): boolean | undefined {
    if (s[EL] === 2 && !this.world.without.has("out-of-context")) return undefined;
    const now = this.contexts(s);
    if (now.length === before.length && now.every((c) => before.includes(c))) return undefined;
    return this.live(s, at, now);
  }

  /** From now on the PE may walk for these EL1&0 contexts. Undefined when that makes no difference to anything. */
  private live(s: State, at: Instruction, contexts: readonly Context[]): boolean | undefined {
    const { cache } = this.world;
    for (const context of contexts) cache.know(this.index, context);
    if (this.world.reduces && (!cache.matters(this.index, EL10) || !this.comesBack(s))) return undefined;
    const set = cache.liveSet([...contexts, this.el2Context(s)]);
    const after = Math.max(s[VCSE]!, s[VDSB]!, s[VSPEC]!, s[VMSR]!);
    return this.placeEvent(s, at, CONTEXT, this.index, set, 0, after, Number.POSITIVE_INFINITY, (next, time) => {
      raise(next, VCSE, time);
      return this.noted({ kind: "event", at, time }, () => this.explore(next));
    });
  }

  /** True when the thread may be at EL1 or EL0 from here on: it is, or an ERET can be reached. */
  private comesBack(s: State): boolean {
    if (s[EL]! < 2) return true;
    let known = this.returns.get(s[PC]!);
    if (known === undefined) {
      const seen = new Set<number>();
      const open = [s[PC]!];
      known = false;
      while (open.length > 0 && !known) {
        const at = open.pop()!;
        if (at < 0 || seen.has(at)) continue;
        seen.add(at);
        const i = this.code[at]!;
        known = i.op === "eret";
        if (i.op !== "branch" || i.cond !== "al") open.push(this.next(i));
        if (i.op === "branch" || i.op === "cbz") open.push(this.place.get(i.target) ?? -1);
        // A fault at EL2 goes to another handler.
        if (i.op === "load" || i.op === "store" || i.op === "atomic")
          known ||= this.code.some(({ op }) => op === "eret");
      }
      this.returns.set(s[PC]!, known);
    }
    return known;
  }

  /**
   * Takes an exception to an EL: `esr` without its fault address, `fault` gives that; `back` is the index of the instruction
   * to come back to.
   */
  private exception(
    s: State,
    at: Instruction,
    el: 1 | 2,
    esr: number,
    fault: { va: number; ipa: number; view: number } | undefined,
    back: number,
  ): boolean | undefined {
    const { values } = this.world;
    const view = fault?.view ?? 0;
    raise(s, VSPEC, view);
    const before = this.contexts(s);
    this.raiseContext(s);
    const address = back >= 0 ? this.code[back]!.address : at.address + 4;
    const spsr = s[FLAGS]! * 2 ** 28 + s[EL]! * 4 + (s[EL] === 0 ? 0 : s[SP]!);
    setSysreg(s, el === 1 ? IP.esr1 : IP.esr2, values.ofNumber(esr >>> 0), view);
    setSysreg(s, el === 1 ? IP.elr1 : IP.elr2, values.ofNumber(address), 0);
    setSysreg(s, el === 1 ? IP.spsr1 : IP.spsr2, values.ofNumber(spsr), s[FLAGS_VIEW]!);
    if (fault) {
      setSysreg(s, el === 1 ? IP.far1 : IP.far2, values.ofNumber(fault.va), view);
      if (el === 2 && fault.ipa >= 0) setSysreg(s, IP.hpfar, values.ofNumber(fault.ipa * 16), view);
    }
    const from = s[EL]!;
    const offset = el > from ? VECTOR_LOWER : s[SP] === 1 ? VECTOR_CURRENT_SPX : VECTOR_CURRENT_SP0;
    s[PC] = this.vector(values.low48(sysreg(s, el === 1 ? IP.vbar1 : IP.vbar2)), offset);
    s[EL] = el;
    s[SP] = 1;
    const pending = s[PENDING]! > 0;
    this.settle(s);
    if (el === 2 && from < 2 && !this.world.without.has("out-of-context")) return this.live(s, at, []);
    return pending ? this.liveChanges(s, at, before) : undefined;
  }

  /** The code at a vector; a table with one handler elsewhere has it used, as the published tool does. */
  private vector(base: number, offset: number): number {
    const exact = this.place.get(base + offset);
    if (exact !== undefined) return exact;
    const starts = this.code.filter(
      ({ address }) => address >= base && address < base + 0x800 && !this.place.has(address - 4),
    );
    return starts.length === 1 ? this.place.get(starts[0]!.address)! : -1;
  }

  private eret(s: State, at: Instruction): boolean | undefined {
    const { values } = this.world;
    if (s[EL] === 0) throw new Unsupported("ERET at EL0");
    const from = s[EL]!;
    const [elr, spsr] = from === 1 ? [IP.elr1, IP.spsr1] : [IP.elr2, IP.spsr2];
    const before = this.contexts(s);
    raise(s, VSPEC, Math.max(sysregView(s, elr), sysregView(s, spsr)));
    this.raiseContext(s);
    const state = values.low48(sysreg(s, spsr));
    const to = (state >>> 2) & 3;
    if (to > from) throw new Unsupported(`ERET from EL${from} to EL${to}`);
    s[PC] = this.place.get(values.low48(sysreg(s, elr))) ?? -1;
    s[EL] = to;
    s[SP] = state & 1;
    s[FLAGS] = Math.floor(state / 2 ** 28) & 15;
    s[FLAGS_VIEW] = sysregView(s, spsr);
    const pending = s[PENDING]! > 0;
    this.settle(s);
    if (from === 2 && to < 2) return this.live(s, at, this.contexts(s));
    return pending ? this.liveChanges(s, at, before) : undefined;
  }

  /**
   * Places an event: at the time of the promise that it keeps, or at the end of the timeline. It must come after `after` and
   * before `before`. `then` goes on with a state of its own.
   */
  private placeEvent(
    s: State,
    at: Instruction,
    kind: number,
    pe: number,
    what: number,
    value: number,
    after: number,
    before: number,
    then: (next: State, time: number) => boolean,
  ): boolean {
    const { timeline, cache } = this.world;
    const origin = this.place.get(at.address)!;
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

  private tlbi(s: State, at: Tlbi): boolean {
    const { world } = this;
    const op = TLBI_OPS[at.tlbi]!;
    const vmids = new Set(this.options(s, PLACE.vttbr).map((v) => world.vmidOf(v)));
    const operand = world.values.big(reg(s, at.rt));
    const local =
      op.reach === "local" &&
      !world.without.has("broadcast") &&
      !(s[EL]! < 2 && op.regime === "EL1&0" && world.forcesBroadcast(sysreg(s, PLACE.hcr)));
    const bound = Math.max(
      s[VDSB]!,
      s[VCSE]!,
      s[VSPEC]!,
      this.view(s, at.rt),
      world.without.has("write-before-tlbi") ? s[VWR]! : 0,
    );
    const earlier = world.without.has("tlbi-unordered") ? Math.max(s[TLBI_OWN]!, s[TLBI_INNER]!, s[TLBI_OUTER]!) : 0;
    const after = Math.max(bound, earlier);
    const wide = TLBI_INNER + (op.reach === "outer" ? 1 : 0) + (op.nXS ? 3 : 0);
    if (vmids.size > 1) this.choose();
    let kept = false;
    for (const vmid of vmids) {
      const invalidation = world.catalogue.invalidation(at.tlbi, operand, vmid);
      const { id } = invalidation;
      const targets = world.targets(invalidation, local ? this.index : undefined);
      const record = { kind: "tlbi", invalidation: id, local, targets, view: after } as const;
      const deliver = (state: State, i: number): boolean => {
        if (i === targets.length) {
          const next = i === 0 ? state.slice() : state;
          next[PC] = this.next(at);
          return this.explore(next);
        }
        const pe = targets[i]!;
        const bound = pe === this.index ? Math.max(after, state[VOWN]!) : after;
        return this.placeEvent(
          state,
          at,
          INVALIDATE,
          pe,
          id,
          local ? -1 : state[EPOCH]!,
          bound,
          Number.POSITIVE_INFINITY,
          (next, time) => {
            raise(next, pe === this.index ? TLBI_OWN + (op.nXS ? 3 : 0) : wide, time);
            return this.noted({ kind: "event", at, time }, () => deliver(next, i + 1));
          },
        );
      };
      if (this.noted(record, () => deliver(s, 0))) kept = true;
    }
    return kept;
  }

  /** The VA of an access, and the view of its address. */
  private address(s: State, at: Load | Store | Atomic): { va: number; view: number } {
    const { values } = this.world;
    let value = reg(s, at.rn);
    let view = this.view(s, at.rn);
    if (at.op !== "atomic") {
      const offset = this.operand(s, at.offset);
      value = values.alu("add", value, offset.value);
      view = Math.max(view, offset.view);
    }
    // 48 bits count: low and high VAs are told apart by bit 47.
    return { va: values.low48(value), view };
  }

  private access(s: State, at: Load | Store | Atomic): boolean {
    const address = this.address(s, at);
    if (at.op !== "store" || at.status !== undefined) this.choose();
    let kept = false;
    const kind: AccessKind = at.op === "load" ? "read" : at.op === "store" ? "write" : "both";
    for (const walk of this.translations(s, at, address)) {
      if (this.found) return true;
      const type = walk.fault ? walk.fault.type : permitted(walk.leaf!, kind, s[EL]!, this.world.without);
      const does =
        type !== "ok"
          ? this.takeFault(s, at, address, walk, type, kind)
          : at.op === "load"
            ? this.load(s, at, address, walk)
            : at.op === "store"
              ? this.store(s, at, address, walk)
              : this.atomic(s, at, address, walk);
      if (does) kept = true;
    }
    return kept;
  }

  /** What orders an access besides its own address: barriers, context synchronisation, acquires. */
  private ordered(s: State, at: Load | Store | Atomic): number {
    let view = Math.max(s[VDMB]!, s[VDSB]!, s[VCSE]!, s[VACQ]!);
    if (at.op !== "load") view = Math.max(view, s[VDMB_ST]!);
    if (at.op !== "load" && !this.world.without.has("speculation-barrier")) view = Math.max(view, s[VSPEC]!);
    const release = at.op !== "load" && at.release;
    const acquire = at.op === "load" ? at.acquire === "acquire" : at.op === "atomic" && at.acquire;
    if (release && !this.world.without.has("acquire-release")) view = Math.max(view, s[VRD]!, s[VWR]!);
    if (acquire && !this.world.without.has("acquire-release")) view = Math.max(view, s[VREL]!);
    return view;
  }

  /** The view of what an access writes. */
  private dataView(s: State, at: Load | Store | Atomic): number {
    if (at.op === "load") return 0;
    return at.op === "store" ? this.view(s, at.rt) : Math.max(this.view(s, at.rs), this.view(s, at.rt));
  }

  /** Every way in which the access may be translated. */
  private translations(s: State, at: Load | Store | Atomic, address: { va: number; view: number }): Walked[] {
    const { world, index } = this;
    const { cache, timeline } = world;
    const page = Math.floor(address.va / 4096);
    const list: Walked[] = [];
    const contexts = s[EL] === 2 ? [this.el2Context(s)] : this.contexts(s);
    const earliest = this.ets2 ? Math.max(s[VCSE]!, s[VDSB]!, s[VOWN]!) : s[VCSE]!;
    for (const context of contexts) {
      cache.know(index, context);
      const fixed = cache.constant(index, context, page);
      if (fixed) {
        list.push({
          context,
          entry: -1,
          leaf: "leaf" in fixed ? fixed.leaf : undefined,
          fault: "fault" in fixed ? fixed.fault : undefined,
          time: 0,
          deadline: Number.POSITIVE_INFINITY,
        });
        continue;
      }
      this.choose();
      let faultFrom = world.without.has("not-cached-invalid") ? 0 : Math.max(earliest, address.view);
      if (this.ets2) faultFrom = Math.max(faultFrom, this.ordered(s, at), this.dataView(s, at));
      const seen = new Map<number, number>();
      for (let t = Math.min(earliest, faultFrom); t <= timeline.n; t++) {
        const { entries, faults } = cache.results(index, context, page, t);
        if (t >= earliest)
          for (const entry of entries) {
            // Held since an earlier time that serves as well, and not removed since: nothing new.
            if ((seen.get(entry) ?? -1) > t) continue;
            const deadline = this.deadline(s, entry, t, at.op !== "load");
            seen.set(entry, this.removal(s, entry, t));
            const leaf = world.catalogue.leaves[world.catalogue.entries[entry]!.payload]!;
            list.push({ context, entry, leaf, fault: undefined, time: t, deadline });
          }
        if (t >= faultFrom)
          for (const fault of [...faults, ...cache.faultsBefore(index, context, page, t, s[VDSB]!)]) {
            const deadline = this.faultDeadline(s, fault, context, page, t);
            const code = -1 - fault.id;
            if (seen.get(code) === deadline) continue;
            seen.set(code, deadline);
            list.push({ context, entry: -1, leaf: undefined, fault, time: t, deadline });
          }
      }
    }
    return list;
  }

  /** FEAT_ETS2: translations wait for a DSB before them. Without it they may run ahead of it, up to an ISB (B2.3). */
  private get ets2(): boolean {
    return this.world.cpu.ets2 && !this.world.without.has("ets2");
  }

  /**
   * True when the event is an invalidation that an access from this state must respect. Of a TLBI before it in program order
   * it may not know yet: without FEAT_ETS2 it may have been translated before.
   */
  private strikes(s: State, i: number): boolean {
    const { timeline } = this.world;
    if (timeline.kind[i] !== INVALIDATE || timeline.pe[i] !== this.index) return false;
    // Own events behind the base are placed for a try: what comes after them in program order may yet stand before them.
    if (i > this.base) return false;
    return this.ets2 || timeline.thread[i] !== this.index || !isDone(s, i);
  }

  /** The time after `t` at which an invalidation removes the entry from this PE; Infinity = never. */
  private removal(s: State, entry: number, t: number): number {
    const { timeline, catalogue } = this.world;
    for (let i = t + 1; i <= timeline.n; i++)
      if (this.strikes(s, i) && catalogue.matches(timeline.what[i]!, entry)) return i;
    return Number.POSITIVE_INFINITY;
  }

  /**
   * The time by which an access through the entry is complete. On a CPU with the erratum a write has more time: until the
   * next broadcast that the PE which executed a broadcast removing the entry issued behind a DSB of its own.
   */
  private deadline(s: State, entry: number, t: number, write: boolean): number {
    const { timeline, catalogue, cpu, without } = this.world;
    if (without.has("access-completion")) return Number.POSITIVE_INFINITY;
    const removed = this.removal(s, entry, t);
    if (!write || !cpu.repeatTlbi || without.has("repeat-tlbi") || removed > timeline.n) return removed;
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = removed; i <= timeline.n && i < earliest; i++) {
      if (!this.strikes(s, i) || !catalogue.matches(timeline.what[i]!, entry)) continue;
      earliest = Math.min(earliest, this.repeated(i));
    }
    return earliest;
  }

  /** The time of the first broadcast behind a DSB behind the TLBI of time `i`; of a local one, which is not affected, its own. */
  private repeated(i: number): number {
    const { timeline } = this.world;
    const epoch = timeline.value[i]!;
    if (epoch < 0) return i;
    for (let k = i + 1; k <= timeline.n; k++)
      if (
        timeline.kind[k] === INVALIDATE &&
        timeline.pe[k] === this.index &&
        timeline.thread[k] === timeline.thread[i] &&
        timeline.value[k]! > epoch
      )
        return k;
    return Number.POSITIVE_INFINITY;
  }

  private faultDeadline(s: State, fault: WalkFault, context: Context, page: number, t: number): number {
    const { timeline, catalogue, without } = this.world;
    if (without.has("access-completion")) return Number.POSITIVE_INFINITY;
    for (let i = t + 1; i <= timeline.n; i++)
      if (this.strikes(s, i) && catalogue.matchesFault(timeline.what[i]!, fault, context, page)) return i;
    return Number.POSITIVE_INFINITY;
  }

  private takeFault(
    s: State,
    at: Load | Store | Atomic,
    address: { va: number; view: number },
    walk: Walked,
    type: string,
    kind: AccessKind,
  ): boolean {
    const view = Math.max(walk.time, address.view);
    if (Math.max(view, this.ordered(s, at), this.dataView(s, at)) >= walk.deadline) return false;
    const next = s.slice();
    const { el, esr, ipa, text } = syndrome(walk, type, kind, s[EL]!);
    const record = { kind: "fault", at, va: address.va, view, walk, what: text } as const;
    return this.noted(record, () => {
      const went = this.exception(next, at, el, esr, { va: address.va, ipa, view }, next[PC]!);
      return went ?? this.explore(next);
    });
  }

  private cell(leaf: Leaf, va: number, size: number): number {
    const cell = this.world.cells.at(leaf.page * 4096 + (va % 4096), size);
    this.touched.add(cell);
    return cell;
  }

  private load(s: State, at: Load, address: { va: number; view: number }, walk: Walked): boolean {
    const { timeline, values, without, cells } = this.world;
    const cell = this.cell(walk.leaf!, address.va, at.size);
    const slot = this.world.slot(cell);
    const translated = without.has("translation-before-access") ? 0 : walk.time;
    const before = Math.max(this.ordered(s, at), address.view);
    const seen = Math.max(before, translated, without.has("coherence") ? 0 : coherence(s, slot));
    let kept = false;
    for (let t = timeline.lastWrite(cell, seen); t <= timeline.n; t++) {
      if (this.found) return true;
      const initial = t === 0;
      if (!initial && (timeline.kind[t] !== WRITE || timeline.what[t] !== cell)) continue;
      const own = !initial && forward(s, slot) === t;
      const view = Math.max(before, translated, own ? forwardView(s, slot) : t);
      if (view >= walk.deadline) continue;
      const next = s.slice();
      const value = initial ? cells.initial[cell]! : timeline.value[t]!;
      setReg(
        next,
        at.rt,
        at.size === 8 ? value : values.alu("and", value, values.id((1n << BigInt(8 * at.size)) - 1n)),
        view,
      );
      raise(next, VRD, view);
      if (at.acquire !== "none" && !without.has("acquire-release")) raise(next, VACQ, view);
      raise(next, VSPEC, Math.max(address.view, translated));
      raiseCoherence(next, slot, view);
      if (at.exclusive) {
        next[MONITOR] = cell + 1;
        next[MONITOR_TIME] = t;
      }
      next[PC] = this.next(at);
      const record = { kind: "access", at, read: true, value, va: address.va, cell, time: t, view, walk } as const;
      if (this.noted(record, () => this.explore(next))) kept = true;
    }
    return kept;
  }

  private store(s: State, at: Store, address: { va: number; view: number }, walk: Walked): boolean {
    const { without, values, timeline } = this.world;
    const cell = this.cell(walk.leaf!, address.va, at.size);
    const slot = this.world.slot(cell);
    this.world.cache.write(cell);
    if (walk.entry >= 0) this.world.cache.writesThrough(this.index);
    const data = this.view(s, at.rt);
    const translated = without.has("translation-before-access") ? 0 : walk.time;
    const coherent = without.has("coherence") ? 0 : coherence(s, slot);
    const after = Math.max(this.ordered(s, at), address.view, data, translated, coherent);
    const value =
      at.size === 8 ? reg(s, at.rt) : values.alu("and", reg(s, at.rt), values.id((1n << BigInt(8 * at.size)) - 1n));
    let kept = false;
    if (at.status !== undefined) {
      // It may always fail.
      const next = s.slice();
      setReg(next, at.status, values.id(1n), 0);
      next[MONITOR] = 0;
      next[PC] = this.next(at);
      if (this.explore(next)) kept = true;
      if (s[MONITOR] !== cell + 1) return kept;
    }
    const placed = this.placeEvent(s, at, WRITE, 0, cell, value, after, walk.deadline, (next, time) => {
      if (at.status !== undefined) {
        for (let t = s[MONITOR_TIME]! + 1; t < time; t++)
          if (timeline.kind[t] === WRITE && timeline.what[t] === cell && timeline.thread[t] !== this.index)
            return false;
        setReg(next, at.status, values.id(0n), 0);
        next[MONITOR] = 0;
      }
      this.written(next, at, cell, time, Math.max(address.view, data), Math.max(address.view, translated), at.release);
      const record = { kind: "access", at, read: false, value, va: address.va, cell, time, view: time, walk } as const;
      return this.noted(record, () => this.explore(next));
    });
    return placed || kept;
  }

  private written(
    next: State,
    at: Instruction,
    cell: number,
    time: number,
    forwarded: number,
    decided: number,
    release: boolean,
  ): void {
    const slot = this.world.slot(cell);
    raise(next, VWR, time);
    raise(next, VSPEC, decided);
    raiseCoherence(next, slot, time);
    setForward(next, slot, time, forwarded);
    if (release) raise(next, VREL, time);
    next[PC] = this.next(at);
  }

  private atomic(s: State, at: Atomic, address: { va: number; view: number }, walk: Walked): boolean {
    const { timeline, values, without, cells } = this.world;
    const cell = this.cell(walk.leaf!, address.va, at.size);
    const slot = this.world.slot(cell);
    this.world.cache.write(cell);
    if (walk.entry >= 0) this.world.cache.writesThrough(this.index);
    const translated = without.has("translation-before-access") ? 0 : walk.time;
    const before = Math.max(this.ordered(s, at), address.view);
    let kept = false;
    for (let t = timeline.lastWrite(cell, Math.max(before, translated, coherence(s, slot))); t <= timeline.n; t++) {
      const initial = t === 0;
      if (!initial && (timeline.kind[t] !== WRITE || timeline.what[t] !== cell)) continue;
      const view = Math.max(before, translated, t);
      if (view >= walk.deadline) continue;
      const old = initial ? cells.initial[cell]! : timeline.value[t]!;
      const after = (next: State): void => {
        setReg(next, at.kind === "cas" ? at.rs : at.rt, old, view);
        raise(next, VRD, view);
        if (at.acquire && !without.has("acquire-release")) raise(next, VACQ, view);
        raiseCoherence(next, slot, view);
      };
      const written = updated(at, old, reg(s, at.rs), reg(s, at.rt), values);
      if (written === undefined) {
        const next = s.slice();
        after(next);
        raise(next, VSPEC, Math.max(address.view, translated));
        next[PC] = this.next(at);
        const record = {
          kind: "access",
          at,
          read: true,
          value: old,
          va: address.va,
          cell,
          time: t,
          view,
          walk,
        } as const;
        if (this.noted(record, () => this.explore(next))) kept = true;
        continue;
      }
      const bound = Math.max(view, this.view(s, at.rs), this.view(s, at.rt));
      const placed = this.placeEvent(s, at, WRITE, 0, cell, written, bound, walk.deadline, (next, time) => {
        for (let i = t + 1; i < time; i++) if (timeline.kind[i] === WRITE && timeline.what[i] === cell) return false;
        after(next);
        this.written(next, at, cell, time, time, Math.max(address.view, translated), at.release);
        const record = {
          kind: "access",
          at,
          read: false,
          value: written,
          va: address.va,
          cell,
          time,
          view: time,
          walk,
        } as const;
        return this.noted(record, () => this.explore(next));
      });
      if (placed) kept = true;
    }
    return kept;
  }

  /** For the knowledge of which VAs this PE's translations can change. */
  get changing(): readonly number[] {
    return this.world.cache.knowledge.changing.get(peKey(this.index, EL10)) ?? [];
  }
}

function secondOf(kind: "sel" | "inc" | "inv" | "neg", value: number, values: World["values"]): number {
  if (kind === "sel") return value;
  const one = values.id(1n);
  const inverted = values.alu("eor", value, values.id((1n << 64n) - 1n));
  if (kind === "inc") return values.alu("add", value, one);
  return kind === "inv" ? inverted : values.alu("add", inverted, one);
}

/** What an atomic writes; undefined when a CAS finds another value. `rt` is the new value of a CAS. */
function updated(at: Atomic, old: number, rs: number, rt: number, values: World["values"]): number | undefined {
  switch (at.kind) {
    case "cas":
      return old === rs ? rt : undefined;
    case "swp":
      return rs;
    case "add":
      return values.alu("add", old, rs);
    case "set":
      return values.alu("orr", old, rs);
    case "clr":
      return values.alu("bic", old, rs);
    case "eor":
      return values.alu("eor", old, rs);
  }
}
