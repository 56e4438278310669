/** What a function does about translation, as a tree: events in a row, then where its ways part. */
import type { Operand } from "./operand.js";

/** What decides where ways part. */
export type Decision =
  /** of the CPU: a policy asks for it by `if` */
  | { readonly kind: "cpu"; readonly word: string; readonly not: boolean }
  /** whether the owner's VTTBR_EL2 is in force at the entry */
  | { readonly kind: "owner-current" }
  /** of data: both ways are followed, each as a policy of its own */
  | { readonly kind: "data"; readonly text: string };

/** Why the policy cannot be judged as it is, or what is left out of it: a sentence. */
export interface Remark {
  /** "problem": no verdict but `unknown`; "left-out": the verdict is about the rest; "taken": an assumption or a guess */
  readonly kind: "problem" | "left-out" | "taken";
  readonly text: string;
}

/** Whose translations a TLBI of EL2&0 is about: the kernel's as the function found them, or what it has switched to itself. */
export type Own = "as found" | "switched";

/** What is executed. `at` are the addresses where it stands: several where ways come together. */
export type Event =
  | { readonly kind: "barrier"; readonly barrier: number; readonly at: readonly number[] }
  | {
      readonly kind: "tlbi";
      readonly op: number;
      readonly operand: Operand;
      /** of EL1's own that is for EL2&0, for a kernel with VHE runs it with HCR_EL2.TGE = 1 */
      readonly own?: Own;
      readonly at: readonly number[];
    }
  | {
      readonly kind: "vttbr";
      readonly value: "owner" | "current";
      readonly text: string;
      readonly at: readonly number[];
    }
  /** the way leaves a loop: what came before, since the loop's head, is of its last round */
  | { readonly kind: "left"; readonly head: number }
  /** to memory that is not the stack, between a DSB and the first TLBI */
  | { readonly kind: "store"; readonly at: readonly number[] };

/** How a way ends: at the function's return, at the loop's head again, or somewhere that is not followed. */
export type End = "return" | "again" | "exception";

export interface Tree {
  readonly events: readonly Event[];
  readonly remarks: readonly Remark[];
  readonly next:
    | { readonly kind: "end"; readonly end: End; readonly at: number }
    | { readonly kind: "part"; readonly decision: Decision; readonly yes: Tree; readonly no: Tree }
    /** `body` begins at the loop's head: its ways that end `again` are rounds, the others leave */
    | { readonly kind: "loop"; readonly body: Tree; readonly at: number };
}
