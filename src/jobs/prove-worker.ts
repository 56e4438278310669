/** Decides scenarios in a worker thread. */
import { decideTask, type Finding, type Limits, type Task } from "../prove/index.js";

/** Scenarios to decide, each within these limits. */
export interface ProveJob {
  readonly tasks: readonly Task[];
  readonly limits: Limits;
}

/** Decides them one after the other. */
export default function work({ tasks, limits }: ProveJob): Finding[] {
  return tasks.map((task) => decideTask(task, limits));
}
