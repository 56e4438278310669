/** What of a CPU the prover looks at. */
import { type CpuProfile, SYMPTOM_WORDS, type Symptom } from "../arch/index.js";

/** The CPU as the prover sees it. */
export interface Cpu {
  /** FEAT_ETS2 */
  readonly ets2: boolean;
  /** FEAT_nTLBPA */
  readonly nTlbpa: boolean;
  /** FEAT_BBM: its level, ID_AA64MMFR2_EL1.BBM */
  readonly bbm: 0 | 1 | 2;
  /** what it has; each has its rule */
  readonly symptoms: Readonly<Record<Symptom, boolean>>;
}

/** The properties of a CPU profile that the prover looks at. */
export function proverCpu(profile: CpuProfile): Cpu {
  return {
    ets2: profile.features.has("FEAT_ETS2"),
    nTlbpa: profile.features.has("FEAT_nTLBPA"),
    bbm: profile.bbmLevel,
    symptoms: Object.fromEntries(SYMPTOM_WORDS.map((word) => [word, profile.symptoms.has(word)])) as Cpu["symptoms"],
  };
}
