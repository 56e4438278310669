/**
 * 64-bit values as small numbers. The exploration copies and compares values all the time and computes with few of them,
 * so each value that occurs is interned once; bigint arithmetic happens only the first time that an operation meets its
 * operands.
 */
import type { AluKind } from "../program.js";

const MASK = (1n << 64n) - 1n;
const MASK48 = (1n << 48n) - 1n;

/** N, Z, C, V as bits 3 to 0 of a number. */
type Flags = number;

/** The interned values of one exploration. Id 0 is the value 0. */
export class Values {
  private readonly ids = new Map<bigint, number>();
  private readonly bigs: bigint[] = [];
  private readonly lows: number[] = [];
  private readonly idsOfNumbers = new Map<number, number>();
  private readonly memo = new Map<number, number>();
  private readonly flagsMemo = new Map<number, Flags>();

  constructor() {
    this.id(0n);
  }

  /** The id of a value (taken modulo 2^64). */
  id(value: bigint): number {
    const wrapped = value & MASK;
    let id = this.ids.get(wrapped);
    if (id === undefined) {
      id = this.bigs.length;
      this.ids.set(wrapped, id);
      this.bigs.push(wrapped);
      this.lows.push(Number(wrapped & MASK48));
    }
    return id;
  }

  /** The id of a whole number from 0 to 2^53-1. */
  ofNumber(value: number): number {
    let id = this.idsOfNumbers.get(value);
    if (id === undefined) {
      id = this.id(BigInt(value));
      this.idsOfNumbers.set(value, id);
    }
    return id;
  }

  /** Bits [47:0] of a value: an address, or a small number. */
  low48(id: number): number {
    return this.lows[id]!;
  }

  /** The value of an id, from 0 to 2^64-1. */
  big(id: number): bigint {
    return this.bigs[id]!;
  }

  /**
   * `a` op `b` on 64 bits, or on the low 32 (`word`), memoised; for "ubfx" b is lsb + 64 * width, for "movk" 16 bits below
   * the shift.
   */
  alu(kind: AluKind, a: number, b: number, word = false): number {
    const key = keyOf(kind, a, b, word);
    let id = this.memo.get(key);
    if (id === undefined) {
      id = this.id(compute(kind, narrowed(this.big(a), word), narrowed(this.big(b), word), word));
      this.memo.set(key, id);
    }
    return id;
  }

  /** The flags of ADDS, SUBS (CMP) and ANDS (TST). */
  flags(kind: AluKind, a: number, b: number, word = false): Flags {
    const key = keyOf(kind, a, b, word);
    let flags = this.flagsMemo.get(key);
    if (flags === undefined) {
      flags = computeFlags(kind, narrowed(this.big(a), word), narrowed(this.big(b), word), word);
      this.flagsMemo.set(key, flags);
    }
    return flags;
  }

  /** The low 32 bits, zero- or sign-extended. */
  extended(id: number, how: "uxtw" | "sxtw"): number {
    const low = this.big(id) & MASK32;
    return this.id(how === "uxtw" ? low : BigInt.asIntN(32, low));
  }
}

const MASK32 = (1n << 32n) - 1n;
const narrowed = (value: bigint, word: boolean): bigint => (word ? value & MASK32 : value);
const keyOf = (kind: AluKind, a: number, b: number, word: boolean): number =>
  ((KIND_CODE[kind] * 2 + (word ? 1 : 0)) * 0x10000 + a) * 0x10000 + b;

const KINDS: readonly AluKind[] = [
  "mov",
  "mvn",
  "add",
  "sub",
  "and",
  "bic",
  "orr",
  "orn",
  "eor",
  "eon",
  "lsl",
  "lsr",
  "asr",
  "mul",
  "ubfx",
  "movk",
];
const KIND_CODE = Object.fromEntries(KINDS.map((kind, i) => [kind, i])) as Record<AluKind, number>;

function compute(kind: AluKind, a: bigint, b: bigint, word: boolean): bigint {
  const result = wide(kind, a, b, word ? 31n : 63n);
  return word ? result & MASK32 : result;
}

/** `top` is the number of the highest bit. */
function wide(kind: AluKind, a: bigint, b: bigint, top: bigint): bigint {
  switch (kind) {
    case "mov":
      return b;
    case "mvn":
      return ~b;
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "and":
      return a & b;
    case "bic":
      return a & ~b;
    case "orr":
      return a | b;
    case "orn":
      return a | ~b;
    case "eor":
      return a ^ b;
    case "eon":
      return a ^ ~b;
    case "lsl":
      return a << (b & top);
    case "lsr":
      return a >> (b & top);
    case "asr":
      return BigInt.asIntN(Number(top) + 1, a) >> (b & top);
    case "mul":
      return a * b;
    case "ubfx":
      return (a >> (b & 63n)) & ((1n << (b >> 6n)) - 1n);
    case "movk": {
      const [shift, imm] = [(b >> 16n) & 63n, b & 0xffffn];
      return (a & ~(0xffffn << shift)) | (imm << shift);
    }
  }
}

function computeFlags(kind: AluKind, a: bigint, b: bigint, word: boolean): Flags {
  const [mask, top] = word ? [MASK32, 31n] : [MASK, 63n];
  const result = wide(kind, a, b, top) & mask;
  const [sa, sb, sr] = [a >> top, b >> top, result >> top];
  const negative = sr === 1n ? 8 : 0;
  const zero = result === 0n ? 4 : 0;
  if (kind === "sub") return negative | zero | (a >= b ? 2 : 0) | (sa !== sb && sa !== sr ? 1 : 0);
  if (kind === "add") return negative | zero | (a + b > mask ? 2 : 0) | (sa === sb && sa !== sr ? 1 : 0);
  return negative | zero;
}

/** True when a condition holds of N, Z, C, V (DDI 0487, C1.2.4). */
export function holds(cond: string, flags: Flags): boolean {
  const [n, z, c, v] = [(flags & 8) !== 0, (flags & 4) !== 0, (flags & 2) !== 0, (flags & 1) !== 0];
  switch (cond) {
    case "eq":
      return z;
    case "ne":
      return !z;
    case "cs":
      return c;
    case "cc":
      return !c;
    case "mi":
      return n;
    case "pl":
      return !n;
    case "vs":
      return v;
    case "vc":
      return !v;
    case "hi":
      return c && !z;
    case "ls":
      return !c || z;
    case "ge":
      return n === v;
    case "lt":
      return n !== v;
    case "gt":
      return !z && n === v;
    case "le":
      return z || n !== v;
    default:
      return true;
  }
}
