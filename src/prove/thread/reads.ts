/**
 * What a read of memory may have: coherence, own writes that nobody else has seen yet, and accesses of several sizes to the same
 * bytes (DDI 0487, B2.2, B2.3). An access is one single-copy atomic read or write of all its bytes, which are aligned.
 */
import { WRITE } from "../tlb/index.js";
import { allOf, type Deps, joined } from "./deps.js";
import { type Handed, handedDeps, handedFrom } from "./forward.js";
import type { Run } from "./run.js";
import { coherence, forward, handedBy, raiseCoherence, type State, setForward } from "./state.js";
import type { World } from "./world.js";

/** A value that a read may have: the time of the (latest) write that it has (0 = the initial value), its view, what it depends on. */
type Each = (time: number, value: number, view: number, deps: Deps) => void;

interface How {
  /** it takes nothing of an atomic that others cannot see yet */
  readonly acquire: boolean;
  /** all of it is what memory holds at the time of its latest write: an atomic's, or an exclusive's */
  readonly whole: boolean;
}

/** The view of the thread's latest access of a part: no later one sees what is older. */
const coherentPart = (world: World, s: State, part: number): number =>
  world.model.coherence ? coherence(s, world.slot(part)) : 0;

/** The view of the thread's latest access of any bytes of a location: no later write is older. */
export function coherent(world: World, s: State, cell: number): number {
  let view = 0;
  for (const part of world.cells.parts[cell]!) view = Math.max(view, coherentPart(world, s, part));
  return view;
}

/** A location is accessed with this view. */
export function accessed(world: World, s: State, cell: number, view: number): void {
  for (const part of world.cells.parts[cell]!) raiseCoherence(s, world.slot(part), view);
}

/** A location is written at a time; that hands on to own reads. */
export function handOn(world: World, s: State, cell: number, time: number, handed: Handed): void {
  for (const part of world.cells.parts[cell]!) setForward(s, world.slot(part), time, handed);
}

/** True when a location is written between two times, by another than a thread if one is given. */
export function writtenBetween(world: World, cell: number, from: number, to: number, but?: number): boolean {
  const { timeline, cells } = world;
  for (let i = from + 1; i < to; i++)
    if (timeline.kind[i] === WRITE && timeline.thread[i] !== but && cells.overlap(timeline.what[i]!, cell)) return true;
  return false;
}

/** The value that memory has at a location at a time. */
export function valueAt(world: World, cell: number, t: number): number {
  const { timeline, cells } = world;
  if (cells.mixed(cell))
    return cells.composed(
      cell,
      cells.parts[cell]!.map((part) => partAt(world, part, lastCovering(world, part, t))),
    );
  const at = timeline.lastWrite(cell, t);
  return at === 0 ? cells.initial[cell]! : timeline.value[at]!;
}

/** What a read may have that comes after `before`. */
export function readable(run: Run, s: State, cell: number, before: number, how: How, each: Each): void {
  const { world } = run;
  const { timeline, cells, model } = world;
  if (cells.mixed(cell)) {
    readableMixed(run, s, cell, before, how, each);
    return;
  }
  const slot = world.slot(cell);
  for (let t = timeline.lastWrite(cell, Math.max(before, coherentPart(world, s, cell))); t <= timeline.n; t++) {
    if (run.found) return;
    const initial = t === 0;
    if (!initial && (timeline.kind[t] !== WRITE || timeline.what[t] !== cell)) continue;
    const own = !initial && forward(s, slot) === t && model["own-forwarding"];
    const view = Math.max(before, own ? handedFrom(handedBy(s, slot), t, how.acquire) : t);
    const deps = own ? handedDeps(handedBy(s, slot), view) : allOf(view);
    each(t, initial ? cells.initial[cell]! : timeline.value[t]!, view, deps);
  }
}

/** The time of the latest write at or before `t` that covers a part; 0 = none. */
function lastCovering({ timeline, cells }: World, part: number, t: number): number {
  for (let i = t; i > 0; i--)
    if (timeline.kind[i] === WRITE && cells.parts[timeline.what[i]!]!.includes(part)) return i;
  return 0;
}

/** The value of a part after the write of a time. */
function partAt({ timeline, cells }: World, part: number, t: number): number {
  return t === 0 ? cells.initial[part]! : cells.partOf(timeline.value[t]!, timeline.what[t]!, part);
}

/**
 * The same for a location of several parts: what memory has at one time, with what own writes, that it has not yet, hand to some
 * of the parts.
 */
function readableMixed(run: Run, s: State, cell: number, before: number, how: How, each: Each): void {
  const { world } = run;
  const { timeline, cells, model } = world;
  const parts = cells.parts[cell]!;
  const own = parts.map((part) => (model["own-forwarding"] ? forward(s, world.slot(part)) : 0));
  /** own writes behind which nothing newer was read */
  const latest = parts.map((part, i) => own[i]! > 0 && coherentPart(world, s, part) <= own[i]!);
  let from = before;
  parts.forEach((part, i) => {
    if (how.whole || !latest[i]) from = Math.max(from, coherentPart(world, s, part));
  });
  from = Math.max(...parts.map((part) => lastCovering(world, part, from)));
  for (let t = from; t <= timeline.n; t++) {
    if (run.found) return;
    if (t > from && !parts.some((part) => lastCovering(world, part, t) === t)) continue;
    const times = parts.map((part, i) => Math.max(lastCovering(world, part, t), latest[i] ? own[i]! : 0));
    const handed = parts.map((part, i) => (own[i]! > 0 && times[i] === own[i] ? handedBy(s, world.slot(part)) : -1));
    let bound = before;
    handed.forEach((h, i) => {
      if (h >= 0) bound = Math.max(bound, handedFrom(h, times[i]!, how.acquire));
    });
    // What comes from memory is not older than what orders the read, which the own writes do too.
    if (parts.some((part, i) => handed[i]! < 0 && lastCovering(world, part, bound) > times[i]!)) continue;
    const view = Math.max(bound, ...times.filter((_, i) => handed[i]! < 0));
    let deps = allOf(view);
    for (const h of handed) if (h >= 0) deps = joined(deps, handedDeps(h, view));
    const value = cells.composed(
      cell,
      parts.map((part, i) => partAt(world, part, times[i]!)),
    );
    each(Math.max(...times), value, view, deps);
  }
}
