/** The system registers whose writes matter to translation (DDI 0487, D19), and their fields. */
import { type Halves, pageHi, pageLo } from "./address.js";

/** The index in this list is the register's code in a trace. */
export const SYSREGS = [
  "VTTBR_EL2",
  "VTCR_EL2",
  "HCR_EL2",
  "TTBR0_EL1",
  "TTBR1_EL1",
  "TCR_EL1",
  "SCTLR_EL1",
  "TTBR0_EL2",
  "TCR_EL2",
  "SCTLR_EL2",
] as const;
export type Sysreg = (typeof SYSREGS)[number];

/** Index in {@link SYSREGS} of a register's name in any case, or undefined. */
export function sysregIndex(name: string): number | undefined {
  const index = (SYSREGS as readonly string[]).indexOf(name.trim().toUpperCase());
  return index < 0 ? undefined : index;
}

/** VTTBR_EL2: VMID in [63:48], root table's page. (Same layout as TTBRn_EL1 with its ASID.) */
export function vttbr(vmid: number, rootPage: number): Halves {
  return { lo: pageLo(rootPage), hi: ((vmid << 16) | (pageHi(rootPage) & 0xffff)) >>> 0 };
}

/** The VMID (or ASID) field of a VTTBR_EL2 (TTBRn_EL1) value's high half. */
export const idOf = (hi: number): number => hi >>> 16;
