/** Decides scenarios in a worker thread. */
import type { Finding, Task } from "../prove/index.js";
import { type Bounds, decided } from "./verdicts.js";

/** Scenarios to decide, each within these limits. */
export interface ProveJob {
  readonly tasks: readonly Task[];
  readonly limits: Bounds;
}

/** Decides them one after the other. */
export default function work({ tasks, limits }: ProveJob): Finding[] {
  return tasks.map((task) => decided(task, limits));
}
