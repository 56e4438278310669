/**
 * What an A64 instruction word does with general registers, memory and control flow, as far as compilers use it around TLB
 * maintenance (DDI 0487, C4.1, C6.2): data processing, loads and stores, branches. Values are formulas over registers, which
 * who follows code computes with, in numbers or in symbols. System instructions are other files' affair.
 */

/** A value before it is computed. Register 31 is XZR, "sp" the stack pointer; `wide` false = the low 32 bits, zero-extended. */
export type Formula =
  | { readonly reg: number | "sp"; readonly wide: boolean }
  | { readonly imm: bigint }
  | { readonly op: FormulaOp; readonly of: readonly Formula[] };

/** Of 64-bit values; `low` takes the low n bits, `sext` extends the sign of the low n bits, `ror32` rotates a 32-bit value. */
export type FormulaOp =
  | "add"
  | "sub"
  | "and"
  | "orr"
  | "eor"
  | "mul"
  | "lsl"
  | "lsr"
  | "asr"
  | "ror"
  | "ror32"
  | "low"
  | "sext";

/** What decides a branch or a choice. `flags` is the condition field (C1.2.4) of the last comparison. */
export type A64Condition =
  | { readonly test: "flags"; readonly code: number }
  | { readonly test: "zero"; readonly value: Formula; readonly not: boolean }
  | { readonly test: "bit"; readonly value: Formula; readonly bit: number; readonly not: boolean };

/** The comparison that sets the flags: of two values, as `sub` (CMP), `add` (CMN) or `and` (TST) does it. */
export interface Comparison {
  readonly op: "sub" | "add" | "and";
  readonly left: Formula;
  readonly right: Formula;
  readonly wide: boolean;
}

/** A register and what it becomes; `value` undefined = something that is not followed. */
export interface Assignment {
  readonly rd: number | "sp";
  readonly value: Formula | undefined;
}

export type A64 =
  | { readonly kind: "compute"; readonly sets: readonly Assignment[]; readonly compares?: Comparison | "unknown" }
  | {
      readonly kind: "select";
      readonly rd: number;
      readonly condition: A64Condition;
      readonly yes: Formula;
      readonly no: Formula;
    }
  | {
      readonly kind: "load" | "store";
      /** one or two registers, of `bytes` each, one behind the other */
      readonly registers: readonly number[];
      readonly bytes: number;
      /** a load extends the sign; to 64 bits, or to 32 */
      readonly signed: boolean;
      readonly address: Formula;
      /** changes of the base register, and of the status or result of an exclusive or atomic access */
      readonly sets: readonly Assignment[];
      /** what is stored, or what stays in the registers, depends on more than registers: atomics, exclusives, SIMD */
      readonly opaque: boolean;
    }
  | {
      readonly kind: "branch";
      readonly condition: A64Condition | undefined;
      /** undefined where a register says it */
      readonly target: number | undefined;
      readonly call: boolean;
      /** RET or ERET */
      readonly returns: boolean;
    }
  | { readonly kind: "nothing" };

const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);
const bits = (word: number, high: number, low: number): number => (word >>> low) & (2 ** (high - low + 1) - 1);
const imm = (value: number | bigint): Formula => ({ imm: BigInt.asUintN(64, BigInt(value)) });
const op = (name: FormulaOp, ...of: readonly Formula[]): Formula => ({ op: name, of });
const register = (n: number, wide: boolean): Formula => ({ reg: n, wide });
const orSp = (n: number): number | "sp" => (n === 31 ? "sp" : n);
const fit = (value: Formula, wide: boolean): Formula => (wide ? value : op("low", value, imm(32)));
const set = (rd: number | "sp", value: Formula | undefined): readonly Assignment[] =>
  rd === 31 ? [] : [{ rd, value }];

/** What an instruction word does; undefined for a word that is not understood. `address` is its own. */
export function decodeA64(word: number, address: number): A64 | undefined {
  switch (bits(word, 28, 26)) {
    case 0b100:
      return dataImmediate(word, address);
    case 0b101:
      return branchOrSystem(word, address);
    default:
      if ((word & 0x0a00_0000) === 0x0800_0000) return memory(word, address);
      if ((word & 0x0e00_0000) === 0x0a00_0000) return dataRegister(word);
      return simd(word);
  }
}

function dataImmediate(word: number, address: number): A64 | undefined {
  const rd = bits(word, 4, 0);
  const rn = bits(word, 9, 5);
  const wide = word >>> 31 === 1;
  switch (bits(word, 25, 23)) {
    case 0b000:
    case 0b001: {
      const offset = signed((bits(word, 23, 5) << 2) | bits(word, 30, 29), 21);
      const to = wide ? Math.floor(address / 4096) * 4096 + offset * 4096 : address + offset;
      return { kind: "compute", sets: set(rd, imm(to)) };
    }
    case 0b010: {
      const value = imm(bits(word, 21, 10) * (bits(word, 22, 22) === 1 ? 4096 : 1));
      return addSub(word, rn === 31 ? { reg: "sp", wide } : register(rn, wide), value, true);
    }
    case 0b100: {
      const mask = bitmask(bits(word, 22, 22), bits(word, 15, 10), bits(word, 21, 16), wide);
      if (mask === undefined) return undefined;
      const kind = bits(word, 30, 29);
      const value = op((["and", "orr", "eor", "and"] as const)[kind]!, register(rn, wide), imm(mask));
      if (kind === 3) return tested(rd, register(rn, wide), imm(mask), value, wide);
      return { kind: "compute", sets: set(orSp(rd), value) };
    }
    case 0b101: {
      const shift = 16n * BigInt(bits(word, 22, 21));
      const value = BigInt(bits(word, 20, 5)) << shift;
      const kind = bits(word, 30, 29);
      if (kind === 1) return undefined;
      const kept = op("and", register(rd, wide), imm(~(0xffffn << shift)));
      const result = kind === 3 ? op("orr", kept, imm(value)) : imm(kind === 0 ? ~value : value);
      return { kind: "compute", sets: set(rd, fit(result, wide)) };
    }
    case 0b110:
      return bitfield(word, rd, rn, wide);
    case 0b111: {
      const [lsb, rm] = [bits(word, 15, 10), bits(word, 20, 16)];
      if (rn === rm)
        return { kind: "compute", sets: set(rd, op(wide ? "ror" : "ror32", register(rn, wide), imm(lsb))) };
      const width = wide ? 64 : 32;
      const high = lsb === 0 ? imm(0) : op("lsl", register(rn, wide), imm(width - lsb));
      return { kind: "compute", sets: set(rd, fit(op("orr", op("lsr", register(rm, wide), imm(lsb)), high), wide)) };
    }
    default:
      return undefined;
  }
}

/** ADD, ADDS, SUB, SUBS: bit 30 = SUB, bit 29 = flags. `stack` = register 31 is SP as a destination without flags. */
function addSub(word: number, left: Formula, right: Formula, stack: boolean): A64 {
  const wide = word >>> 31 === 1;
  const name = bits(word, 30, 30) === 1 ? "sub" : "add";
  const rd = bits(word, 4, 0);
  const value = fit(op(name, left, right), wide);
  if (bits(word, 29, 29) === 0) return { kind: "compute", sets: set(stack ? orSp(rd) : rd, value) };
  return { kind: "compute", sets: set(rd, value), compares: { op: name, left, right, wide } };
}

const tested = (rd: number, left: Formula, right: Formula, value: Formula, wide: boolean): A64 => ({
  kind: "compute",
  sets: set(rd, value),
  compares: { op: "and", left, right, wide },
});

/** DecodeBitMasks of the manual (J1.1), for logical immediates; undefined where the fields are reserved. */
function bitmask(n: number, imms: number, immr: number, wide: boolean): bigint | undefined {
  const length = 31 - Math.clz32((n << 6) | (~imms & 0x3f));
  if (length < 1 || (!wide && n === 1)) return undefined;
  const size = 1 << length;
  const [s, r] = [imms & (size - 1), immr & (size - 1)];
  if (s === size - 1) return undefined;
  const ones = (1n << BigInt(s + 1)) - 1n;
  const element = ((ones >> BigInt(r)) | (ones << BigInt(size - r))) & ((1n << BigInt(size)) - 1n);
  let mask = 0n;
  for (let at = 0; at < (wide ? 64 : 32); at += size) mask |= element << BigInt(at);
  return mask;
}

/** SBFM, BFM, UBFM: a field moved, over zeros, over copies of its sign, or into what is there. */
function bitfield(word: number, rd: number, rn: number, wide: boolean): A64 | undefined {
  const kind = bits(word, 30, 29);
  if (kind === 3) return undefined;
  const [r, s, width] = [bits(word, 21, 16), bits(word, 15, 10), wide ? 64 : 32];
  const source = register(rn, wide);
  // The field is `length` bits from `from` of the source, and comes to `to` of the result.
  const [from, to, length] = s >= r ? [r, 0, s - r + 1] : [0, width - r, s + 1];
  const field = op("low", op("lsr", source, imm(from)), imm(length));
  if (kind === 0) {
    const extended = op("lsl", op("sext", op("lsr", source, imm(from)), imm(length)), imm(to));
    return { kind: "compute", sets: set(rd, fit(extended, wide)) };
  }
  const moved = op("lsl", field, imm(to));
  if (kind === 2) return { kind: "compute", sets: set(rd, fit(moved, wide)) };
  const mask = ((1n << BigInt(length)) - 1n) << BigInt(to);
  const kept = op("and", register(rd, wide), imm(~mask));
  return { kind: "compute", sets: set(rd, fit(op("orr", kept, moved), wide)) };
}

function branchOrSystem(word: number, address: number): A64 | undefined {
  const rt = bits(word, 4, 0);
  const to = (offset: number, size: number): number => address + 4 * signed(offset, size);
  const jump = { kind: "branch", condition: undefined, call: false, returns: false } as const;
  if ((word & 0x7c00_0000) === 0x1400_0000)
    return { ...jump, target: to(word & 0x3ff_ffff, 26), call: word >>> 31 === 1 };
  if (word >>> 24 === 0x54) {
    const code = bits(word, 3, 0);
    const condition = code >= 14 ? undefined : ({ test: "flags", code } as const);
    return { ...jump, condition, target: to(bits(word, 23, 5), 19) };
  }
  const [wide, not] = [word >>> 31 === 1, bits(word, 24, 24) === 1];
  if ((word & 0x7e00_0000) === 0x3400_0000)
    return {
      ...jump,
      condition: { test: "zero", value: register(rt, wide), not },
      target: to(bits(word, 23, 5), 19),
    };
  if ((word & 0x7e00_0000) === 0x3600_0000) {
    const bit = (wide ? 32 : 0) + bits(word, 23, 19);
    return {
      ...jump,
      condition: { test: "bit", value: register(rt, true), bit, not },
      target: to(bits(word, 18, 5), 14),
    };
  }
  if (word >>> 25 === 0b1101011) {
    const opc = bits(word, 23, 21);
    const returns = (opc & 3) === 2 || bits(word, 24, 21) === 4;
    return { ...jump, target: undefined, call: (opc & 3) === 1, returns };
  }
  return undefined;
}

const SHIFTS = ["lsl", "lsr", "asr", "ror"] as const;

function shifted(word: number, wide: boolean): Formula {
  const source = register(bits(word, 20, 16), wide);
  const [type, amount] = [bits(word, 23, 22), bits(word, 15, 10)];
  if (amount === 0) return source;
  if (type === 2 && !wide) return fit(op("asr", op("sext", source, imm(32)), imm(amount)), false);
  const name = type === 3 && !wide ? "ror32" : SHIFTS[type]!;
  return fit(op(name, source, imm(amount)), wide);
}

function dataRegister(word: number): A64 | undefined {
  const [rd, rn, rm] = [bits(word, 4, 0), bits(word, 9, 5), bits(word, 20, 16)];
  const wide = word >>> 31 === 1;
  const unknown: A64 = { kind: "compute", sets: set(rd, undefined) };
  if (bits(word, 28, 28) === 0) {
    if (bits(word, 24, 24) === 0) return logical(word, rd, rn, wide);
    if (bits(word, 21, 21) === 0) return addSub(word, register(rn, wide), shifted(word, wide), false);
    const left: Formula = rn === 31 ? { reg: "sp", wide } : register(rn, wide);
    return addSub(word, left, extended(rm, bits(word, 15, 13), bits(word, 12, 10), wide), true);
  }
  if (bits(word, 24, 24) === 1) return multiply(word, rd, rn, rm, wide);
  switch (bits(word, 23, 21)) {
    case 0b010: // CCMP, CCMN
      return { kind: "compute", sets: [], compares: "unknown" };
    case 0b100: {
      const other = register(rm, wide);
      const name = [bits(word, 30, 30), bits(word, 10, 10)].join("");
      const no =
        name === "00"
          ? other
          : name === "01"
            ? op("add", other, imm(1))
            : name === "10"
              ? op("eor", other, imm(-1))
              : op("sub", imm(0), other);
      const condition = { test: "flags", code: bits(word, 15, 12) } as const;
      return { kind: "select", rd, condition, yes: register(rn, wide), no: fit(no, wide) };
    }
    case 0b110: {
      if (bits(word, 30, 30) === 1) return unknown; // RBIT, REV, CLZ, PAC*
      const shift = bits(word, 15, 10) - 8;
      if (shift < 0 || shift > 3) return unknown; // UDIV, SDIV, CRC32
      const amount = op("low", register(rm, wide), imm(wide ? 6 : 5));
      const source = register(rn, wide);
      if (shift === 2 && !wide) return unknown;
      return {
        kind: "compute",
        sets: set(rd, fit(op(shift === 3 && !wide ? "ror32" : SHIFTS[shift]!, source, amount), wide)),
      };
    }
    default:
      return { ...unknown, compares: "unknown" }; // ADC, SBC, RMIF, SETF
  }
}

function logical(word: number, rd: number, rn: number, wide: boolean): A64 {
  const kind = bits(word, 30, 29);
  const plain = shifted(word, wide);
  const right = bits(word, 21, 21) === 1 ? fit(op("eor", plain, imm(-1)), wide) : plain;
  const left = register(rn, wide);
  const value = op((["and", "orr", "eor", "and"] as const)[kind]!, left, right);
  return kind === 3 ? tested(rd, left, right, value, wide) : { kind: "compute", sets: set(rd, value) };
}

function multiply(word: number, rd: number, rn: number, rm: number, wide: boolean): A64 {
  // MADD and MSUB; the long ones and the high halves are not followed.
  if (bits(word, 23, 21) !== 0) return { kind: "compute", sets: set(rd, undefined) };
  const product = op("mul", register(rn, wide), register(rm, wide));
  const name = bits(word, 15, 15) === 1 ? "sub" : "add";
  return { kind: "compute", sets: set(rd, fit(op(name, register(bits(word, 14, 10), wide), product), wide)) };
}

/** A register extended (option: UXTB, UXTH, UXTW, UXTX, and the same signed) and shifted left. */
function extended(rm: number, option: number, shift: number, wide: boolean): Formula {
  const size = 8 << (option & 3);
  const source = register(rm, true);
  const value = size === 64 ? source : op(option >= 4 ? "sext" : "low", source, imm(size));
  return fit(shift === 0 ? value : op("lsl", value, imm(shift)), wide);
}

/** Loads and stores, by the rows of C4.1. */
function memory(word: number, at: number): A64 | undefined {
  const vector = bits(word, 26, 26) === 1;
  const rt = bits(word, 4, 0);
  const rn = bits(word, 9, 5);
  const base: Formula = rn === 31 ? { reg: "sp", wide: true } : register(rn, true);
  const common = { registers: vector ? [] : [rt], signed: false, address: base, sets: [], opaque: vector } as const;
  switch (bits(word, 29, 28)) {
    case 0b00:
      if (vector) return { ...common, kind: bits(word, 22, 22) === 1 ? "load" : "store", bytes: 64 }; // LD1, ST1, ...
      return exclusive(word, base);
    case 0b01: {
      if (bits(word, 24, 24) === 1) return releasing(word, base);
      const literal = at + 4 * signed(bits(word, 23, 5), 19);
      const size = word >>> 30;
      if (size === 3 && !vector) return { kind: "nothing" }; // PRFM
      return { ...common, kind: "load", bytes: size === 1 ? 8 : 4, signed: size === 2, address: imm(literal) };
    }
    case 0b10:
      return pair(word, base, common);
    default:
      return single(word, base, common);
  }
}

type Common = Omit<Extract<A64, { kind: "load" | "store" }>, "kind" | "bytes">;

/** LDXR, STXR, LDAR, STLR, CAS and their like. */
function exclusive(word: number, base: Formula): A64 {
  const [rs, rt, rt2] = [bits(word, 20, 16), bits(word, 4, 0), bits(word, 14, 10)];
  const load = bits(word, 22, 22) === 1;
  const bytes = 1 << (word >>> 30);
  const shape = { bytes, signed: false, address: base } as const;
  if (bits(word, 23, 23) === 1 && bits(word, 21, 21) === 0)
    return { ...shape, kind: load ? "load" : "store", registers: [rt], sets: [], opaque: false }; // LDAR, STLR
  if (bits(word, 21, 21) === 1 && (bits(word, 23, 23) === 1 || word >>> 31 === 0))
    // CAS, CASP
    return { ...shape, kind: "store", registers: [rt], sets: set(rs, undefined), opaque: true };
  const registers = bits(word, 21, 21) === 1 ? [rt, rt2] : [rt];
  if (load) return { ...shape, kind: "load", registers, sets: [], opaque: true };
  return { ...shape, kind: "store", registers, sets: set(rs, undefined), opaque: false };
}

/** LDAPUR, STLUR; anything else of that row (memory copies, tags) is not understood. */
function releasing(word: number, base: Formula): A64 | undefined {
  if (bits(word, 21, 21) !== 0 || bits(word, 11, 10) !== 0) return undefined;
  const opc = bits(word, 23, 22);
  const address = op("add", base, imm(signed(bits(word, 20, 12), 9)));
  const shape = { registers: [bits(word, 4, 0)], bytes: 1 << (word >>> 30), address, sets: [], opaque: false };
  return { ...shape, kind: opc === 0 ? "store" : "load", signed: opc >= 2 };
}

const based = (word: number, base: Formula, offset: number, form: number): Pick<Common, "address" | "sets"> => {
  const moved = op("add", base, imm(offset));
  const rn = bits(word, 9, 5);
  // Post-indexed 01, with an offset 10 (and 00), pre-indexed 11.
  const sets: readonly Assignment[] = (form & 1) === 1 ? [{ rd: orSp(rn), value: moved }] : [];
  return { address: form === 1 ? base : moved, sets };
};

function pair(word: number, base: Formula, common: Common): A64 {
  const size = word >>> 30;
  const vector = bits(word, 26, 26) === 1;
  const bytes = vector ? 4 << size : size === 2 ? 8 : 4;
  const offset = bytes * signed(bits(word, 21, 15), 7);
  const registers = vector ? [] : [bits(word, 4, 0), bits(word, 14, 10)];
  const kind = bits(word, 22, 22) === 1 ? "load" : "store";
  return { ...common, ...based(word, base, offset, bits(word, 24, 23)), kind, registers, bytes, signed: size === 1 };
}

function single(word: number, base: Formula, common: Common): A64 | undefined {
  const size = word >>> 30;
  const opc = bits(word, 23, 22);
  const vector = bits(word, 26, 26) === 1;
  const bytes = vector && opc >= 2 ? 16 : 1 << size;
  if (!vector && size === 3 && opc === 2) return { kind: "nothing" }; // PRFM
  const shape = {
    ...common,
    kind: opc === 0 || (vector && opc === 2) ? "store" : "load",
    bytes,
    signed: opc >= 2,
  } as const;
  if (bits(word, 24, 24) === 1) return { ...shape, address: op("add", base, imm(bits(word, 21, 10) * bytes)) };
  if (bits(word, 21, 21) === 0) {
    const form = bits(word, 11, 10);
    return { ...shape, ...based(word, base, signed(bits(word, 20, 12), 9), form === 2 ? 0 : form) };
  }
  if (bits(word, 11, 10) === 2) {
    const shift = bits(word, 12, 12) === 1 ? Math.log2(bytes) : 0;
    return { ...shape, address: op("add", base, extended(bits(word, 20, 16), bits(word, 15, 13), shift, true)) };
  }
  // Atomics: LDADD and its like, SWP; LDAPR (opc = 12) loads. Those with Rt = XZR are STADD and its like.
  if (bits(word, 11, 10) === 0) {
    if (bits(word, 15, 12) === 0b1100) return { ...shape, kind: "load" };
    return {
      ...shape,
      kind: "store",
      registers: [bits(word, 20, 16)],
      sets: set(bits(word, 4, 0), undefined),
      opaque: bits(word, 15, 12) !== 0b1000,
    };
  }
  return undefined;
}

/** SIMD and floating point: only moves to general registers matter here, and what they move is not followed. */
function simd(word: number): A64 | undefined {
  if ((word & 0x0e00_0000) !== 0x0e00_0000) return undefined;
  return { kind: "compute", sets: [{ rd: bits(word, 4, 0), value: undefined }] };
}
