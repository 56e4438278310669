/**
 * What the instructions of a thread have of its run: the state goes on through it, and events are placed by it. The parts of
 * the thread know this, the thread knows them.
 */
import type { FaultType, Instruction } from "../program.js";
import type { Code } from "./code.js";
import type { State } from "./state.js";
import type { AmalgamTrail, Trail } from "./trail.js";
import type { World } from "./world.js";

/** An event to place: it must come after `after` and before `before`. */
export interface Placing {
  readonly at: Instruction;
  readonly kind: number;
  readonly pe: number;
  readonly what: number;
  readonly value: number;
  readonly after: number;
  readonly before: number;
}

/** One thread's run over the world's present timeline. */
export interface Run {
  readonly world: World;
  /** the thread's place among the threads, and its PE's */
  readonly index: number;
  readonly code: Code;
  /** events of the timeline that is run over; behind them stand own ones, for a try */
  readonly base: number;
  /** the execution wanted is found: nothing more is explored */
  readonly found: readonly Trail[] | undefined;
  /** There is something to choose: later runs begin here. */
  choose(): void;
  /** Goes on from a state, which it may change; true when some way on keeps all promises. */
  explore(s: State): boolean;
  /** Does `then` with the log as it was taken back afterwards. */
  noted(record: Trail, then: () => boolean): boolean;
  /** The atoms of the condition, as bits, that speak of such a fault. */
  faultBits(at: Instruction, va: number, type: FaultType): number;
  /** An access may use an amalgam of two entries: from here on anything may come of the thread. */
  amalgamated(s: State, amalgam: AmalgamTrail): void;
  /** The thread may access a cell: it can tell writes of it. */
  touch(cell: number): void;
  /**
   * Places an event: at the time of the promise that it keeps, or at the end of the timeline. `then` goes on
   * with a state of its own.
   */
  placeEvent(s: State, event: Placing, then: (next: State, time: number) => boolean): boolean;
}
