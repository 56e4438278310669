/** The instructions beside TLBIs, barriers and stores that tell where code goes and what it sets (DDI 0487, C4.1, C6.2). */
import { decodeSysreg } from "./word.js";

/** Where an instruction word may go on, beside the next word. */
export interface Branch {
  /** BL, BLR: comes back behind itself */
  readonly call: boolean;
  /** false when the next word is never next: B, BR, RET, ERET */
  readonly conditional: boolean;
  /** the address that it goes to; undefined when a register says it */
  readonly target?: number;
}

const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);

/** The branch that an instruction word at an address is; undefined when it is none. */
export function decodeBranch(word: number, address: number): Branch | undefined {
  // Unconditional branch (immediate): B, BL.
  if ((word & 0x7c00_0000) >>> 0 === 0x1400_0000)
    return { call: word >>> 31 === 1, conditional: false, target: address + 4 * signed(word & 0x3ff_ffff, 26) };
  // Conditional branch (B.cond, BC.cond), compare and branch (CBZ, CBNZ): imm19.
  if (word >>> 24 === 0x54 || (word & 0x7e00_0000) >>> 0 === 0x3400_0000)
    return { call: false, conditional: true, target: address + 4 * signed((word >>> 5) & 0x7_ffff, 19) };
  // Test and branch (TBZ, TBNZ): imm14.
  if ((word & 0x7e00_0000) >>> 0 === 0x3600_0000)
    return { call: false, conditional: true, target: address + 4 * signed((word >>> 5) & 0x3fff, 14) };
  // Unconditional branch (register): BR, BLR, RET, ERET and their authenticated forms; opc = 1 and 9 are calls.
  if (word >>> 25 === 0b1101011) return { call: ((word >>> 21) & 7) === 1, conditional: false };
  return undefined;
}

/** True for words after which nothing follows: UDF, BRK, HLT. */
export const endsInException = (word: number): boolean =>
  word >>> 16 === 0 || word >>> 21 === 0b11010100001 || word >>> 21 === 0b11010100010;

/** The MSR (register) that an instruction word is: what it writes, and from which X register; undefined for other words. */
export function decodeMsr(word: number): { readonly register: string; readonly rt: number } | undefined {
  const move = decodeSysreg(word);
  return move && !move.reads ? { register: move.register, rt: move.rt } : undefined;
}

/** AT S12E1R and AT S12E1W with Rt = 0: SYS #4, C7, C8, #4 and #5 (DDI 0487, C5.3). */
const AT_S12E1 = [0xd50c7880, 0xd50c78a0];
/** MRS <Xt>, PAR_EL1, as {@link decodeSysreg} names the register. */
const PAR_EL1 = "S3_0_C7_C4_0";

/** The register that holds the VA of an AT S12E1R or S12E1W (both stages of EL1&0); undefined for other words. */
export function decodeAtS12(word: number): number | undefined {
  return AT_S12E1.includes((word & ~31) >>> 0) ? word & 31 : undefined;
}

/** The register that an MRS <Xt>, PAR_EL1 writes; undefined for other words. */
export function decodeReadPar(word: number): number | undefined {
  const move = decodeSysreg(word);
  return move?.reads && move.register === PAR_EL1 ? move.rt : undefined;
}
