/** Litmus tests in either form, told by what stands in them, and decided. */
import type { Cpu } from "./cpu.js";
import { type Decision, explore, type Options } from "./explore.js";
import { herdTest, isHerdForm } from "./herd/index.js";
import { type LitmusTest, parseLitmus } from "./litmus/index.js";

/**
 * Reads a test. Throws an InputError for what is wrong, UnsupportedInTest for what this tool does not do. `checkTime` is
 * called now and then, and may throw to end it.
 */
export const readTest = (text: string, file: string, checkTime?: () => void): LitmusTest =>
  isHerdForm(text) ? herdTest(text, file) : parseLitmus(text, file, checkTime);

/** The CPU that a test is decided for: what it asks for itself counts more. */
export const cpuFor = <C extends Cpu>(test: LitmusTest, cpu: C): C => ({ ...cpu, ...test.asks });

/** What is found about a test: the verdict is of the proposition, `holds` of it under "~exists" or "forall". */
export interface TestDecision extends Decision {
  readonly holds?: boolean;
}

/** Decides a test. */
export function decideTest(test: LitmusTest, options: Options): TestDecision {
  const all = cpuFor(test, options);
  const decision = explore(test.program, all);
  const { verdict } = decision;
  const decided = verdict === "allowed" || verdict === "forbidden";
  if (!decided || test.quantifier === undefined || test.quantifier === "exists") return decision;
  if (test.quantifier === "~exists") return { ...decision, holds: verdict === "forbidden" };
  // It holds of every final state when no final state has the opposite.
  const counter = explore({ ...test.program, final: test.counter! }, all);
  const both = { states: decision.states + counter.states, timelines: decision.timelines + counter.timelines };
  if (counter.verdict !== "allowed" && counter.verdict !== "forbidden") return { ...counter, ...both };
  return { ...decision, ...both, holds: counter.verdict === "forbidden" };
}
