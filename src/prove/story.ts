/** A timeline and its executions, told in time: who walked, what was held, what was written, which TLBI reached whom. */
import type { Rule } from "./rules.js";
import type { Record } from "./thread.js";
import type { World } from "./world.js";

/** One step of a story. Times are positions in the timeline; several steps may share one. */
export interface Step {
  readonly time: number;
  readonly who: string;
  readonly what: string;
  /** the rule of the manual that allows it, where it surprises */
  readonly rule?: string;
}

/** Tells it. */
export function tell(world: World, records: readonly (readonly Record[])[]): Step[] {
  const steps: Step[] = [];
  const _r: Rule | undefined = undefined;
  void _r;
  records.forEach((list, i) => {
    for (const r of list) {
      const time = r.kind === "event" ? r.time : r.view;
      const extra = r.kind === "access" ? ` = 0x${world.values.big(r.value).toString(16)} (t${r.time}, walk@${r.walk.time} entry ${r.walk.entry} deadline ${r.walk.deadline})` : r.kind === "fault" ? ` ${r.what} walk@${r.walk.time}` : ""; // biome-ignore format: draft
      steps.push({ time, who: world.program.threads[i]!.name, what: `${r.at.text}${extra}` });
    }
  });
  return steps;
}
