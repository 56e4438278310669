/** Who is who in the scenarios: VMIDs, and the registers of a pCPU that runs a domain. */
import type { GranuleBits } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { Pcpu } from "./scenario.js";
import { type Term, ttbrOf, vaOperand, vttbrOf, wide } from "./terms.js";

/** The VMIDs of the domain that a scenario is about: one, or one for each of two vCPUs. */
export const ownerVmids = (policy: Policy): readonly number[] => (policy.vmidPer === "vcpu" ? [1, 2] : [1]);
/** Another domain, which runs where the owner is not current; and the next owner of a page. */
export const OTHER_VMID = 8;
export const HEIR_VMID = 9;

/** VTTBR_EL2 of a VMID. */
export function vttbr(vmid: number): Term {
  const base = vmid === OTHER_VMID ? "other_stage2" : vmid === HEIR_VMID ? "heir_stage2" : "owner_stage2";
  return vttbrOf(vmid, base);
}

/** The ASID of every guest here: one that an operand without ASID does not match. */
export const ASID = 5;

/** TTBR0_EL1 of a guest's stage-1 table. */
export const ttbr = (base: string): Term => ttbrOf(ASID, base);

/** The operand of a guest's own TLBI by VA. */
export const byVa = (va: string): Term => vaOperand(ASID, va);

/** HCR_EL2 as Xen sets it, as far as it matters here: VM, BSU = Inner Shareable, and FB unless told otherwise. */
const hcr = (fb: boolean): Term => wide(fb ? 0x601 : 0x401);

/** What holds for all scenarios of a policy. */
export interface Setting {
  /** HCR_EL2.FB = 1: a guest's local TLBIs are broadcast */
  readonly fb: boolean;
  /** log2 of the granule of all tables, of both stages and of the hypervisor itself; 4 KiB when absent */
  readonly granule?: GranuleBits;
}

/** A pCPU whose registers hold `vmid`, and a stage-1 table of that domain. It starts at EL1 in the guest, or at EL2 in Xen. */
export function pcpu(title: string, el: 1 | 2, vmid: number, stage1: string, setting: Setting): Pcpu {
  const made = new Pcpu(title, el, setting.granule);
  made.sysregs.TTBR0_EL2 = ttbrOf(0, "hyp_map");
  made.sysregs.VTTBR_EL2 = vttbr(vmid);
  made.sysregs.TTBR0_EL1 = ttbr(stage1);
  made.sysregs.HCR_EL2 = hcr(setting.fb);
  return made;
}

/** Xen takes VTTBR_EL2 to another VMID, as p2m_restore_state() does. */
export const switchTo = (on: Pcpu, vmid: number): string[] => [`MSR VTTBR_EL2,${on.constant(vttbr(vmid))}`, "ISB"];
