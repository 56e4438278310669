/** The instructions beside TLBIs and barriers that tell where code goes and what it stores (DDI 0487, C4.1 and C6.2). */
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

/** A store of one 64-bit general register: STR Xt, [Xn, ...]. */
export interface Store {
  readonly rt: number;
  /** base register; 31 is SP */
  readonly rn: number;
  /** bytes added to the base for the address */
  readonly offset: number;
  /** a register added too, shifted left */
  readonly index?: { readonly rm: number; readonly shift: 0 | 3 };
  /** true when the base is changed afterwards */
  readonly writeback: boolean;
}

/** The 64-bit store that an instruction word is; undefined for any other word, and for an index that is a W register. */
export function decodeStore(word: number): Store | undefined {
  const registers = { rt: word & 31, rn: (word >>> 5) & 31 };
  // STR (immediate), unsigned offset, in units of 8 bytes.
  if (word >>> 22 === 0b1111100100) return { ...registers, offset: 8 * ((word >>> 10) & 0xfff), writeback: false };
  // STR (register): option 011 is an X register, S shifts it by 3.
  if ((word & 0xffe0_ec00) >>> 0 === 0xf820_6800) {
    const shift = ((word >>> 12) & 1) === 1 ? 3 : 0;
    return { ...registers, offset: 0, index: { rm: (word >>> 16) & 31, shift }, writeback: false };
  }
  // Store register (imm9): STUR 00, post-indexed 01, pre-indexed 11.
  if (word >>> 21 !== 0b11111000000) return undefined;
  const form = (word >>> 10) & 3;
  if (form === 2) return undefined; // STTR
  const offset = form === 1 ? 0 : signed((word >>> 12) & 0x1ff, 9);
  return { ...registers, offset, writeback: form !== 0 };
}

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
