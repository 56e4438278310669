/** Instruction words that are not TLBIs of EL1&0 or EL2, by name (DDI 0487, C4.1 and D19). */
import { BARRIERS, barrierFromWord } from "./barrier.js";
import { SYSREGS, type Sysreg } from "./sysreg.js";

/** "X0" to "X30", "XZR" for 31. */
export const registerName = (rt: number): string => (rt === 31 ? "XZR" : `X${rt}`);

/** MSR/MRS encodings of {@link SYSREGS}: op0, op1, CRn, CRm, op2 (DDI 0487, D19). */
const SYSREG_ENCODING: Record<Sysreg, readonly [number, number, number, number, number]> = {
  VTTBR_EL2: [3, 4, 2, 1, 0],
  VTCR_EL2: [3, 4, 2, 1, 2],
  HCR_EL2: [3, 4, 1, 1, 0],
  TTBR0_EL1: [3, 0, 2, 0, 0],
  TTBR1_EL1: [3, 0, 2, 0, 1],
  TCR_EL1: [3, 0, 2, 0, 2],
  SCTLR_EL1: [3, 0, 1, 0, 0],
  TTBR0_EL2: [3, 4, 2, 0, 0],
  TCR_EL2: [3, 4, 2, 0, 2],
  SCTLR_EL2: [3, 4, 1, 0, 0],
};

/**
 * What an instruction word is that is not one of TLBI_OPS: a barrier, an MSR or MRS, another SYS operation; undefined
 * when it is none of these.
 */
export function nameOtherWord(word: number): string | undefined {
  const barrier = barrierFromWord(word);
  if (barrier !== undefined) return BARRIERS[barrier]!.name;
  // System instruction class: 1101 0101 00 L op0 op1 CRn CRm op2 Rt (DDI 0487, C4.1).
  if (word >>> 22 !== 0b1101010100) return undefined;
  const [op0, op1, crn, crm, op2] = [
    (word >>> 19) & 3,
    (word >>> 16) & 7,
    (word >>> 12) & 15,
    (word >>> 8) & 15,
    (word >>> 5) & 7,
  ];
  const reads = ((word >>> 21) & 1) === 1;
  const rt = registerName(word & 31);
  if (op0 >= 2) {
    const key = [op0, op1, crn, crm, op2].join();
    const register =
      SYSREGS.find((name) => SYSREG_ENCODING[name].join() === key) ?? `S${op0}_${op1}_C${crn}_C${crm}_${op2}`;
    return reads ? `MRS ${rt}, ${register}` : `MSR ${register}, ${rt}`;
  }
  if (op0 !== 1) return undefined;
  const operands = `#${op1}, C${crn}, C${crm}, #${op2}`;
  if (reads) return `SYSL ${rt}, ${operands}`;
  const what =
    crn === 7 ? " (an IC, DC or AT)" : crn === 8 || crn === 9 ? " (among the TLBIs, but none of EL1&0 or EL2)" : "";
  return `SYS ${operands}, ${rt}${what}`;
}
