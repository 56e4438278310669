/** What `prove` is asked: which CPUs and occasions are meant, and a question for each policy on each of them. */
import { CPU_PROFILES, type CpuProfile } from "../arch/index.js";
import { InputError } from "../input/index.js";
import type { Policy } from "../policy/index.js";
import { PROVED, type ProvedOccasion, Question, type Setting } from "../prove/index.js";

/** CPU profiles by their names, each once; all of them where none is named. Throws an InputError for an unknown name. */
export function cpusOf(asked: readonly string[] | undefined): CpuProfile[] {
  if (asked === undefined) return [...CPU_PROFILES];
  return [...new Set(asked)].map((name) => {
    const found = CPU_PROFILES.find((profile) => profile.name === name);
    if (!found)
      throw new InputError(
        `--cpu: unknown profile '${name}', expected ${CPU_PROFILES.map((profile) => profile.name).join(", ")}`,
      );
    return found;
  });
}

/** Occasions by their names; all of them where none is named. Throws an InputError for an unknown name. */
export function occasionsOf(asked: readonly string[] | undefined): ProvedOccasion[] {
  const known = Object.keys(PROVED) as ProvedOccasion[];
  for (const name of asked ?? [])
    if (!(known as string[]).includes(name))
      throw new InputError(`--occasion: unknown occasion '${name}', expected ${known.join(", ")}`);
  return asked === undefined ? known : known.filter((name) => asked.includes(name));
}

/** A question for each policy, on each occasion, on each CPU. */
export function questionsOf(
  policies: readonly Policy[],
  cpus: readonly CpuProfile[],
  occasions: readonly ProvedOccasion[],
  setting: Setting,
): Question[] {
  // biome-ignore format: one row
  return policies.flatMap((policy) =>
    occasions.flatMap((occasion) => cpus.map((cpu) => new Question(policy, occasion, cpu, setting))),
  );
}
