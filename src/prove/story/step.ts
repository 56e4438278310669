/** The steps of a story, gathered in any order and put in that of time. */
import { RULES, type Rule } from "../rules.js";
import type { Words } from "./words.js";

/** One step of a story. Times are positions in the timeline, 0 = before anything happens; several steps may share one. */
export interface Step {
  readonly time: number;
  readonly who: string;
  readonly what: string;
  /** the rule of the manual that allows it, where it surprises */
  readonly rule?: string;
  /** the PE at which an invalidation by another one arrives */
  readonly to?: string;
  /** true of an access through a translation that the tables do not give any more */
  readonly stale?: true;
}

/** What comes first among the steps of one time. */
export const EVENT = 0;
export const FILL = 1;
export const BARRIER = 2;
export const ACCESS = 3;

interface Placed extends Step {
  readonly order: number;
}

/** Gathers steps. */
export class Steps {
  private readonly placed: Placed[] = [];

  constructor(private readonly words: Words) {}

  /** Adds what PE `pe` does at a time; `order` says what comes first among the steps of one time. */
  add(time: number, order: number, pe: number, what: string, rule?: Rule, more?: Pick<Step, "to" | "stale">): void {
    this.placed.push({ time, order, who: this.words.who(pe), what, ...(rule && { rule: RULES[rule] }), ...more });
  }

  /** All steps, in time. */
  inTime(): Step[] {
    const sorted = this.placed.map((step, i) => ({ step, i }));
    sorted.sort((a, b) => a.step.time - b.step.time || a.step.order - b.step.order || a.i - b.i);
    return sorted.map(({ step: { order: _, ...step } }) => step);
  }
}
