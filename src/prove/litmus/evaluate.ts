/** The value of an expression: 64-bit numbers that know their width, and whose addresses they are. */
import { GRANULES, type GranuleBits } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import { ATTRIBUTES, fieldOf, leaf, type Stage, table, withField } from "./descriptor.js";
import type { BinaryOp, Expression } from "./expression.js";
import type { Space } from "./setup-syntax.js";
import { offsetIn } from "./tables.js";
import { UnsupportedInTest } from "./unsupported.js";

export interface Value {
  readonly value: bigint;
  /** bits, 1 to 64 */
  readonly width: number;
  /** absent for a plain number */
  readonly space?: Space;
}

/** What an expression may speak of. */
export interface Scope {
  readonly file: string;
  /** log2 of the granule of the tables; 4 KiB when absent */
  readonly granuleBits?: GranuleBits;
  /** the address that a name stands for */
  name(name: string): Value | undefined;
  /** the address of a label in the thread's code */
  label?(name: string): number | undefined;
  /** pteN, descN and tableN: the walk of an address through a table, or one that has a name */
  walk?(walk: Walked, level: number, what: "pte" | "desc" | "table"): bigint;
}

/** Whose walk is meant. */
export type Walked = { readonly line: number } & (
  | { readonly name: string }
  | { readonly address: number; readonly base: number }
);

/** Addresses have 48 bits here. */
export const ADDRESS_LIMIT = 1n << 48n;

const mask = (value: bigint, width: number): bigint => BigInt.asUintN(width, value);
const number = (value: bigint, width = 64): Value => ({ value: mask(value, width), width });

/** Evaluates; an InputError names what is not known. */
export function evaluate(expression: Expression, scope: Scope): Value {
  const { line } = expression;
  switch (expression.kind) {
    case "number":
      return { value: expression.value, width: expression.width };
    case "name": {
      const found = scope.name(expression.name);
      if (found === undefined)
        throw InputError.at(scope.file, line, `unknown name '${expression.name}', expected a declared one or a table`);
      return found;
    }
    case "label": {
      const address = scope.label?.(expression.name);
      if (address === undefined)
        throw InputError.at(scope.file, line, `no label '${expression.name}:' in the thread's code`);
      return number(BigInt(address));
    }
    case "slice":
      return number(
        evaluate(expression.of, scope).value >> BigInt(expression.low),
        expression.high - expression.low + 1,
      );
    case "unary": {
      const { value, width } = evaluate(expression.of, scope);
      if (expression.op === "!") return number(value === 0n ? 1n : 0n, 1);
      return expression.op === "~" ? number(~value, width) : number(-value);
    }
    case "binary": {
      const result = binary(expression.op, evaluate(expression.left, scope), evaluate(expression.right, scope));
      if (result === undefined)
        throw InputError.at(scope.file, line, `the result of '${expression.op}' needs more than 64 bits`);
      return result;
    }
    case "call":
      return new Call(expression, scope).value();
  }
}

/** Undefined when the result does not fit 64 bits. */
function binary(op: BinaryOp, left: Value, right: Value): Value | undefined {
  const [a, b] = [left.value, right.value];
  const truth = (holds: boolean): Value => number(holds ? 1n : 0n, 1);
  const width = Math.max(left.width, right.width);
  switch (op) {
    case "==":
      return truth(a === b);
    case "!=":
      return truth(a !== b);
    case "<":
      return truth(a < b);
    case ">":
      return truth(a > b);
    case "<=":
      return truth(a <= b);
    case ">=":
      return truth(a >= b);
    case "or":
      return number(a | b, width);
    case "and":
      return number(a & b, width);
    case "<<":
      return b > 63n ? undefined : exact(a, b, (x) => x << b);
    case ">>":
      return b > 63n ? undefined : number(a >> b);
    case "+":
      return exact(a, b, (x, y) => x + y);
    case "-":
      return exact(a, b, (x, y) => x - y);
    case "*":
      return exact(a, b, (x, y) => x * y);
  }
}

/** What comes out where it is right, be the numbers without sign or two's complement: who writes 1 << 64 does not mean 0. */
function exact(a: bigint, b: bigint, of: (a: bigint, b: bigint) => bigint): Value | undefined {
  const results = [of(a, b), of(BigInt.asIntN(64, a), BigInt.asIntN(64, b))];
  const right = results.find((x) => x === BigInt.asUintN(64, x) || x === BigInt.asIntN(64, x));
  return right === undefined ? undefined : number(right);
}

type CallExpression = Extract<Expression, { kind: "call" }>;

/** Functions of plain values, by name: how many arguments, and what they give; undefined where that has no room. */
const PLAIN: Readonly<Record<string, readonly [number, (values: readonly Value[]) => Value | undefined]>> = {
  page: [1, ([x]) => number(x!.value >> 12n, 44)],
  asid: [1, ([x]) => fitting(x!.value << 48n, 64)],
  raw: [1, ([x]) => number(x!.value)],
  extz: [2, ([x, bits]) => fitting(x!.value, widthOf(bits!))],
  exts: [2, ([x, bits]) => signExtended(x!, widthOf(bits!))],
  bvor: [2, ([a, b]) => wide(a!, b!, a!.value | b!.value)],
  bvand: [2, ([a, b]) => wide(a!, b!, a!.value & b!.value)],
  bvxor: [2, ([a, b]) => wide(a!, b!, a!.value ^ b!.value)],
  bvadd: [2, ([a, b]) => wide(a!, b!, a!.value + b!.value)],
  bvsub: [2, ([a, b]) => wide(a!, b!, a!.value - b!.value)],
  bvmul: [2, ([a, b]) => wide(a!, b!, a!.value * b!.value)],
  bvshl: [2, ([a, b]) => number(shifted(a!.value, b!.value), a!.width)],
  bvlshr: [2, ([a, b]) => number(shifted(a!.value, -b!.value), a!.width)],
  bvashr: [2, ([a, b]) => number(shifted(BigInt.asIntN(a!.width, a!.value), -b!.value), a!.width)],
  bvnot: [1, ([a]) => number(~a!.value, a!.width)],
  bvneg: [1, ([a]) => number(-a!.value, a!.width)],
  concat: [2, ([a, b]) => fitting((a!.value << BigInt(b!.width)) | b!.value, Math.min(64, a!.width + b!.width))],
  add_bits_int: [2, ([a, b]) => number(a!.value + b!.value, a!.width)],
  sub_bits_int: [2, ([a, b]) => number(a!.value - b!.value, a!.width)],
  add_bits: [2, ([a, b]) => wide(a!, b!, a!.value + b!.value)],
  sub_bits: [2, ([a, b]) => wide(a!, b!, a!.value - b!.value)],
  ...Object.fromEntries(
    (["va", "ipa", "pa"] as const).flatMap((from) =>
      ([["va", "virtual"], ["ipa", "intermediate"], ["pa", "physical"]] as const) // biome-ignore format: a table
        .map(([to, space]) => [`${from}_to_${to}`, [1, ([x]: readonly Value[]) => ({ ...x!, space })]] as const),
    ),
  ),
};

/** A width of 1 to 64 bits; NaN for any other number. */
const widthOf = ({ value }: Value): number => (value < 1n || value > 64n ? Number.NaN : Number(value));
const fitting = (value: bigint, width: number): Value | undefined =>
  width > 0 && value === mask(value, width) ? { value, width } : undefined;
function signExtended(x: Value, width: number): Value | undefined {
  const value = BigInt.asIntN(x.width, x.value);
  return width > 0 && value === BigInt.asIntN(width, value) ? number(value, width) : undefined;
}
const wide = (a: Value, b: Value, value: bigint): Value => number(value, Math.max(a.width, b.width));
/** To the left, or by less than 0 to the right; of a negative number nothing but its sign remains. */
const shifted = (value: bigint, by: bigint): bigint =>
  by > 63n ? 0n : by >= 0n ? value << by : by >= -63n ? value >> -by : value < 0n ? -1n : 0n;

class Call {
  private readonly used = new Set<string>();

  constructor(
    private readonly expression: CallExpression,
    private readonly scope: Scope,
  ) {}

  value(): Value {
    const { name, args, line } = this.expression;
    const plain = Object.hasOwn(PLAIN, name) ? PLAIN[name] : undefined;
    if (plain !== undefined) {
      const [arity, apply] = plain;
      if (args.length !== arity) this.fail(`takes ${arity === 1 ? "one argument" : `${arity} arguments`}`);
      const result = apply(args.map((arg) => evaluate(arg, this.scope)));
      if (result === undefined) this.fail("has no room for this value");
      this.noOthers();
      return result;
    }
    const made = /^(s[12])?mkdesc([0-3])$/.exec(name);
    if (made) return this.descriptor(made[1] === "s2" ? 2 : 1, Number(made[2]));
    const walked = /^(?:s[12])?(pte|desc|table)([0-3])$/.exec(name);
    if (walked) return this.walked(walked[1] as "pte" | "desc" | "table", Number(walked[2]));
    if (name === "ttbr" || name === "vttbr") return this.ttbr();
    if (name === "offset" || name === "index") return this.offset(name === "index" ? 1n : 8n);
    throw new UnsupportedInTest(`the function '${name}'`, this.scope.file, line);
  }

  private fail(message: string): never {
    throw InputError.at(this.scope.file, this.expression.line, `${this.expression.name} ${message}`);
  }

  /** The argument of one of these names, or the next one without a name. */
  private take(...names: readonly string[]): bigint | undefined {
    for (const name of names) {
      const found = this.expression.named.get(name);
      if (found === undefined) continue;
      this.used.add(name);
      return evaluate(found, this.scope).value;
    }
    return undefined;
  }

  private noOthers(): void {
    const other = [...this.expression.named.keys()].find((name) => !this.used.has(name));
    if (other !== undefined) this.fail(`has no argument '${other}'`);
  }

  private positional(index: number): bigint | undefined {
    const found = this.expression.args[index];
    return found && evaluate(found, this.scope).value;
  }

  private descriptor(stage: Stage, level: number): Value {
    const next = this.take("table");
    const output = this.take("oa") ?? (next === undefined ? this.positional(0) : undefined);
    if ((next === undefined) === (output === undefined)) this.fail("takes either 'oa' or 'table'");
    if (output !== undefined && level === 0) this.fail("cannot have an 'oa': level 0 holds tables only");
    if (next !== undefined && level === 3) this.fail("cannot have a 'table': level 3 holds pages only");
    if ((next ?? output)! >= ADDRESS_LIMIT) this.fail("has an address of more than 48 bits");
    let made =
      next !== undefined ? table(next) : leaf(output!, level, ATTRIBUTES.default[stage], this.scope.granuleBits);
    for (const [name, expression] of this.expression.named) {
      if (this.used.has(name)) continue;
      const field = fieldOf(name, next !== undefined ? "table" : stage);
      if (field === undefined) this.fail(`knows no field '${name}'`);
      const set = withField(made, field, evaluate(expression, this.scope).value);
      if (set === undefined) this.fail(`has a value for '${name}' that needs more than its ${field.width} bits`);
      made = set;
    }
    return number(made);
  }

  private walked(what: "pte" | "desc" | "table", level: number): Value {
    const { args, line } = this.expression;
    const { scope } = this;
    if (scope.walk === undefined)
      throw new UnsupportedInTest(`'${this.expression.name}' where addresses are chosen`, scope.file, line);
    const [first, second] = args;
    if (args.length === 1 && first?.kind === "name")
      return { ...number(scope.walk({ name: first.name, line }, level, what)) };
    if (args.length !== 2) this.fail("takes an address and a table, or the name of a walk");
    this.noOthers();
    const [address, base] = [this.address(first!), this.address(second!)];
    return number(scope.walk({ address, base, line }, level, what));
  }

  private address(expression: Expression): number {
    const { value } = evaluate(expression, this.scope);
    if (value >= ADDRESS_LIMIT) this.fail("has an address of more than 48 bits");
    return Number(value);
  }

  private ttbr(): Value {
    const id = this.take("asid", "vmid") ?? 0n;
    const base = this.take("base") ?? this.positional(0);
    if (base === undefined) this.fail("needs 'base'");
    this.noOthers();
    if (id > 0xffffn) this.fail("has an identifier of more than 16 bits");
    if (base >= ADDRESS_LIMIT) this.fail("has a base of more than 48 bits");
    return number((id << 48n) | base);
  }

  private offset(bytes: bigint): Value {
    const level = this.take("level");
    const address = this.take("va", "ipa", "pa");
    if (level === undefined || address === undefined) this.fail("needs 'level' and 'va'");
    if (level > 3n) this.fail("has a level above 3");
    this.noOthers();
    const granule = GRANULES[this.scope.granuleBits ?? 12];
    return number((BigInt(offsetIn(Number(address % ADDRESS_LIMIT), Number(level), granule)) * bytes) / 8n);
  }
}
