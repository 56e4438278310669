/** Where a way through a function is, and what the parts of a follower have of it. */
import type { Alternative, CodeFile, ElfSymbol } from "../binary/index.js";
import type { Capability, Said } from "./capabilities.js";
import type { Concerns } from "./concerns.js";
import type { Loop } from "./loops.js";
import type { Machine } from "./machine.js";
import type { Decision, End, Event, Remark, Tree } from "./tree.js";
import type { DataCondition } from "./value.js";

/** What is said of the code beside the code. */
export interface FollowSetting {
  readonly capabilities: Said;
  /** HCR_EL2.E2H = 1: the kernel runs at EL2 itself */
  readonly vhe: boolean;
  /** offsets in bytes from the function's first: where to begin, and where to end */
  readonly from?: number;
  readonly to?: number;
  /** conditions, in lower case, which tell that the owner's VTTBR_EL2 is in force */
  readonly ownerCurrent: ReadonlySet<string>;
  /** offsets of stores that write no descriptor */
  readonly others: ReadonlySet<number>;
}

/** A function that was called, and what is to be found again when it returns. */
export interface Frame {
  readonly f: ElfSymbol;
  readonly back: number | undefined;
  readonly before: Machine | undefined;
}

type Tge = 0 | 1 | undefined | "as found";

/** Where a way is. */
export interface Place {
  pc: number;
  readonly machine: Machine;
  frames: readonly Frame[];
  /** loops around, the innermost last, each with how many calls stand outside it */
  loops: readonly { readonly loop: Loop; readonly depth: number }[];
  /** the value that is taken for the owner's, once VTTBR_EL2 was written */
  owner: string | undefined;
  /** HCR_EL2.TGE as it was last written, undefined where that is not followed; and as it was before the last ISB */
  tge: Tge;
  former: Tge;
  /** a DSB came, and no TLBI yet: what is stored now may be the descriptor, which that DSB does not wait for */
  waits: boolean;
  flushed: boolean;
}

/** An instruction that was met, for the listing. */
export interface Met {
  readonly address: number;
  readonly word: number;
  readonly f: ElfSymbol;
  /** what the words at this place are when patched */
  readonly instead?: string;
}

/** A part of a way: what is done until ways part. */
export interface Row {
  readonly events: Event[];
  readonly remarks: Remark[];
}

/** What follows where a way ends or parts; undefined where it goes on. */
export type Next = Tree["next"] | undefined;

/** A follower, as its parts have it: instructions are executed through it, and ways end and part. */
export interface Following {
  readonly code: CodeFile;
  /** the function that is followed */
  readonly f: ElfSymbol;
  readonly setting: FollowSetting;
  readonly concerns: Concerns;
  readonly met: Map<number, Met>;
  readonly asked: Map<number, { readonly alternative: Alternative; readonly is: Capability }>;
  /** Goes on from a place to the ends of its ways. */
  run(place: Place): Tree;
  /** Executes a word that stands at `at`, and goes on behind it. */
  execute(place: Place, row: Row, word: number, at: number): Next;
  part(decision: Decision, yes: () => Tree, no: () => Tree): Tree["next"];
  /** Both ways of a condition on data. */
  fork(place: Place, condition: DataCondition, way: (place: Place, yes: boolean) => Tree): Tree["next"];
  end(end: End, at: number): Tree["next"];
  giveUp(row: Row, at: number, why: string): Tree["next"];
}

/** What a way does before it goes on elsewhere, or ends there. */
export const followedBy = ({ events, remarks }: Row, rest: Tree): Tree => ({
  ...rest,
  events: [...events, ...rest.events],
  remarks: [...remarks, ...rest.remarks],
});
