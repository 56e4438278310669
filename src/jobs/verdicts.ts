/** Verdicts on scenarios, which need not be decided twice. */
import { decideTask, type Finding, type Limits, type Task } from "../prove/index.js";
import { keepAnswer, recall, type Shelf, userShelf } from "./kept.js";

/** Bounds, whether verdicts are kept, and who decides. */
export interface Bounds extends Limits {
  readonly verdicts?: Shelf | undefined;
  /** address of a queue whose workers decide; absent: this machine */
  readonly queue?: string | undefined;
}

/** The user's own verdicts, if there is a place for them. */
export const userVerdicts = (): Shelf | undefined => userShelf("verdicts");

/** Decides a task, or takes what is kept of it. What is kept took the time that it took then. */
export function decided(task: Task, bounds: Bounds): Finding {
  const kept = recalled(task, bounds);
  if (kept !== undefined) return kept;
  const { verdicts: _, queue: _queue, ...limits } = bounds;
  const finding = decideTask(task, limits);
  keep(task, bounds, finding);
  return finding;
}

/** What is kept of a task, if it may be used. */
export function recalled(task: Task, { verdicts, ...limits }: Bounds): Finding | undefined {
  const kept = verdicts && (recall(verdicts, questionOf(task, limits)) as Finding | undefined);
  // What took more than is allowed now would not have been decided.
  return kept !== undefined && (limits.maxStates <= 0 || kept.states <= limits.maxStates) ? kept : undefined;
}

/** Keeps what was found of a task, if that is a verdict. */
export function keep(task: Task, { verdicts, ...limits }: Bounds, finding: Finding): void {
  if (verdicts !== undefined && (finding.verdict === "allowed" || finding.verdict === "forbidden"))
    keepAnswer(verdicts, questionOf(task, limits), finding);
}

const questionOf = ({ scenario, cpu, name }: Task, { without }: Limits): string =>
  JSON.stringify([name, scenario, cpu, [...(without ?? [])].sort()]);
