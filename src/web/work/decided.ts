/** Scenarios that this worker has decided: a policy that changes in one place asks again for most of what it asked before. */
import { decideTask, type Finding, type Limits, type Task } from "../../prove/index.js";

/** Most that are kept, with the texts of some kilobytes that are their keys. */
const MOST = 6_000;

const known = new Map<string, Finding>();

/** All that a verdict hangs on: occasions with the same code have scenarios that differ in nothing but what they are called. */
function keyOf({ cpu, scenario }: Task, { maxStates, without }: Limits): string {
  const { name: _, title: _title, meaning: _meaning, ...asked } = JSON.parse(scenario);
  return JSON.stringify([maxStates, [...(without ?? [])].sort(), cpu, asked]);
}

/** Decides a task, or takes what was found of it before. */
export function decided(task: Task, limits: Limits): Finding {
  const key = keyOf(task, limits);
  const before = known.get(key);
  if (before !== undefined) return before;
  const finding = decideTask(task, limits);
  // What was not decided may be, another time; and why not speaks of the scenario by name.
  if (finding.verdict !== "allowed" && finding.verdict !== "forbidden") return finding;
  if (known.size >= MOST) known.clear();
  known.set(key, finding);
  return finding;
}
