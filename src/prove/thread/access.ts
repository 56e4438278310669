/** Loads, stores and atomics: where they are translated to, what they may read, and where they may stand in the timeline. */

import type { Action, Instruction } from "../program.js";
import { type Leaf, WRITE } from "../tlb/index.js";
import { operandOf, viewOf } from "./compute.js";
import { type AccessKind, permitted, syndrome } from "./exception.js";
import type { Regimes } from "./regime.js";
import type { Run } from "./run.js";
import {
  coherence,
  EL,
  forward,
  forwardView,
  MONITOR,
  MONITOR_TIME,
  PC,
  raise,
  raiseCoherence,
  reg,
  type State,
  setForward,
  setReg,
  VACQ,
  VCSE,
  VDMB,
  VDMB_ST,
  VDSB,
  VRD,
  VREL,
  VSPEC,
  VWR,
} from "./state.js";
import type { AccessTrail, Walked } from "./trail.js";
import { Translations } from "./translate.js";
import { placeUpdate } from "./update.js";
import type { World } from "./world.js";

type Load = Extract<Action, { op: "load" }> & Instruction;
type Store = Extract<Action, { op: "store" }> & Instruction;
type Atomic = Extract<Action, { op: "atomic" }> & Instruction;

/** Marks the view of what a Store-Exclusive forwards: a Load-Acquire does not take it before it is visible to all (B2.3). */
const EXCLUSIVE = 1 << 8;

/** From when a load may have the value of the thread's own latest write to a cell. */
function forwarded(s: State, slot: number, { acquire }: Load): number {
  const view = forwardView(s, slot);
  if (view < EXCLUSIVE) return view;
  return acquire === "none" ? view - EXCLUSIVE : forward(s, slot);
}

/** The accesses of one thread. */
export class Accesses {
  private readonly translations: Translations;

  constructor(
    private readonly run: Run,
    private readonly regimes: Regimes,
  ) {
    this.translations = new Translations(run, regimes);
  }

  /** The VA of an access, and the view of its address. */
  private address(s: State, at: Load | Store | Atomic): { va: number; view: number } {
    const { values } = this.run.world;
    let value = reg(s, at.rn);
    let view = viewOf(this.run.world, s, at.rn);
    if (at.op !== "atomic") {
      const offset = operandOf(this.run.world, s, at.offset);
      value = values.alu("add", value, offset.value);
      view = Math.max(view, offset.view);
    }
    // 48 bits count: low and high VAs are told apart by bit 47.
    return { va: values.low48(value), view };
  }

  /** Executes a load, store or atomic; true when some way on keeps all promises. */
  execute(s: State, at: Load | Store | Atomic): boolean {
    const address = this.address(s, at);
    if (at.op !== "store" || at.status !== undefined) this.run.choose();
    let kept = false;
    const kind: AccessKind = at.op === "load" ? "read" : at.op === "store" ? "write" : "both";
    const ordered = Math.max(this.ordered(s, at), this.dataView(s, at));
    for (const walk of this.translations.of(s, { address, ordered, write: at.op !== "load" })) {
      if (this.run.found) return true;
      const type = walk.fault ? walk.fault.type : permitted(walk.leaf!, kind, s[EL]!, this.run.world.model);
      const does =
        type !== "ok"
          ? this.takeFault(s, at, address, walk, type, kind)
          : walk.update
            ? placeUpdate(this.run, s, at, walk.update, walk.time, address.view, (next) =>
                this.access(next, at, address, walk),
              )
            : this.access(s, at, address, walk);
      if (does) kept = true;
    }
    return kept;
  }

  private access(s: State, at: Load | Store | Atomic, address: { va: number; view: number }, walk: Walked): boolean {
    if (at.op === "load") return this.load(s, at, address, walk);
    return at.op === "store" ? this.store(s, at, address, walk) : this.atomic(s, at, address, walk);
  }

  /** What orders an access besides its own address: barriers, context synchronisation, acquires. */
  private ordered(s: State, at: Load | Store | Atomic): number {
    const { model } = this.run.world;
    let view = Math.max(s[VDMB]!, s[VDSB]!, s[VCSE]!, s[VACQ]!);
    if (at.op !== "load") view = Math.max(view, s[VDMB_ST]!);
    if (at.op !== "load" && model["speculation-barrier"]) view = Math.max(view, s[VSPEC]!);
    const release = at.op !== "load" && at.release;
    const acquire = at.op === "load" ? at.acquire === "acquire" : at.op === "atomic" && at.acquire;
    if (release && model["acquire-release"]) view = Math.max(view, s[VRD]!, s[VWR]!);
    if (acquire && model["acquire-release"]) view = Math.max(view, s[VREL]!);
    return view;
  }

  /** The view of the walk that translated an access: it, and what depends on it, comes after that. */
  private translated({ time }: Walked): number {
    return this.run.world.model["translation-before-access"] ? time : 0;
  }

  /** The view of the thread's latest access of a location: no later one sees what is older. */
  private coherent(s: State, slot: number): number {
    return this.run.world.model.coherence ? coherence(s, slot) : 0;
  }

  /** The bytes of a value that an access of `size` bytes moves. */
  private moved(value: number, size: number): number {
    const { values } = this.run.world;
    return size === 8 ? value : values.alu("and", value, values.id((1n << BigInt(8 * size)) - 1n));
  }

  /** The view of what an access writes. */
  private dataView(s: State, at: Load | Store | Atomic): number {
    if (at.op === "load") return 0;
    return at.op === "store"
      ? viewOf(this.run.world, s, at.rt)
      : Math.max(viewOf(this.run.world, s, at.rs), viewOf(this.run.world, s, at.rt));
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
    return this.run.noted(record, () => {
      const went = this.regimes.exception(next, at, el, esr, { va: address.va, ipa, view }, next[PC]!);
      return went ?? this.run.explore(next);
    });
  }

  private cell(leaf: Leaf, va: number, size: number): number {
    const cell = this.run.world.cells.at(leaf.page * 4096 + (va % 4096), size);
    this.run.touch(cell);
    return cell;
  }

  /** The access is done: on from its state, with what happened for stories. */
  private goOn(next: State, done: Omit<AccessTrail, "kind">): boolean {
    return this.run.noted({ kind: "access", ...done }, () => this.run.explore(next));
  }

  private load(s: State, at: Load, address: { va: number; view: number }, walk: Walked): boolean {
    const { timeline, model, cells } = this.run.world;
    const cell = this.cell(walk.leaf!, address.va, at.size);
    const slot = this.run.world.slot(cell);
    const translated = this.translated(walk);
    const before = Math.max(this.ordered(s, at), address.view);
    const seen = Math.max(before, translated, this.coherent(s, slot));
    let kept = false;
    for (let t = timeline.lastWrite(cell, seen); t <= timeline.n; t++) {
      if (this.run.found) return true;
      const initial = t === 0;
      if (!initial && (timeline.kind[t] !== WRITE || timeline.what[t] !== cell)) continue;
      const own = !initial && forward(s, slot) === t;
      const view = Math.max(before, translated, own ? forwarded(s, slot, at) : t);
      if (view >= walk.deadline) continue;
      const next = s.slice();
      const value = initial ? cells.initial[cell]! : timeline.value[t]!;
      setReg(next, at.rt, this.moved(value, at.size), view);
      raise(next, VRD, view);
      if (at.acquire !== "none" && model["acquire-release"]) raise(next, VACQ, view);
      raise(next, VSPEC, Math.max(address.view, translated));
      raiseCoherence(next, slot, view);
      if (at.exclusive) {
        next[MONITOR] = cell + 1;
        next[MONITOR_TIME] = t;
      }
      next[PC] = this.run.code.next(at);
      if (this.goOn(next, { at, read: true, value: value, va: address.va, cell, time: t, view, walk })) kept = true;
    }
    return kept;
  }

  private store(s: State, at: Store, address: { va: number; view: number }, walk: Walked): boolean {
    const { values, timeline } = this.run.world;
    const cell = this.cell(walk.leaf!, address.va, at.size);
    const slot = this.run.world.slot(cell);
    this.run.world.cache.constants.write(cell);
    if (walk.entry >= 0) this.run.world.cache.knowledge.writesThrough(this.run.index);
    const data = viewOf(this.run.world, s, at.rt);
    const translated = this.translated(walk);
    const after = Math.max(this.ordered(s, at), address.view, data, translated, this.coherent(s, slot));
    const value = this.moved(reg(s, at.rt), at.size);
    let kept = false;
    if (at.status !== undefined) {
      // It may always fail.
      const next = s.slice();
      setReg(next, at.status, values.id(1n), 0);
      next[MONITOR] = 0;
      next[PC] = this.run.code.next(at);
      if (this.run.explore(next)) kept = true;
      if (s[MONITOR] !== cell + 1) return kept;
    }
    if (walk.leaf!.clean) return kept;
    const placed = this.run.placeEvent(
      s,
      { at, kind: WRITE, pe: 0, what: cell, value: value, after: after, before: walk.deadline },
      (next, time) => {
        if (at.status !== undefined) {
          for (let t = s[MONITOR_TIME]! + 1; t < time; t++)
            if (timeline.kind[t] === WRITE && timeline.what[t] === cell && timeline.thread[t] !== this.run.index)
              return false;
          setReg(next, at.status, values.id(0n), 0);
          next[MONITOR] = 0;
        }
        const forwards = Math.max(address.view, data) + (at.status === undefined ? 0 : EXCLUSIVE);
        this.written(next, at, cell, time, forwards, Math.max(address.view, translated), at.release);
        return this.goOn(next, { at, read: false, value: value, va: address.va, cell, time, view: time, walk });
      },
    );
    return placed || kept;
  }

  private written(
    next: State,
    at: Instruction,
    cell: number,
    time: number,
    forwards: number,
    decided: number,
    release: boolean,
  ): void {
    const slot = this.run.world.slot(cell);
    raise(next, VWR, time);
    raise(next, VSPEC, decided);
    raiseCoherence(next, slot, time);
    setForward(next, slot, time, forwards);
    if (release) raise(next, VREL, time);
    next[PC] = this.run.code.next(at);
  }

  private atomic(s: State, at: Atomic, address: { va: number; view: number }, walk: Walked): boolean {
    const { timeline, values, model, cells } = this.run.world;
    const cell = this.cell(walk.leaf!, address.va, at.size);
    const slot = this.run.world.slot(cell);
    this.run.world.cache.constants.write(cell);
    if (walk.entry >= 0) this.run.world.cache.knowledge.writesThrough(this.run.index);
    const translated = this.translated(walk);
    const before = Math.max(this.ordered(s, at), address.view);
    let kept = false;
    for (let t = timeline.lastWrite(cell, Math.max(before, translated, this.coherent(s, slot))); t <= timeline.n; t++) {
      const initial = t === 0;
      if (!initial && (timeline.kind[t] !== WRITE || timeline.what[t] !== cell)) continue;
      const view = Math.max(before, translated, t);
      if (view >= walk.removed) continue;
      const old = initial ? cells.initial[cell]! : timeline.value[t]!;
      const after = (next: State): void => {
        setReg(next, at.kind === "cas" ? at.rs : at.rt, old, view);
        raise(next, VRD, view);
        if (at.acquire && model["acquire-release"]) raise(next, VACQ, view);
        raiseCoherence(next, slot, view);
      };
      const written = updated(at, old, reg(s, at.rs), reg(s, at.rt), values);
      if (written === undefined) {
        const next = s.slice();
        after(next);
        raise(next, VSPEC, Math.max(address.view, translated));
        next[PC] = this.run.code.next(at);
        if (this.goOn(next, { at, read: true, value: old, va: address.va, cell, time: t, view, walk })) kept = true;
        continue;
      }
      if (walk.leaf!.clean) continue;
      const bound = Math.max(view, viewOf(this.run.world, s, at.rs), viewOf(this.run.world, s, at.rt));
      const placed = this.run.placeEvent(
        s,
        { at, kind: WRITE, pe: 0, what: cell, value: written, after: bound, before: walk.deadline },
        (next, time) => {
          for (let i = t + 1; i < time; i++) if (timeline.kind[i] === WRITE && timeline.what[i] === cell) return false;
          after(next);
          this.written(next, at, cell, time, time, Math.max(address.view, translated), at.release);
          return this.goOn(next, { at, read: false, value: written, va: address.va, cell, time, view: time, walk });
        },
      );
      if (placed) kept = true;
    }
    return kept;
  }
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
