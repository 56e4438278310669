/**
 * Judges policies as `prove` does: the same scenarios, decided by the same prover. The scenario that has refuted most is tried first, and
 * equal scenarios are decided once.
 */
import type { CpuProfile } from "../arch/index.js";
import type { Policy } from "../policy/index.js";
import { type Finding, type ProvedOccasion, Question, type Setting, type Task } from "../prove/index.js";

/** Where a policy failed. Plain data. */
export interface Refutation {
  readonly occasion: ProvedOccasion;
  readonly cpu: string;
  readonly scenario: string;
}

/** `sound` on all occasions and CPUs; or refuted in a scenario; or a scenario is not decided within the bounds. */
export type Judgement =
  | { readonly verdict: "sound" }
  | { readonly verdict: "refuted"; readonly by: Refutation }
  | { readonly verdict: "unknown"; readonly reason: string };

/** What is asked. */
interface Asked {
  readonly occasions: readonly ProvedOccasion[];
  readonly cpus: readonly CpuProfile[];
  readonly setting: Setting;
}

const keyOf = ({ occasion, cpu, scenario }: Refutation): string => `${occasion} ${cpu} ${scenario}`;

/** Most verdicts on scenarios that are remembered, with the texts of some kilobytes that are their keys. */
const REMEMBERED = 20_000;

export class Judge {
  /** how often each scenario has refuted */
  private readonly hits = new Map<string, number>();
  private readonly found = new Map<string, Finding["verdict"]>();
  /** policies judged, and scenarios decided for them */
  readonly counts = { policies: 0, scenarios: 0 };

  constructor(
    private readonly asked: Asked,
    private readonly decide: (task: Task) => Finding,
  ) {}

  /** Judges a policy. */
  judge(policy: Policy): Judgement {
    this.counts.policies++;
    let unknown: string | undefined;
    for (const { by, task } of this.tasksOf(policy)) {
      const verdict = this.verdictOn(task);
      if (verdict === "allowed") {
        this.hits.set(keyOf(by), (this.hits.get(keyOf(by)) ?? 0) + 1);
        return { verdict: "refuted", by };
      }
      if (verdict !== "forbidden") unknown ??= `${by.scenario} on ${by.cpu}: ${verdict}`;
    }
    return unknown === undefined ? { verdict: "sound" } : { verdict: "unknown", reason: unknown };
  }

  /** Does a scenario still refute it? */
  refutes(by: Refutation, policy: Policy): boolean {
    const [cpu] = this.asked.cpus.filter(({ name }) => name === by.cpu);
    const { tasks } = new Question(policy, by.occasion, cpu!, this.asked.setting);
    const task = tasks.find(({ name }) => name === by.scenario);
    return task !== undefined && this.verdictOn(task) === "allowed";
  }

  /** All scenarios of a policy, those that have refuted most first. */
  private tasksOf(policy: Policy): { readonly by: Refutation; readonly task: Task }[] {
    const { occasions, cpus, setting } = this.asked;
    const list = occasions.flatMap((occasion) =>
      cpus.flatMap((cpu) =>
        new Question(policy, occasion, cpu, setting).tasks.map((task) => ({
          by: { occasion, cpu: cpu.name, scenario: task.name },
          task,
        })),
      ),
    );
    const hitsOf = ({ by }: { by: Refutation }): number => this.hits.get(keyOf(by)) ?? 0;
    return list.sort((a, b) => hitsOf(b) - hitsOf(a));
  }

  private verdictOn(task: Task): Finding["verdict"] {
    const key = `${JSON.stringify(task.cpu)} ${task.scenario}`;
    const known = this.found.get(key);
    if (known !== undefined) return known;
    this.counts.scenarios++;
    const { verdict } = this.decide(task);
    if (this.found.size >= REMEMBERED) this.found.clear();
    this.found.set(key, verdict);
    return verdict;
  }
}
