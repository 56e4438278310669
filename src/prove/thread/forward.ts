/** What the thread's own writes hand to its loads before others see them (DDI 0487, B2.3, Local read successor). */
import { type Deps, dataView, depsOf, pickView } from "./deps.js";

/**
 * In one number: in bits [5:0] the view from which a load may have the value, in [11:6] and [17:12] what the value depends on,
 * by data and by choice, in bit 18 whether an atomic or a Store-Exclusive wrote it.
 */
export type Handed = number;

const ATOMIC = 1 << 18;

/** `from`: what the write's address and the registers that it writes depend on. */
export const handed = (from: number, deps: Deps, atomic: boolean): Handed =>
  from | (dataView(deps) << 6) | (pickView(deps) << 12) | (atomic ? ATOMIC : 0);

/** From when a load may have the value that was written at a time: a Load-Acquire takes none of an atomic before it is visible to all. */
export const handedFrom = (h: Handed, time: number, acquire: boolean): number =>
  acquire && h >= ATOMIC ? time : h & 63;

/** What a value that was handed to a load of this view depends on. */
export const handedDeps = (h: Handed, view: number): Deps =>
  depsOf(Math.max(view, (h >> 6) & 63), Math.max(view, (h >> 12) & 63));
