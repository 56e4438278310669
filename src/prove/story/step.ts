/** The steps of a story, gathered in any order and put in that of time. */
import type { Instruction } from "../program.js";
import { RULES, type Rule } from "../rules.js";
import type { Words } from "./words.js";

/** What happens in a step. */
type StepKind =
  /** a PE walks, and holds the entry from then on */
  | "fill"
  | "write"
  | "read"
  | "fault"
  /** an access for which the PE may hold two entries that break-before-make would have kept apart */
  | "conflict"
  /** an invalidation arrives at a PE */
  | "invalidation"
  /** an invalidation that does not come to a PE which goes on using what it was meant to remove */
  | "miss"
  | "barrier"
  /** a PE may walk for other tables than before */
  | "context";

/** An instruction: its text as its author wrote it, its line (from 1) in its code, its address. */
export type Executed = Pick<Instruction, "text" | "line" | "address">;

/** One step of a story. Times are positions in the timeline, 0 = before anything happens; several steps may share one. */
export interface Step {
  readonly time: number;
  readonly kind: StepKind;
  /** the thread */
  readonly pcpu: number;
  readonly who: string;
  readonly what: string;
  /** the rule of the manual that allows it, where it surprises */
  readonly rule?: string;
  /** the PE at which an invalidation by another one arrives */
  readonly to?: string;
  /** true of an access through a translation that the tables do not give any more */
  readonly stale?: true;
  /** what is executed */
  readonly at?: Executed;
  /** the entry that is filled, or accessed through */
  readonly entry?: string;
  /** the instruction that was meant to prevent this step, where that is another one's */
  readonly despite?: Executed;
}

/** What a step may have besides. */
type More = Pick<Step, "to" | "stale" | "entry"> & { readonly at?: Instruction; readonly despite?: Instruction };

/** Sorts of steps: the kind, and what comes first among the steps of one time. */
type Sort = readonly [kind: StepKind, order: number];
export const STORED: Sort = ["write", 0];
export const ARRIVAL: Sort = ["invalidation", 0];
export const CHANGE: Sort = ["context", 0];
export const FILL: Sort = ["fill", 1];
export const BARRIER: Sort = ["barrier", 2];
export const MISS: Sort = ["miss", 2];
export const LOADED: Sort = ["read", 3];
export const FAULT: Sort = ["fault", 3];
export const CONFLICT: Sort = ["conflict", 3];

interface Placed extends Step {
  readonly order: number;
}

/** Gathers steps. */
export class Steps {
  private readonly placed: Placed[] = [];

  constructor(private readonly words: Words) {}

  /** Adds what PE `pe` does at a time. */
  add(time: number, [kind, order]: Sort, pe: number, what: string, rule?: Rule, more: More = {}): void {
    const { at, despite, ...rest } = more;
    const executed = ({ text, line, address }: Instruction): Executed => ({ text: text.trim(), line, address });
    this.placed.push({
      ...{ time, order, kind, pcpu: pe, who: this.words.who(pe), what },
      ...(rule && { rule: RULES[rule] }),
      ...rest,
      ...(at && { at: executed(at) }),
      ...(despite && { despite: executed(despite) }),
    });
  }

  /** All steps, in time. */
  inTime(): Step[] {
    const sorted = this.placed.map((step, i) => ({ step, i }));
    sorted.sort((a, b) => a.step.time - b.step.time || a.step.order - b.step.order || a.i - b.i);
    return sorted.map(({ step: { order: _, ...step } }) => step);
  }
}
