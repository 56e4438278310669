/** The elementary prices of KVM nested. The C functions are those of arch/arm64/kvm. */
import type { PriceTable } from "../host.js";

export const NESTED_PRICES = {
  exit: ["us", "a full exit to the host and the return, without the instructions of the handler"],
  "fast-exit": ["us", "a trap handled in the hypervisor exit loop (kvm_hyp_handle_tlbi_el2), and the return"],
  instruction: ["ns", "one host instruction"],
  broadcast: ["us", "a broadcast TLBI with its DSB ISH"],
  local: ["us", "a local TLBI with its DSB NSH"],
  handler: ["instructions", "a trapped TLBI on the slow path, when no shadow stage-2 matches the VMID"],
  "stage-2-match": ["instructions", "the fixed part of a stage-2 invalidation, for each shadow it reaches"],
  "el1-match": ["instructions", "an EL1 TLBI executed for a shadow: VMID switch and back (s2_mmu_tlbi_s1e1)"],
  "fast-path": ["instructions", "an EL2 TLBI handled in the exit loop (__kvm_tlbi_s1e2)"],
  "chunk-step": ["instructions", "one step of stage2_apply_range over an empty chunk, without its flush"],
  "flush-call": ["instructions", "one __kvm_tlb_flush_vmid_range or _ipa: VMID switch and back"],
  repeat: ["instructions", "the VALE2IS and DSB that end a TLBI once more, on a host that repeats them", "optional"],
  mitigation: [
    "instructions",
    "what an exit takes more on a CPU whose MIDR_EL1 has the erratum: such CPUs have others, too (Spectre-BHB's loop)",
    "optional",
  ],
  descend: ["instructions", "the walk enters a table"],
  "empty-slot": ["instructions", "the walk visits an invalid descriptor inside a table"],
  leaf: ["instructions", "a valid leaf is cleared and its page put (stage2_unmap_put_pte)"],
  "free-table": ["instructions", "an emptied table is unlinked and freed, without its flush"],
  lookup: ["instructions", "one look for the level hint of an IPA in the shadow (get_guest_mapping_ttl)"],
  "lookup-level": ["instructions", "a table entered by such a look"],
  "shadow-fault": ["instructions", "a stage-2 fault on the shadow, handled by the host (user_mem_abort)"],
  "round-trip": ["instructions", "from L2 to L1 and back to L2, as a hypercall of L2 to its hypervisor costs"],
  "host-fault": [
    "instructions",
    "a stage-2 fault of the guest hypervisor's own memory, or a trap that is no other's",
    "optional",
  ],
  translate: [
    "instructions",
    "an AT instruction of the guest hypervisor's on its guest's tables (__kvm_at_s12)",
    "optional",
  ],
  register: ["instructions", "a trapped access to a system register", "optional"],
  device: ["instructions", "an access to a device of the VMM's, and the return from it", "optional"],
  interrupt: ["instructions", "an interrupt of the host's that a guest gives way to", "optional"],
} as const satisfies PriceTable;

export type NestedPrice = keyof typeof NESTED_PRICES;
