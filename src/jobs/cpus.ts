/** Which CPU is meant: the one that was asked for, a trace's, or what stands for a machine's. */
import { type CpuProfile, ERRATA, type Erratum, erratumOf } from "../arch/index.js";
import { cpuNames, loadCpu, usualCpus } from "../catalog/index.js";
import { didYouMean, InputError } from "../input/index.js";

/** Names of the CPUs that "every CPU" stands for. */
const EVERY_CPU: readonly string[] = usualCpus();

/** For `--cpu all`. */
const ALL = "all";

/** CPUs by their names or files, each once; "all": every built-in one. Where none is named, the usual ones. Throws an InputError. */
export function cpusOf(asked: readonly string[] = EVERY_CPU): CpuProfile[] {
  const names = [...new Set(asked.flatMap((name) => (name === ALL ? cpuNames() : [name])))];
  const cpus = names.map(loadCpu);
  const twice = cpus.find(({ name }, i) => cpus.findIndex((other) => other.name === name) < i);
  if (twice) throw new InputError(`two CPUs are named '${twice.name}': their rows could not be told apart`);
  return cpus;
}

/** Errata by their numbers, each once. Throws an InputError that lists those that there are. */
export const errataOf = (numbers: readonly string[] = []): Erratum[] =>
  [...new Set(numbers)].map((number) => {
    const found = erratumOf(number);
    if (found !== undefined) return found;
    const all = ERRATA.map((erratum) => erratum.number);
    throw new InputError(
      `--erratum: no erratum '${number}' is known, expected ${all.join(", ")}${didYouMean(number, all)}; of one's own, a CPU's file says what it does`,
    );
  });

/** Throws an InputError for an erratum that the model cannot say: no test and no trace can tell then. */
export function refuseOutside(errata: readonly Erratum[]): void {
  for (const { number, outside } of errata)
    if (outside !== undefined)
      throw new InputError(`--erratum: unknown for ${number}, which is outside of the model: ${outside}`);
}
