/** Optional features of the architecture that change what TLB maintenance exists or what it must do (DDI 0487, A2). */
export const FEATURES = {
  FEAT_TLBIRANGE: "TLBI by range of addresses (RVAE1, RIPAS2E1, ...)",
  FEAT_TLBIOS: "TLBI that reach the Outer Shareable domain",
  FEAT_TTL: "the level hint (TTL) in the operand of a TLBI by address",
  FEAT_XS: "nXS forms of TLBI and DSB, which wait for less",
  FEAT_nTLBPA: "walk caches hold no non-coherent physical translation cache",
  FEAT_VMID16: "16-bit VMIDs instead of 8-bit",
  FEAT_ETS2: "enhanced translation synchronisation: a faulting walk is ordered after what precedes the access",
  FEAT_TTCNP: "Common not Private: PEs may share TLB entries of tables marked CnP",
  FEAT_NV2: "nested virtualization with the guest hypervisor's registers in memory",
  FEAT_S2FWB: "stage-2 forced write-back: no cache maintenance when a mapping goes",
} as const;

/** The name of an optional feature, as the Arm manual spells it. */
export type Feature = keyof typeof FEATURES;

/** True when `name` is a feature that this tool knows. */
export function isFeature(name: string): name is Feature {
  return Object.hasOwn(FEATURES, name);
}

/** What a way of flushing may depend on in a CPU: its optional features, and the erratum most current cores have. */
export interface CpuProfile {
  /** kebab-case, stable */
  readonly name: string;
  readonly title: string;
  readonly features: ReadonlySet<Feature>;
  /** FEAT_BBM level: 0 = every change of block size needs break-before-make. 0 also where the core's level is not known here. */
  readonly bbmLevel: 0 | 1 | 2;
  /**
   * CVE-2025-10263 / XSA-493: a broadcast TLBI with its DSB may complete before another PE's *writes* through the
   * invalidated entry are globally observed; the remedy repeats one broadcast TLBI and one DSB (ARM64_WORKAROUND_REPEAT_TLBI).
   */
  readonly repeatTlbi: boolean;
}

function profile(
  name: string,
  title: string,
  features: readonly Feature[],
  bbmLevel: 0 | 1 | 2,
  repeatTlbi: boolean,
): CpuProfile {
  return { name, title, features: new Set(features), bbmLevel, repeatTlbi };
}

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
  profile("cortex-a72", "Cortex-A72 (Armv8.0): 8-bit VMIDs, no range TLBI, not affected by the erratum", [], 0, false),
  profile("neoverse-n1", "Neoverse N1 (Armv8.2): no range TLBI", ["FEAT_VMID16", "FEAT_TTCNP"], 0, true),
  profile("neoverse-v1", "Neoverse V1 (Armv8.4)", v84, 0, true),
  profile("neoverse-v2", "Neoverse V2 (Armv9.0; AWS Graviton4), the report's machine", [...v84, "FEAT_NV2"], 0, true),
  profile(
    "neoverse-v3",
    "Neoverse V3 (Armv9.2): no physical translation caches",
    [...v84, "FEAT_XS", "FEAT_nTLBPA", "FEAT_NV2"],
    2,
    true,
  ),
  profile("arch-minimal", "all the freedom of the architecture: no optional feature, no erratum", [], 0, false),
  profile(
    "arch-maximal",
    "the architecture with every optional feature, no erratum",
    Object.keys(FEATURES) as Feature[],
    2,
    false,
  ),
];

/** The profile of that name, or undefined. */
export function cpuProfile(name: string): CpuProfile | undefined {
  return CPU_PROFILES.find((p) => p.name === name);
}
