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
