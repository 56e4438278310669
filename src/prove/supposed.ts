/** CPUs with errata that they are asked about, whether or not they are known to have them. */
import { type CpuProfile, type Erratum, hasErratum, withErratum } from "../arch/index.js";

/** The CPU with errata, as if it had them. */
export const supposing = (cpu: CpuProfile, errata: readonly Erratum[]): CpuProfile => errata.reduce(withErratum, cpu);

/** Of each erratum, the CPUs that are not known to have it. */
export const supposedOf = (errata: readonly Erratum[], cpus: readonly CpuProfile[]) =>
  errata.map((erratum) => ({
    erratum,
    supposed: cpus.filter((cpu) => !hasErratum(cpu, erratum)).map(({ name }) => name),
  }));
