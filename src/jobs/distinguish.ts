/** Two policies put to the same scenarios, all of which are decided. */
import type { CpuProfile, Feature } from "../arch/index.js";
import { missingFeature, type Policy } from "../policy/index.js";
import { type Finding, type ProvedOccasion, Question, type Setting } from "../prove/index.js";
import { type Distinction, distinguish } from "../synth/index.js";
import { doneBy } from "./hands.js";
import type { ProveJob } from "./prove-worker.js";
import type { Bounds } from "./verdicts.js";

/** What was found of two policies. */
export interface Distinguished {
  readonly policies: readonly [Policy, Policy];
  readonly setting: Setting;
  readonly distinctions: readonly Distinction[];
  /** scenarios that both have, and how many of them are not decided for one or the other */
  readonly scenarios: number;
  readonly undecided: number;
  /** CPUs left out, with the feature that one of the two requires */
  readonly leftOut: readonly { readonly cpu: string; readonly feature: Feature }[];
}

/** Asks about both on each CPU that can run both. */
export async function distinguishInThreads(
  policies: readonly [Policy, Policy],
  occasions: readonly ProvedOccasion[],
  cpus: readonly CpuProfile[],
  setting: Setting,
  limits: Bounds,
  signal: AbortSignal,
): Promise<Distinguished> {
  const lacking = (cpu: CpuProfile) =>
    policies.map((policy) => missingFeature(policy, cpu)).find((one) => one !== undefined);
  const able = cpus.filter((cpu) => lacking(cpu) === undefined);
  const asked = policies.map((policy) =>
    occasions.flatMap((occasion) => able.map((cpu) => new Question(policy, occasion, cpu, setting))),
  );
  const jobs = asked.flat().map(({ tasks }): ProveJob => ({ tasks, limits }));
  const findings = await doneBy<ProveJob, Finding[]>(
    limits.queue,
    "./prove-worker.js",
    jobs,
    "parts of the proof",
    signal,
  );
  const sides = asked.map((questions, side) =>
    questions.map((question, i) => ({ question, found: findings[side * questions.length + i]! })),
  );
  const stories = sides.map((side) =>
    side.map(({ question, found }) => ({
      question,
      failing: new Map(
        found.flatMap((finding, i) =>
          finding.verdict === "allowed"
            ? [
                [
                  question.tasks[i]!.name,
                  question.conclude(found.map((one, k) => (k === i ? one : undefined))),
                ] as const,
              ]
            : [],
        ),
      ),
    })),
  );
  const open = sides
    .flat()
    .flatMap(({ found }) => found)
    .filter(({ verdict }) => verdict === "unknown" || verdict === "unsupported");
  return {
    policies,
    setting,
    distinctions: distinguish(stories[0]!, stories[1]!),
    scenarios: asked[0]!.reduce((n, { tasks }) => n + tasks.length, 0),
    undecided: open.length,
    leftOut: cpus.flatMap((cpu) => {
      const feature = lacking(cpu);
      return feature === undefined ? [] : [{ cpu: cpu.name, feature }];
    }),
  };
}
