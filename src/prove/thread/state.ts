/**
 * The state of one thread as a row of numbers: registers (ids of values) with their views, system registers, and the views of
 * a promising model (Pulte et al., PLDI 2019; with translation as of Perami et al., POPL 2026). A view is a time of the
 * timeline: what the thread does next is bound to come after it.
 */

import { SYSREGS } from "../../arch/index.js";
import { THREAD_SYSREGS, type ThreadSysreg } from "../program.js";
import { type Deps, pickView } from "./deps.js";
import type { Handed } from "./forward.js";

/** All system registers that a thread has; the index is the register's place in a state. */
export const ALL_SYSREGS: readonly ThreadSysreg[] = [...new Set<ThreadSysreg>([...SYSREGS, ...THREAD_SYSREGS])];
export const sysregPlace = (name: ThreadSysreg): number => ALL_SYSREGS.indexOf(name);

/** Memory locations that the threads may access, each with a slot of its own in a state. */
export const MAX_SLOTS = 32;
/** Writes of translation registers that no context synchronisation event has made certain yet. */
export const MAX_PENDING = 4;

// Places in the row.
/** index of the next instruction, -1 = ended */
export const PC = 0;
export const EL = 1;
export const SP = 2;
export const FLAGS = 3;
/** what they depend on, as {@link Deps} */
export const FLAGS_DEPS = 4;
/** latest read, latest write */
export const VRD = 5;
export const VWR = 6;
/** what a DMB binds: all later accesses; later writes (DMB ST) */
export const VDMB = 7;
export const VDMB_ST = 8;
/** what a DSB binds: everything later */
export const VDSB = 9;
/** context synchronisation */
export const VCSE = 10;
/** what a DSB NSH binds: this PE's own walks and local TLBIs */
export const VOWN = 11;
/** branches decided, addresses known, translations done: binds writes, TLBIs, context synchronisation */
export const VSPEC = 12;
export const VACQ = 13;
export const VREL = 14;
/** values written to translation registers since the last context synchronisation */
export const VMSR = 15;
/** latest delivery of own TLBIs to the own PE, and to the others that they reach; {@link NXS} further the same of nXS ones */
export const TLBI_OWN = 16;
export const TLBI_OTHERS = 17;
export const NXS = 2;
/** DSBs so far that complete broadcast TLBIs */
export const EPOCH = 20;
/** own events of the timeline that are fulfilled, by time: 1 to 30, 31 to 60 */
const DONE_LOW = 21;
const DONE_HIGH = 22;
/** own events of the timeline not fulfilled yet */
export const OPEN = 23;
/** exclusive monitor: cell + 1 (0 = clear), and the time that was read from */
export const MONITOR = 24;
export const MONITOR_TIME = 25;
/** context synchronisation for this PE alone: its own walks */
export const VCSE_OWN = 26;
/** own writes that its own walks see without FEAT_ETS2: behind them stands a DSB */
export const VSEEN = 27;
/** latest update of a descriptor by the walks of own accesses: the access flag, the dirty state */
export const VHU = 28;
/** 1: at EL2, where walks for EL1&0 from before the exception may be under way yet */
export const IN_FLIGHT = 29;
/** {@link VRD} and {@link VWR} of accesses with XS = 0, which are all that a DSB nXS waits for, stand this much further: 30, 31 */
export const NO_XS = 25;
/** pending writes of translation registers: how many, then (register's place, value id) */
export const PENDING = 32;
/** faults taken so far that the condition speaks of: bits of its atoms */
export const FAULTS = PENDING + 1 + 2 * MAX_PENDING;
const REGS = FAULTS + 1;
const REG_DEPS = REGS + 32;
const SYS = REG_DEPS + 32;
const SYS_DEPS = SYS + ALL_SYSREGS.length;
const COH = SYS_DEPS + ALL_SYSREGS.length;
const FORWARD = COH + MAX_SLOTS;
const FORWARDED = FORWARD + MAX_SLOTS;
const RENEWED = FORWARDED + MAX_SLOTS;
export const STATE_SIZE = RENEWED + MAX_SLOTS;

export type State = Int32Array;

export const reg = (s: State, r: number): number => (r === 31 ? 0 : s[REGS + r]!);
export const regDeps = (s: State, r: number): Deps => (r === 31 ? 0 : s[REG_DEPS + r]!);
export function setReg(s: State, r: number, value: number, deps: Deps): void {
  if (r === 31) return;
  s[REGS + r] = value;
  s[REG_DEPS + r] = deps;
}

export const sysreg = (s: State, place: number): number => s[SYS + place]!;
export const sysregDeps = (s: State, place: number): Deps => s[SYS_DEPS + place]!;
/** What the value of a system register depends on, in whichever manner. */
export const sysregView = (s: State, place: number): number => pickView(sysregDeps(s, place));
export function setSysreg(s: State, place: number, value: number, deps: Deps): void {
  s[SYS + place] = value;
  s[SYS_DEPS + place] = deps;
}

/** Coherence: the view of the thread's latest access of the location in a slot. */
export const coherence = (s: State, slot: number): number => s[COH + slot]!;
export function raiseCoherence(s: State, slot: number, view: number): void {
  if (s[COH + slot]! < view) s[COH + slot] = view;
}
/** The time of the thread's latest write to the location in a slot (0 = none), and what it hands to own loads ({@link Handed}). */
export const forward = (s: State, slot: number): number => s[FORWARD + slot]!;
export const handedBy = (s: State, slot: number): Handed => s[FORWARDED + slot]!;
export function setForward(s: State, slot: number, time: number, handed: Handed): void {
  s[FORWARD + slot] = time;
  s[FORWARDED + slot] = handed;
}

/** The time of the latest TLBI of another PE after which an access of a place (by its number in {@link Places}) was translated. */
export const renewed = (s: State, place: number): number => s[RENEWED + place]!;
export function raiseRenewed(s: State, place: number, time: number): void {
  if (s[RENEWED + place]! < time) s[RENEWED + place] = time;
}

/** Raises the view at a place. */
export function raise(s: State, place: number, view: number): void {
  if (s[place]! < view) s[place] = view;
}

export function isDone(s: State, t: number): boolean {
  return t <= 30 ? (s[DONE_LOW]! & (1 << (t - 1))) !== 0 : (s[DONE_HIGH]! & (1 << (t - 31))) !== 0;
}
export function setDone(s: State, t: number): void {
  if (t <= 30) s[DONE_LOW]! |= 1 << (t - 1);
  else s[DONE_HIGH]! |= 1 << (t - 31);
}

/** A number from which equal states cannot be told apart; others mostly can. `slots` = how many are in use. */
export function hash(s: State, slots: number): number {
  let [a, b] = [0x811c9dc5, 0x1b873593];
  for (let i = 0; i < COH; i++) {
    a = Math.imul(a ^ s[i]!, 0x01000193);
    b = Math.imul(b, 31) + s[i]!;
  }
  for (let from = COH; from < STATE_SIZE; from += MAX_SLOTS)
    for (let i = from; i < from + slots; i++) {
      a = Math.imul(a ^ s[i]!, 0x01000193);
      b = Math.imul(b, 31) + s[i]!;
    }
  return (a >>> 0) * 0x20_0000 + (b & 0x1f_ffff);
}

/** True when two states are the same. */
export function equal(a: State, b: State): boolean {
  for (let i = 0; i < STATE_SIZE; i++) if (a[i] !== b[i]) return false;
  return true;
}
