/** CPUs: what of the architecture they have, and what of it they have wrong. */
import type { Erratum } from "./errata.js";
import { FEATURES, type Feature } from "./features.js";

/** What a way of flushing may depend on in a CPU: its optional features and its errata. */
export interface CpuProfile {
  /** kebab-case, stable */
  readonly name: string;
  readonly title: string;
  readonly features: ReadonlySet<Feature>;
  /** FEAT_BBM level: 0 = every change of block size needs break-before-make. 0 also where the core's level is not known here. */
  readonly bbmLevel: 0 | 1 | 2;
  readonly errata: ReadonlySet<Erratum>;
}

function profile(
  name: string,
  title: string,
  features: readonly Feature[],
  bbmLevel: 0 | 1 | 2,
  errata: readonly Erratum[],
): CpuProfile {
  return { name, title, features: new Set(features), bbmLevel, errata: new Set(errata) };
}

/** Most current cores have it. */
const REPEAT = ["repeat-tlbi"] as const;

const v84: readonly Feature[] = [
  "FEAT_TLBIRANGE",
  "FEAT_TLBIOS",
  "FEAT_TTL",
  "FEAT_VMID16",
  "FEAT_TTCNP",
  "FEAT_S2FWB",
];

/** Real cores, and two that are no product: the architecture with no optional feature, and with all of them. */
export const CPU_PROFILES: readonly CpuProfile[] = [
  profile("cortex-a72", "Cortex-A72 (Armv8.0): 8-bit VMIDs, no range TLBI, not affected by the erratum", [], 0, []),
  profile("neoverse-n1", "Neoverse N1 (Armv8.2): no range TLBI", ["FEAT_VMID16", "FEAT_TTCNP"], 0, REPEAT),
  profile("neoverse-v1", "Neoverse V1 (Armv8.4)", v84, 0, REPEAT),
  profile("neoverse-v2", "Neoverse V2 (Armv9.0; AWS Graviton4), the report's machine", [...v84, "FEAT_NV2"], 0, REPEAT),
  profile(
    "neoverse-v3",
    "Neoverse V3 (Armv9.2): no physical translation caches",
    [...v84, "FEAT_XS", "FEAT_nTLBPA", "FEAT_NV2"],
    2,
    REPEAT,
  ),
  profile("arch-minimal", "all the freedom of the architecture: no optional feature, no erratum", [], 0, []),
  profile(
    "arch-maximal",
    "the architecture with every optional feature, no erratum",
    Object.keys(FEATURES) as Feature[],
    2,
    [],
  ),
];

/** The profile of that name, or undefined. */
export function cpuProfile(name: string): CpuProfile | undefined {
  return CPU_PROFILES.find((p) => p.name === name);
}

/** The CPU with an erratum, or without it. */
export function withErratum(cpu: CpuProfile, erratum: Erratum, has: boolean): CpuProfile {
  const others = [...cpu.errata].filter((one) => one !== erratum);
  return { ...cpu, errata: new Set(has ? [...others, erratum] : others) };
}
