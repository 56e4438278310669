/** Scenarios that this worker has decided: a policy that changes in one place asks again for most of what it asked before. */
import { decideTask, type Finding, type Limits, type Task } from "../../prove/index.js";

/** Most that are kept, with the texts of some kilobytes that are their keys. */
const MOST = 6_000;

const known = new Map<string, Finding>();

/** Decides a task, or takes what was found of it before. */
export function decided(task: Task, limits: Limits): Finding {
  const { maxStates, without } = limits;
  const key = `${maxStates} ${[...(without ?? [])].sort().join()} ${JSON.stringify(task.cpu)} ${task.scenario}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const finding = decideTask(task, limits);
  // What was not decided in time may be, another time.
  if (finding.verdict === "unknown") return finding;
  if (known.size >= MOST) known.clear();
  known.set(key, finding);
  return finding;
}
