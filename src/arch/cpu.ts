/** CPUs: what of the architecture they have, and what of it they have wrong. Who they are stands in files: see the room cpu. */
import { type Erratum, SYMPTOMS, type Symptom, type Workaround } from "./errata.js";
import type { Feature } from "./features.js";

/** What a way of flushing may depend on in a CPU: its optional features and its errata. */
export interface CpuProfile {
  /** kebab-case, stable */
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** those that it is known to have */
  readonly features: ReadonlySet<Feature>;
  /** those of which no source says whether it has them */
  readonly unknown: ReadonlySet<Feature>;
  /** who says so, of each feature that is not unknown */
  readonly sources: ReadonlyMap<Feature, string>;
  /** FEAT_BBM level: 0 = every change of block size needs break-before-make. 0 also where the core's level is not known. */
  readonly bbmLevel: 0 | 1 | 2;
  /** those that are published, in the order of its file */
  readonly errata: readonly Erratum[];
  /** what it may do wrong: by its errata, or as somebody supposes */
  readonly symptoms: ReadonlySet<Symptom>;
}

/** True when code needs the workaround on the CPU: for any of the symptoms that the CPU has. */
export const needs = (cpu: Pick<CpuProfile, "symptoms">, workaround: Workaround): boolean =>
  [...cpu.symptoms].some((symptom) => SYMPTOMS[symptom].workaround === workaround);

/** The CPU as code takes it that has the workaround in place, or has not: without the symptoms, or at least with its first one. */
export function withWorkaround(cpu: CpuProfile, workaround: Workaround, has: boolean): CpuProfile {
  if (needs(cpu, workaround) === has) return cpu;
  const of = (Object.keys(SYMPTOMS) as Symptom[]).filter((symptom) => SYMPTOMS[symptom].workaround === workaround);
  const others = [...cpu.symptoms].filter((symptom) => !of.includes(symptom));
  return { ...cpu, symptoms: new Set(has ? [...cpu.symptoms, of[0]!] : others) };
}

/** True when the CPU is known to have an erratum: under this number, or under its own of the same vulnerability. */
export const hasErratum = (cpu: Pick<CpuProfile, "errata">, { number, cve = number }: Erratum): boolean =>
  cpu.errata.some((own) => own.number === number || own.number === cve || own.cve === number || own.cve === cve);

/** The CPU with an erratum, whether or not it is known to have it. */
export const withErratum = (cpu: CpuProfile, erratum: Erratum): CpuProfile =>
  hasErratum(cpu, erratum)
    ? cpu
    : {
        ...cpu,
        errata: [...cpu.errata, erratum],
        symptoms: new Set([...cpu.symptoms, ...erratum.symptoms]),
      };
