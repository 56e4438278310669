/**
 * Xen's frame table: the array of struct page_info by which it keeps each page of memory. Where it begins and how large a
 * struct is differ by build and stand in no symbol; they are learnt from the code that computes a frame's number out of a
 * pointer, page_to_mfn() of asm/mm.h: (page - FRAMETABLE) / sizeof(*page) + frametable_base_pdx. A compiler divides exactly by
 * a shift and a product with the inverse of what is odd of the size, modulo 2^64.
 */
import { decodeA64, type Formula } from "../arch/index.js";
import { type Directmap, directmapVariables } from "./directmap.js";
import type { XenFunction, XenText } from "./text.js";

/** Where the table of a build begins, and the bytes of one of its structs. */
export interface FrameTableShape {
  readonly virtStart: bigint;
  readonly bytes: bigint;
  /** address of the variable that has the number of the first frame */
  readonly basePdx: number;
}

type Division = Omit<FrameTableShape, "basePdx">;

const BASE_VARIABLE = "frametable_base_pdx";
/** Largest struct page_info that is believed. */
const MOST_BYTES = 1024n;
/** Divisions that are looked at. */
const ENOUGH = 16;
const BITS = 64;
const REGISTERS = 31;
const WORD = 4;
/** LDR Xt, [Xn, #offset], the offset in eights in bits [21:10]. */
const LOAD = { mask: 0xffc0_0000, value: 0xf940_0000 };
/** MADD Xd, Xn, Xm, Xa. */
const MADD = { mask: 0xffe0_8000, value: 0x9b00_0000 };

/** A frame table of a Xen that runs. */
export class FrameTable {
  constructor(
    private readonly shape: FrameTableShape,
    private readonly basePdx: bigint,
    private readonly directmap: Directmap,
  ) {}

  /** The page of a struct page_info at an address; undefined for what is none. */
  pageOf(pointer: number): number | undefined {
    const { virtStart, bytes } = this.shape;
    const offset = BigInt(pointer) - virtStart;
    if (offset < 0n || offset % bytes !== 0n) return undefined;
    return this.directmap.pageOfIndex(offset / bytes + this.basePdx);
  }
}

/** What a build's code says of its frame table; a sentence when it does not. */
export function frameTableOf(text: XenText): FrameTableShape | string {
  const directmap = directmapVariables((name) => text.variableNamed(name));
  if (typeof directmap === "string") return "pages by their struct page_info: their physical addresses are not known";
  const variable = text.variableNamed(BASE_VARIABLE);
  if (variable === undefined) return `pages by their struct page_info: this Xen has no variable ${BASE_VARIABLE}`;
  const { multiplying, others } = functionsThatLoad(text, variable.address);
  const found = [...divisions(text, multiplying, variable.address), ...divisions(text, others, variable.address)];
  const [first] = found;
  if (first === undefined)
    return `pages by their struct page_info: nothing divides a pointer and adds ${BASE_VARIABLE}`;
  if (found.some(({ virtStart, bytes }) => virtStart !== first.virtStart || bytes !== first.bytes))
    return "pages by their struct page_info: several places or sizes of the frame table are computed with";
  return { ...first, basePdx: variable.address };
}

/** Divisions of functions, the first few: all agree, or nothing is believed. */
function divisions(text: XenText, functions: readonly XenFunction[], variable: number): Division[] {
  const found: Division[] = [];
  for (const f of functions) {
    if (found.length >= ENOUGH) break;
    found.push(...divisionsIn(text, f, variable));
  }
  return found;
}

/**
 * Functions that load 64 bits from where a variable stands in its 4 KiB page, by the offset alone; those that multiply and add
 * apart from those that do not, which can only divide by a power of 2.
 */
function functionsThatLoad(text: XenText, variable: number): { multiplying: XenFunction[]; others: XenFunction[] } {
  const [loads, multiplies] = [new Set<XenFunction>(), new Set<XenFunction>()];
  const offset = (variable % 4096) / 8;
  text.forEachWord((word, address) => {
    const load = (word & LOAD.mask) >>> 0 === LOAD.value && ((word >>> 10) & 0xfff) === offset;
    if (!load && (word & MADD.mask) >>> 0 !== MADD.value) return;
    const f = text.functionAt(address);
    if (f) (load ? loads : multiplies).add(f);
  });
  const multiplying = [...loads].filter((f) => multiplies.has(f));
  return { multiplying, others: multiplying.length > 0 ? [] : [...loads] };
}

/** A sum of products of things that are not known, and a constant; modulo 2^64. */
interface Sum {
  readonly terms: ReadonlyMap<number, bigint>;
  readonly constant: bigint;
}

const low = (value: bigint): bigint => BigInt.asUintN(BITS, value);
const constant = (value: bigint): Sum => ({ terms: new Map(), constant: low(value) });

function add(a: Sum, b: Sum, times: bigint): Sum {
  const terms = new Map(a.terms);
  for (const [name, factor] of b.terms) {
    const sum = low((terms.get(name) ?? 0n) + times * factor);
    if (sum === 0n) terms.delete(name);
    else terms.set(name, sum);
  }
  return { terms, constant: low(a.constant + times * b.constant) };
}

/** The variable's value. */
const BASE = 0;

/** Follows straight code with sums in its registers; what it does not follow is something of its own, of which nothing is known. */
class Follower {
  private readonly registers: (Sum | undefined)[] = Array.from({ length: REGISTERS }, () => undefined);
  private unknowns = BASE;
  /** by number of an unknown: the sum that it is, shifted right by so many bits */
  private readonly shifted = new Map<number, { readonly of: Sum; readonly by: bigint }>();

  constructor(private readonly variable: bigint) {}

  /** Registers may have come from elsewhere: their values are not known any more. */
  forget(): void {
    this.registers.fill(undefined);
  }

  private unknown(): Sum {
    return { terms: new Map([[++this.unknowns, 1n]]), constant: 0n };
  }

  private register(n: number): Sum {
    if (n === 31) return constant(0n);
    this.registers[n] ??= this.unknown();
    return this.registers[n];
  }

  private value(formula: Formula): Sum | undefined {
    if ("imm" in formula) return constant(formula.imm);
    if ("reg" in formula) {
      if (formula.reg === "sp") return undefined;
      const whole = this.register(formula.reg);
      return formula.wide ? whole : whole.terms.size === 0 ? constant(whole.constant & 0xffff_ffffn) : undefined;
    }
    const [left, right] = formula.of.map((one) => this.value(one));
    if (left === undefined || right === undefined) return undefined;
    switch (formula.op) {
      case "add":
        return add(left, right, 1n);
      case "sub":
        return add(left, right, -1n);
      case "mul":
        return right.terms.size === 0 ? add(constant(0n), left, right.constant) : this.times(right, left);
      case "lsl":
        return right.terms.size === 0 ? add(constant(0n), left, 1n << right.constant) : undefined;
      case "low":
      case "sext":
        // All bits that a shift has left.
        if (this.leftBy(left) + right.constant === BigInt(BITS)) return left;
        return folded(formula.op, left, right);
      case "asr":
      case "lsr":
        return this.shift(left, right);
      default:
        return folded(formula.op, left, right);
    }
  }

  /** By how much a sum was shifted right, where it is nothing else. */
  private leftBy({ terms, constant: rest }: Sum): bigint {
    const [only, ...others] = terms;
    if (only === undefined || others.length > 0 || only[1] !== 1n || rest !== 0n) return 0n;
    return this.shifted.get(only[0])?.by ?? 0n;
  }

  private times(a: Sum, b: Sum): Sum | undefined {
    return b.terms.size === 0 ? add(constant(0n), a, b.constant) : undefined;
  }

  private shift(left: Sum, right: Sum): Sum | undefined {
    if (right.terms.size > 0 || left.terms.size === 0) return undefined;
    const result = this.unknown();
    this.shifted.set(this.unknowns, { of: left, by: right.constant });
    return result;
  }

  /** Executes an instruction. Returns what it leaves in registers that is new. */
  step(word: number, address: number): readonly Sum[] {
    const does = decodeA64(word, address);
    if (does === undefined) return [];
    if (does.kind === "branch") {
      if (does.call || does.condition === undefined) this.forget();
      return [];
    }
    if (does.kind === "nothing" || does.kind === "store") return [];
    if (does.kind === "select") {
      this.registers[does.rd] = undefined;
      return [];
    }
    const values = does.sets.flatMap(({ rd, value }) =>
      rd === "sp" ? [] : [{ rd, value: value === undefined ? undefined : this.value(value) }],
    );
    if (does.kind === "load") {
      const at = this.value(does.address);
      const whole = does.bytes === 8 && at?.terms.size === 0 && at.constant === this.variable;
      does.registers.forEach((rd, i) => {
        values.push({ rd, value: whole && i === 0 ? { terms: new Map([[BASE, 1n]]), constant: 0n } : undefined });
      });
    }
    for (const { rd, value } of values) if (rd !== 31) this.registers[rd] = value;
    return values.flatMap(({ value }) => (value === undefined ? [] : [value]));
  }

  /** What a sum says of the table: ((pointer - start) >> shift) * inverse + base. */
  division({ terms, constant: rest }: Sum): Division | undefined {
    if (rest !== 0n || terms.size !== 2 || terms.get(BASE) !== 1n) return undefined;
    const [name, factor] = [...terms].find(([one]) => one !== BASE)!;
    const shifted = this.shifted.get(name);
    if (shifted === undefined || factor % 2n === 0n || shifted.of.terms.size !== 1) return undefined;
    if (![...shifted.of.terms.values()].every((one) => one === 1n)) return undefined;
    const bytes = low(inverse(factor) << shifted.by);
    const virtStart = low(-shifted.of.constant);
    return bytes >= 8n && bytes <= MOST_BYTES && virtStart % 4096n === 0n ? { virtStart, bytes } : undefined;
  }
}

function folded(op: string, left: Sum, right: Sum): Sum | undefined {
  if (left.terms.size > 0 || right.terms.size > 0) return undefined;
  const [a, b] = [left.constant, right.constant];
  switch (op) {
    case "and":
      return constant(a & b);
    case "orr":
      return constant(a | b);
    case "eor":
      return constant(a ^ b);
    case "low":
      return constant(BigInt.asUintN(Number(b), a));
    case "sext":
      return constant(BigInt.asIntN(Number(b), a));
    default:
      return undefined;
  }
}

/** Of an odd number, modulo 2^64 (Newton: each round doubles the bits that are right, of which there are 3 at first). */
function inverse(odd: bigint): bigint {
  let x = odd;
  for (let bits = 3; bits < BITS; bits *= 2) x = low(x * (2n - odd * x));
  return x;
}

/** All divisions that a function does, each way of it that is straight. */
function divisionsIn(text: XenText, f: XenFunction, variable: number): Division[] {
  const follower = new Follower(BigInt(variable));
  const found: Division[] = [];
  for (let address = f.address; address < f.address + f.size; address += WORD) {
    if (text.branchesTo(address).length > 0) follower.forget();
    for (const sum of follower.step(text.word(address)!, address)) {
      const division = follower.division(sum);
      if (division !== undefined) found.push(division);
    }
  }
  return found;
}
