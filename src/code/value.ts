/** Values of registers and memory in symbols: what a function computes from what it was given. Equal ones have equal texts. */
import type { FormulaOp } from "../arch/index.js";

/** A condition on values, in words that name it: equal conditions have equal texts. */
export interface DataCondition {
  readonly text: string;
  /** the two sides, where it asks whether they are equal */
  readonly equal?: readonly [Value, Value];
}

export type Value = { readonly text: string } & ValueKind;
type ValueKind =
  | { readonly kind: "number"; readonly number: bigint }
  /** an argument, a register at the entry, what was read from memory; below 2^bits */
  | { readonly kind: "name"; readonly bits: number }
  | { readonly kind: "op"; readonly op: FormulaOp; readonly of: readonly Value[] }
  /** of a loop: what a register holds in some round of it; `step` is what each round adds, where that is known */
  | { readonly kind: "loop"; readonly start: Value; readonly step: Value | undefined }
  | { readonly kind: "choice"; readonly condition: DataCondition; readonly yes: Value; readonly no: Value };

const MASK = (1n << 64n) - 1n;
/** A value whose text is longer is a name of its own. */
const LONGEST = 400;

export const number = (value: bigint): Value => {
  const cut = value & MASK;
  const negative = cut >> 63n === 1n && cut > MASK - 4096n;
  return {
    kind: "number",
    number: cut,
    text: negative ? `-${MASK + 1n - cut}` : cut < 4096n ? `${cut}` : `0x${cut.toString(16)}`,
  };
};
export const name = (text: string, bits = 64): Value => ({ kind: "name", bits, text });
export const looped = (text: string, start: Value, step: Value | undefined): Value => ({
  kind: "loop",
  start,
  step,
  text,
});

/** One of two values, where a condition is not decided. */
export function choice(condition: DataCondition, yes: Value, no: Value): Value {
  if (yes.text === no.text) return yes;
  const text = `(${condition.text} ? ${yes.text} : ${no.text})`;
  return text.length > LONGEST ? named(text) : { kind: "choice", condition, yes, no, text };
}

let long = 0;
const longNames = new Map<string, Value>();
/** A name for what is too long to be written. */
function named(text: string): Value {
  const known = longNames.get(text);
  if (known) return known;
  const value = name(`v${++long}`);
  longNames.set(text, value);
  return value;
}

const sign = (value: bigint, bits: bigint): bigint => BigInt.asUintN(64, BigInt.asIntN(Number(bits), value));

/** What an operation gives of numbers. */
function calculated(op: FormulaOp, [a = 0n, b = 0n]: readonly bigint[]): bigint {
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "and":
      return a & b;
    case "orr":
      return a | b;
    case "eor":
      return a ^ b;
    case "mul":
      return a * b;
    case "lsl":
      return b > 63n ? 0n : a << b;
    case "lsr":
      return b > 63n ? 0n : a >> b;
    case "asr":
      return BigInt.asIntN(64, a) >> b;
    case "ror":
      return (a >> (b & 63n)) | (a << (64n - (b & 63n)));
    case "ror32":
      return ((a >> (b & 31n)) | (a << (32n - (b & 31n)))) & 0xffff_ffffn;
    case "low":
      return b > 63n ? a : a & ((1n << b) - 1n);
    case "sext":
      return sign(a, b);
  }
}

/** How many low bits a value can have set. */
function widthOf(value: Value): number {
  switch (value.kind) {
    case "number":
      return value.number.toString(2).length;
    case "name":
      return value.bits;
    case "choice":
      return Math.max(widthOf(value.yes), widthOf(value.no));
    case "loop":
      return 64;
    case "op":
      return widthOfOp(value.op, value.of);
  }
}

function widthOfOp(op: FormulaOp, [a, b]: readonly Value[]): number {
  const amount = b?.kind === "number" ? Number(b.number) : undefined;
  const [left, right] = [widthOf(a!), b ? widthOf(b) : 64];
  if (op === "low" && amount !== undefined) return Math.min(amount, left);
  if (op === "lsr" && amount !== undefined) return Math.max(left - amount, 1);
  if (op === "lsl" && amount !== undefined) return Math.min(left + amount, 64);
  if (op === "and") return Math.min(left, right);
  if (op === "orr" || op === "eor") return Math.max(left, right);
  return op === "ror32" ? 32 : 64;
}

const SIGN: Partial<Record<FormulaOp, string>> = {
  add: "+",
  sub: "-",
  and: "&",
  orr: "|",
  eor: "^",
  mul: "*",
  lsl: "<<",
  lsr: ">>",
};

/** What an operation gives, as simple as it gets. */
export function operate(op: FormulaOp, ...of: readonly Value[]): Value {
  const [a, b] = of as [Value, Value];
  if (of.every((value) => value.kind === "number"))
    return number(
      calculated(
        op,
        of.map((v) => (v as { number: bigint }).number),
      ),
    );
  const simple = b === undefined ? undefined : simpler(op, a, b);
  if (simple) return simple;
  const written = SIGN[op] ? `(${a.text} ${SIGN[op]} ${b.text})` : `${op}(${of.map(({ text }) => text).join(", ")})`;
  return written.length > LONGEST ? named(written) : { kind: "op", op, of, text: written };
}

/** The rules that keep addresses, masks and fields readable. */
function simpler(op: FormulaOp, a: Value, b: Value): Value | undefined {
  const n = b.kind === "number" ? b.number : undefined;
  if (op === "sub" && a.text === b.text) return number(0n);
  if ((op === "and" || op === "orr") && a.text === b.text) return a;
  if (a.kind === "number" && (op === "add" || op === "and" || op === "orr" || op === "eor")) return operate(op, b, a);
  if (n === undefined) return undefined;
  if (n === 0n) {
    if (op === "and" || op === "mul") return number(0n);
    if (op !== "low" && op !== "sext") return a;
  }
  if (op === "sub") return operate("add", a, number(-n));
  if (op === "add" && a.kind === "op" && a.op === "add" && a.of[1]!.kind === "number")
    return operate("add", a.of[0]!, number(a.of[1]!.number + n));
  if (op === "and" && n === MASK) return a;
  if (op === "low" && (n >= 64n || widthOf(a) <= Number(n))) return a;
  if (op === "low" && a.kind === "op" && a.op === "low") return operate("low", a.of[0]!, b);
  return undefined;
}

/** The value where a condition is decided. */
export function decided(value: Value, condition: string, yes: boolean): Value {
  if (!value.text.includes(condition)) return value;
  switch (value.kind) {
    case "choice":
      if (value.condition.text === condition) return decided(yes ? value.yes : value.no, condition, yes);
      return choice(value.condition, decided(value.yes, condition, yes), decided(value.no, condition, yes));
    case "op":
      return operate(value.op, ...value.of.map((part) => decided(part, condition, yes)));
    default:
      return value;
  }
}

/** A condition that a value depends on, if it does. */
export function openChoice(value: Value): DataCondition | undefined {
  if (value.kind === "choice") return value.condition;
  if (value.kind !== "op") return undefined;
  for (const part of value.of) {
    const found = openChoice(part);
    if (found) return found;
  }
  return undefined;
}

/** A bit of a value: undefined where that depends on what is not known. */
export function bitOf(value: Value, bit: number): 0 | 1 | undefined {
  if (value.kind === "number") return ((value.number >> BigInt(bit)) & 1n) === 1n ? 1 : 0;
  if (value.kind !== "op") return widthOf(value) <= bit ? 0 : undefined;
  const [a, b] = [bitOf(value.of[0]!, bit), value.of[1] ? bitOf(value.of[1], bit) : undefined];
  if (value.op === "and") return a === 0 || b === 0 ? 0 : a === 1 && b === 1 ? 1 : undefined;
  if (value.op === "orr") return a === 1 || b === 1 ? 1 : a === 0 && b === 0 ? 0 : undefined;
  return undefined;
}
