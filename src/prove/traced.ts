/** Stories traced back to the policy: which line of whose file executes each step, and which lines let the bad state come about. */
import { OCCASIONS, type Occasion, type Policy } from "../policy/index.js";
import type { Origin } from "./occasion/index.js";
import type { Executed, Step } from "./story/index.js";

/** A line of a policy, in the file where it stands: that of a base, where the policy takes it over. */
export interface PolicyLine extends Origin {
  readonly file: string;
  /** the code of the line, without the blanks around it */
  readonly code: string;
}

/** A step, with the line that is executed in it, where that is a policy's. */
export interface TracedStep extends Step {
  readonly from?: PolicyLine;
  readonly despiteOf?: PolicyLine;
}

/** A line that lets the bad state come about. */
export interface Culprit extends PolicyLine {
  /** the time of the step that shows it */
  readonly time: number;
  readonly why: string;
}

/** Steps with their lines; `origins` by the addresses of the instructions. */
export function tracedSteps(
  steps: readonly Step[],
  policy: Policy,
  origins: ReadonlyMap<number, Origin>,
): TracedStep[] {
  const lineOf = (at: Executed | undefined): PolicyLine | undefined => {
    const origin = at && origins.get(at.address);
    const place = origin && policy.places[origin.occasion];
    if (origin === undefined || place === undefined) return undefined;
    const code = place.text.split("\n")[origin.line - place.line] ?? "";
    return { ...origin, file: place.file, code: code.trim() };
  };
  return steps.map((step) => {
    const [from, despiteOf] = [lineOf(step.at), lineOf(step.despite)];
    return { ...step, ...(from && { from }), ...(despiteOf && { despiteOf }) };
  });
}

/**
 * The lines that are to blame, by what the story shows: a TLBI that does not reach or not remove what it was meant to; one that
 * takes effect before a write in front of it; one that an erratum lets a write outlive; and, where none of these is there, a
 * barrier that does not wait for a TLBI.
 */
export function culpritsOf(steps: readonly TracedStep[]): readonly Culprit[] {
  const found: Culprit[] = [];
  const blame = (line: PolicyLine | undefined, { time }: Step, why: string): void => {
    if (line && !found.some((other) => other.line === line.line && other.occasion === line.occasion))
      found.push({ ...line, time, why });
  };
  for (const step of steps) {
    if (step.kind === "miss" || (step.kind === "invalidation" && step.rule !== undefined))
      blame(step.from, step, step.what);
    const late = step.kind === "invalidation" ? overtakenWrite(step, steps) : undefined;
    if (late) blame(step.from, step, `takes effect before the write in front of it, of time ${late.time}`);
    if (step.despiteOf) blame(step.despiteOf, step, step.what);
  }
  if (found.length === 0)
    for (const step of steps) if (step.kind === "barrier" && step.rule !== undefined) blame(step.from, step, step.what);
  return found.sort((a, b) => ORDER.indexOf(a.occasion) - ORDER.indexOf(b.occasion) || a.line - b.line);
}

/** The order in which code is shown. */
const ORDER = Object.keys(OCCASIONS) as Occasion[];

/** A write of the same PE that stands in front of an invalidation in the code, and comes after it in time. */
const overtakenWrite = ({ time, pcpu, at }: Step, steps: readonly Step[]): Step | undefined =>
  steps.find(
    (other) =>
      other.kind === "write" &&
      other.pcpu === pcpu &&
      other.time > time &&
      at !== undefined &&
      other.at !== undefined &&
      other.at.address < at.address,
  );
