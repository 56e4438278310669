/** Loads, stores and atomics: where they are translated to, what they may read, and where they may stand in the timeline. */

import type { Action, Instruction } from "../program.js";
import { type Leaf, WRITE } from "../tlb/index.js";
import { resultDeps, returnsNothing, updated, writtenDeps } from "./atomic.js";
import { depsIn, operandOf } from "./compute.js";
import { allOf, type Deps, dataView, joined, picked, pickView } from "./deps.js";
import { type AccessKind, permitted, syndrome } from "./exception.js";
import { handed } from "./forward.js";
import { faultOrdered, readOrdered, writeOrdered } from "./orders.js";
import { Places } from "./places.js";
import { accessed, coherent, handOn, readable, writtenBetween } from "./reads.js";
import type { Regimes } from "./regime.js";
import type { Run } from "./run.js";
import {
  EL,
  FAULTS,
  MONITOR,
  MONITOR_TIME,
  NO_XS,
  PC,
  raise,
  reg,
  type State,
  setReg,
  VACQ,
  VRD,
  VREL,
  VSPEC,
  VWR,
} from "./state.js";
import type { AccessTrail, Walked } from "./trail.js";
import { Translations } from "./translate.js";
import { placeUpdate } from "./update.js";

type Load = Extract<Action, { op: "load" }> & Instruction;
type Store = Extract<Action, { op: "store" }> & Instruction;
type Atomic = Extract<Action, { op: "atomic" }> & Instruction;

/** The address of an access: what it depends on by data, and by choice too. */
interface Address {
  readonly va: number;
  readonly view: number;
  readonly pick: number;
}

/** The accesses of one thread. */
export class Accesses {
  private readonly translations: Translations;
  private readonly places: Places;

  constructor(
    private readonly run: Run,
    private readonly regimes: Regimes,
  ) {
    this.translations = new Translations(run, regimes);
    this.places = new Places(run);
  }

  private address(s: State, at: Load | Store | Atomic): Address {
    const { world } = this.run;
    const base = depsIn(world, s, at.rn);
    // 48 bits count: low and high VAs are told apart by bit 47.
    if (at.op === "atomic")
      return { va: world.values.low48(reg(s, at.rn)), view: dataView(base), pick: pickView(base) };
    const offset = operandOf(world, s, at.offset);
    const deps = joined(base, offset.deps);
    const value = world.values.alu("add", reg(s, at.rn), offset.value);
    return { va: world.values.low48(value), view: dataView(deps), pick: pickView(deps) };
  }

  /** Executes a load, store or atomic; true when some way on keeps all promises. */
  execute(s: State, at: Load | Store | Atomic): boolean {
    const address = this.address(s, at);
    if (at.op !== "store" || at.status !== undefined) this.run.choose();
    let kept = false;
    const kind: AccessKind = at.op === "load" ? "read" : at.op === "store" ? "write" : "both";
    for (const walk of this.translations.of(s, { at, address, write: at.op !== "load" })) {
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

  /** An access that does not fault. */
  private access(s: State, at: Load | Store | Atomic, address: Address, walk: Walked): boolean {
    if (this.places.outdated(s, walk, address.va, at.size)) return false;
    // A Store-Exclusive may be no access; the Load-Exclusive before it was.
    if (at.op === "store" && at.status !== undefined) return this.store(s, at, address, walk);
    const from = this.places.noted(s, walk, address.va, at.size);
    if (at.op === "load") return this.load(from, at, address, walk);
    return at.op === "store" ? this.store(from, at, address, walk) : this.atomic(from, at, address, walk);
  }

  /** The view of the walk that translated an access: it, and what depends on it, comes after that. */
  private translated({ time }: Walked): number {
    return this.run.world.model["translation-before-access"] ? time : 0;
  }

  /** The bytes of a value that an access of `size` bytes moves. */
  private moved(value: number, size: number): number {
    const { values } = this.run.world;
    return size === 8 ? value : values.alu("and", value, values.id((1n << BigInt(8 * size)) - 1n));
  }

  private takeFault(
    s: State,
    at: Load | Store | Atomic,
    address: Address,
    walk: Walked,
    type: string,
    kind: AccessKind,
  ): boolean {
    const view = Math.max(walk.time, address.view);
    if (Math.max(view, faultOrdered(this.run.world, s, this.accessOrdered(s, at))) >= walk.removed) return false;
    const next = s.slice();
    next[FAULTS]! |= this.run.faultBits(at, address.va, walk.fault?.type ?? "permission");
    const { el, esr, ipa, text } = syndrome(walk, type, kind, s[EL]!);
    const record = { kind: "fault", at, va: address.va, view, walk, what: text } as const;
    return this.run.noted(record, () => {
      const went = this.regimes.exception(next, at, el, esr, { va: address.va, ipa, view }, next[PC]!);
      return went ?? this.run.explore(next);
    });
  }

  /** What the access would come after if it did not fault, besides its address and its walk. */
  private accessOrdered(s: State, at: Load | Store | Atomic): number {
    const { world } = this.run;
    if (at.op === "load") return readOrdered(world, s, at.acquire === "acquire");
    const data = pickView(depsIn(world, s, at.op === "store" ? at.rt : at.rs));
    return Math.max(writeOrdered(world, s, at.release), data);
  }

  private cell(leaf: Leaf, va: number, size: number): number {
    const cell = this.run.world.cells.at(leaf.page * 4096 + (va % 4096), size);
    this.run.touch(cell);
    return cell;
  }

  /** What a DSB waits for of an access, by VRD or VWR: one with nXS not for that of memory with the XS attribute. */
  private waitedFor(next: State, place: number, view: number, { leaf }: Walked): void {
    raise(next, place, view);
    if (!leaf!.xs || !this.run.world.model.xs) raise(next, place + NO_XS, view);
  }

  /** The access is done: on from its state, with what happened for stories. */
  private goOn(next: State, done: Omit<AccessTrail, "kind">): boolean {
    return this.run.noted({ kind: "access", ...done }, () => this.run.explore(next));
  }

  private load(s: State, at: Load, address: Address, walk: Walked): boolean {
    const { world } = this.run;
    const cell = this.cell(walk.leaf!, address.va, at.size);
    if (walk.entry >= 0 && world.cpu.symptoms["repeat-tlbi-reads"]) world.cache.knowledge.readsThrough(this.run.index);
    const translated = this.translated(walk);
    const before = Math.max(readOrdered(world, s, at.acquire === "acquire"), address.view, translated);
    let kept = false;
    const how = { acquire: at.acquire !== "none", whole: at.exclusive };
    readable(this.run, s, cell, before, how, (time, value, view, deps) => {
      if (view >= walk.deadline) return;
      const next = s.slice();
      setReg(next, at.rt, this.moved(value, at.size), picked(deps, allOf(address.pick)));
      this.waitedFor(next, VRD, view, walk);
      if (at.acquire !== "none" && world.model["acquire-release"]) raise(next, VACQ, view);
      raise(next, VSPEC, Math.max(address.pick, translated));
      accessed(world, next, cell, view);
      if (at.exclusive) {
        next[MONITOR] = cell + 1;
        next[MONITOR_TIME] = time;
      }
      next[PC] = this.run.code.next(at);
      if (this.goOn(next, { at, read: true, value, va: address.va, cell, time, view, walk })) kept = true;
    });
    return kept || this.run.found !== undefined;
  }

  private store(s: State, at: Store, address: Address, walk: Walked): boolean {
    const { world } = this.run;
    const { values } = world;
    const cell = this.cellToWrite(walk, address.va, at.size);
    const data = depsIn(world, s, at.rt);
    const translated = this.translated(walk);
    const after = Math.max(
      writeOrdered(world, s, at.release),
      address.pick,
      pickView(data),
      translated,
      coherent(world, s, cell),
    );
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
          if (writtenBetween(world, cell, s[MONITOR_TIME]!, time, this.run.index)) return false;
          setReg(next, at.status, values.id(0n), 0);
          next[MONITOR] = 0;
        }
        const from = Math.max(address.view, dataView(data));
        handOn(world, next, cell, time, handed(from, data, at.status !== undefined));
        this.written(next, at, cell, time, Math.max(address.pick, translated), walk);
        return this.goOn(next, { at, read: false, value: value, va: address.va, cell, time, view: time, walk });
      },
    );
    return placed || kept;
  }

  /** The cell of a write, of which the exploration takes note. */
  private cellToWrite(walk: Walked, va: number, size: number): number {
    const { cache } = this.run.world;
    const cell = this.cell(walk.leaf!, va, size);
    cache.constants.write(cell);
    if (walk.entry >= 0) cache.knowledge.writesThrough(this.run.index);
    return cell;
  }

  /** A write has its place in the timeline; `decided` are its address and its translation. */
  private written(next: State, at: Store | Atomic, cell: number, time: number, decided: number, walk: Walked): void {
    this.waitedFor(next, VWR, time, walk);
    raise(next, VSPEC, decided);
    accessed(this.run.world, next, cell, time);
    if (at.release) raise(next, VREL, time);
    next[PC] = this.run.code.next(at);
  }

  private atomic(s: State, at: Atomic, address: Address, walk: Walked): boolean {
    const { world } = this.run;
    const cell = this.cellToWrite(walk, address.va, at.size);
    const translated = this.translated(walk);
    const before = Math.max(readOrdered(world, s, at.acquire), address.view, translated);
    const [rs, rt] = [this.moved(reg(s, at.rs), at.size), this.moved(reg(s, at.rt), at.size)];
    let kept = false;
    readable(this.run, s, cell, before, { acquire: at.acquire, whole: true }, (t, old, view, deps) => {
      if (view >= walk.removed) return;
      const read = picked(deps, allOf(address.pick));
      const value = updated(at, old, rs, rt, world.values);
      const access = { at, va: address.va, cell, walk };
      if (value === undefined) {
        const next = s.slice();
        this.atomicRead(next, at, cell, old, view, resultDeps(world, s, at, read, false), walk);
        raise(next, VSPEC, Math.max(address.pick, translated));
        next[PC] = this.run.code.next(at);
        if (this.goOn(next, { ...access, read: true, value: old, time: t, view })) kept = true;
        return;
      }
      if (walk.leaf!.clean) return;
      const writes = writtenDeps(world, s, at, read);
      const after = Math.max(view, t, writeOrdered(world, s, at.release), address.pick, pickView(writes.value));
      const what = this.moved(value, at.size);
      const event = { at, kind: WRITE, pe: 0, what: cell, value: what, after, before: walk.deadline };
      const placed = this.run.placeEvent(s, event, (next, time) => {
        if (writtenBetween(world, cell, t, time)) return false;
        this.atomicRead(next, at, cell, old, view, resultDeps(world, s, at, read, true), walk);
        const from = Math.max(address.view, dataView(writes.registers));
        handOn(world, next, cell, time, handed(from, writes.value, true));
        this.written(next, at, cell, time, Math.max(address.pick, translated), walk);
        // Acquire and release together order what is before with what is behind.
        if (at.acquire && at.release && world.model["acquire-release"]) raise(next, VACQ, time);
        return this.goOn(next, { ...access, read: false, value: what, time, view: time });
      });
      if (placed) kept = true;
    });
    return kept || this.run.found !== undefined;
  }

  /** An atomic has read. */
  private atomicRead(next: State, at: Atomic, cell: number, old: number, view: number, deps: Deps, walk: Walked): void {
    const { model } = this.run.world;
    setReg(next, at.kind === "cas" ? at.rs : at.rt, old, deps);
    if (!returnsNothing(at) || !model["no-return"]) this.waitedFor(next, VRD, view, walk);
    if (at.acquire && model["acquire-release"]) raise(next, VACQ, view);
    accessed(this.run.world, next, cell, view);
  }
}
