/** What `prove` is asked: which occasions are meant, and a question for each policy on each of them. */
import type { CpuProfile, Erratum } from "../arch/index.js";
import { InputError } from "../input/index.js";
import type { Policy } from "../policy/index.js";
import { PROVED, type ProvedOccasion, Question, type Setting, supposing } from "../prove/index.js";

/** Occasions by their names; all of them where none is named. Throws an InputError for an unknown name. */
export function occasionsOf(asked: readonly string[] | undefined): ProvedOccasion[] {
  const known = Object.keys(PROVED) as ProvedOccasion[];
  for (const name of asked ?? [])
    if (!(known as string[]).includes(name))
      throw new InputError(`--occasion: unknown occasion '${name}', expected ${known.join(", ")}`);
  return asked === undefined ? known : known.filter((name) => asked.includes(name));
}

/** A question for each policy, on each occasion, on each CPU; `about`: with these errata, whether or not it has them. */
export function questionsOf(
  policies: readonly Policy[],
  cpus: readonly CpuProfile[],
  occasions: readonly ProvedOccasion[],
  setting: Setting,
  about: readonly Erratum[] = [],
): Question[] {
  // biome-ignore format: one row
  return policies.flatMap((policy) =>
    occasions.flatMap((occasion) => cpus.map((cpu) => new Question(policy, occasion, supposing(cpu, about), setting, about))),
  );
}
