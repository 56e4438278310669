/** What an instruction word stores: 64-bit registers, in all the forms that compilers use for it (DDI 0487, C4.1, C6.2). */

/** A store of one 64-bit general register. */
export interface Store {
  /** register stored; 31 is XZR */
  readonly rt: number;
  /** base register; 31 is SP */
  readonly rn: number;
  /** bytes added to the base for the address */
  readonly offset: number;
  /** a register added too, extended from 32 bits where that is said, then shifted left */
  readonly index?: { readonly rm: number; readonly extend?: "UXTW" | "SXTW"; readonly shift: 0 | 3 };
  /** true when the base is changed afterwards */
  readonly writeback: boolean;
}

const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);

/** Bits of `word` under `mask` are `value`. */
const is = (word: number, mask: number, value: number): boolean => (word & mask) >>> 0 === value;

/**
 * The 64-bit stores that an instruction word is: two of STP and STNP, one of STR, STUR, STTR, STLR, STLLR, STLUR and SWP, none
 * of any other word. What CAS and STXR store depends on more than registers: see {@link storesPerhaps}.
 */
export function decodeStores(word: number): readonly Store[] {
  // Most words of a program are none: they cost nothing.
  if (!accessesMemory(word)) return [];
  const registers = { rt: word & 31, rn: (word >>> 5) & 31 };
  const plain = { ...registers, offset: 0, writeback: false };
  // STR (immediate), unsigned offset, in units of 8 bytes.
  if (word >>> 22 === 0b1111100100) return [{ ...plain, offset: 8 * ((word >>> 10) & 0xfff) }];
  if (is(word, 0xffe0_0c00, 0xf820_0800)) return registerOffset(word, plain);
  // Store register (imm9): STUR 00, post-indexed 01, STTR 10, pre-indexed 11.
  if (word >>> 21 === 0b11111000000) {
    const form = (word >>> 10) & 3;
    const offset = form === 1 ? 0 : signed((word >>> 12) & 0x1ff, 9);
    return [{ ...registers, offset, writeback: (form & 1) !== 0 }];
  }
  // STLR (o0 = 1), STLLR (o0 = 0); STLUR has imm9.
  if (is(word, 0xffff_7c00, 0xc89f_7c00)) return [plain];
  if (is(word, 0xffe0_0c00, 0xd900_0000)) return [{ ...plain, offset: signed((word >>> 12) & 0x1ff, 9) }];
  // STNP 00, post-indexed 01, STP with a signed offset 10, pre-indexed 11; imm7 in units of 8 bytes.
  if (is(word, 0xfe40_0000, 0xa800_0000)) {
    const form = (word >>> 23) & 3;
    const offset = form === 1 ? 0 : 8 * signed((word >>> 15) & 0x7f, 7);
    const writeback = (form & 1) !== 0;
    const second = { ...registers, rt: (word >>> 10) & 31, offset: offset + 8, writeback };
    return [{ ...registers, offset, writeback }, second];
  }
  // SWP, with its acquire and release bits: Rs is what is stored.
  if (is(word, 0xff20_fc00, 0xf820_8000)) return [{ ...plain, rt: (word >>> 16) & 31 }];
  return [];
}

/** STR (register): option 011 and 111 are an X register, 010 UXTW, 110 SXTW; S shifts it by 3. */
function registerOffset(word: number, plain: Store): readonly Store[] {
  const option = (word >>> 13) & 7;
  if ((option & 2) === 0) return [];
  const extend = option === 2 ? "UXTW" : option === 6 ? "SXTW" : undefined;
  const shift = ((word >>> 12) & 1) === 1 ? 3 : 0;
  return [{ ...plain, index: { rm: (word >>> 16) & 31, ...(extend && { extend }), shift } }];
}

/** True for 64-bit words that store what only their execution tells: CAS, CASP, STXR, STLXR, STXP, LDADD, LDSET, LDCLR, ... */
export function storesPerhaps(word: number): boolean {
  return (
    is(word, 0xffa0_7c00, 0xc8a0_7c00) || // CAS
    is(word, 0xffa0_7c00, 0x4820_7c00) || // CASP
    is(word, 0xffc0_0000, 0xc800_0000) || // STXR, STLXR (bit 21 clear), STXP, STLXP
    is(word, 0xff20_8c00, 0xf820_0000) // LDADD to LDUMIN, also without a result (STADD, ...)
  );
}

/** True for every word of the class "loads and stores" (C4.1: op0 = x1x0), atomics and prefetches among them. */
export const accessesMemory = (word: number): boolean => (word & 0x0a00_0000) === 0x0800_0000;

/** True where such a word accesses what SP points to: a spill, a variable. A literal has no base register. */
export const accessesStack = (word: number): boolean =>
  accessesMemory(word) && !is(word, 0x3b00_0000, 0x1800_0000) && ((word >>> 5) & 31) === 31;
