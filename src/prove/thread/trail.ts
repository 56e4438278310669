/** What a thread did, for stories. */

import type { Instruction } from "../program.js";
import type { Conflict, Context, Leaf, Update, WalkFault } from "../tlb/index.js";

/** One thing that a thread did, for stories. */
export type Trail =
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
  /** an access for which the PE may hold two entries that differ, `view` = the time of that; nobody knows what comes behind it */
  | {
      readonly kind: "amalgam";
      readonly at: Instruction;
      /** page of the VA */
      readonly page: number;
      readonly view: number;
      readonly context: Context;
      readonly conflict: Conflict;
    }
  /** a TLBI with the PEs at which it arrives as an event; it comes after `view` */
  | {
      readonly kind: "tlbi";
      readonly at: Instruction;
      readonly invalidation: number;
      readonly local: boolean;
      readonly targets: readonly number[];
      readonly view: number;
    }
  /** `view` is what a DSB has waited for, `tlbis` the latest arrival of a TLBI before it (0 = none) */
  | {
      readonly kind: "barrier";
      readonly at: Instruction;
      readonly barrier: number;
      readonly view: number;
      readonly tlbis: number;
    };

/** A load, store or atomic that was done. */
export type AccessTrail = Extract<Trail, { kind: "access" }>;
/** An access that may use an amalgam of two entries. */
export type AmalgamTrail = Extract<Trail, { kind: "amalgam" }>;

/** How an access was translated: `entry` is the combined entry used, -1 where nothing of the walk can change. */
export interface Walked {
  readonly context: Context;
  readonly entry: number;
  readonly leaf: Leaf | undefined;
  readonly fault: WalkFault | undefined;
  /** what the walk writes to the descriptor, that the access may go through it; else nothing is to write */
  readonly update?: Update;
  /** the time at which the PE held it */
  readonly time: number;
  /** the time of the invalidation that removes the entry; Infinity = none */
  readonly removed: number;
  /** the time by which an access through it is complete: that, but for writes on a CPU with the erratum */
  readonly deadline: number;
}
