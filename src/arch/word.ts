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

/** The MRS or MSR (register) that an instruction word is; a register beside {@link SYSREGS} is named by its encoding. */
export function decodeSysreg(word: number): { reads: boolean; register: string; rt: number } | undefined {
  const { op0, op1, crn, crm, op2, reads, rt } = systemFields(word);
  if (word >>> 22 !== SYSTEM || op0 < 2) return undefined;
  const key = [op0, op1, crn, crm, op2].join();
  const register =
    SYSREGS.find((name) => SYSREG_ENCODING[name].join() === key) ?? `S${op0}_${op1}_C${crn}_C${crm}_${op2}`;
  return { reads, register, rt };
}

/** System instruction class: 1101 0101 00 L op0 op1 CRn CRm op2 Rt (DDI 0487, C4.1). */
const SYSTEM = 0b1101010100;
const systemFields = (word: number) => ({
  reads: ((word >>> 21) & 1) === 1,
  op0: (word >>> 19) & 3,
  op1: (word >>> 16) & 7,
  crn: (word >>> 12) & 15,
  crm: (word >>> 8) & 15,
  op2: (word >>> 5) & 7,
  rt: word & 31,
});

/**
 * What an instruction word is that is not one of TLBI_OPS: a barrier, an MSR or MRS, another SYS operation; undefined
 * when it is none of these.
 */
export function nameOtherWord(word: number): string | undefined {
  const barrier = barrierFromWord(word);
  if (barrier !== undefined) return BARRIERS[barrier]!.name;
  const move = decodeSysreg(word);
  if (move)
    return move.reads
      ? `MRS ${registerName(move.rt)}, ${move.register}`
      : `MSR ${move.register}, ${registerName(move.rt)}`;
  if (word >>> 22 !== SYSTEM) return undefined;
  const { op0, op1, crn, crm, op2, reads, rt } = systemFields(word);
  if (op0 !== 1) return undefined;
  const operands = `#${op1}, C${crn}, C${crm}, #${op2}`;
  if (reads) return `SYSL ${registerName(rt)}, ${operands}`;
  const what =
    crn === 7 ? " (an IC, DC or AT)" : crn === 8 || crn === 9 ? " (among the TLBIs, but none of EL1&0 or EL2)" : "";
  return `SYS ${operands}, ${registerName(rt)}${what}`;
}
