/** Expressions of a litmus file: the values of registers, addresses in page_table_setup, what an assertion compares with. */
import type { Reader } from "./lexer.js";

/** An expression as it is written; {@link ../evaluate} gives it a value. */
export type Expression = { readonly line: number } & (
  | { readonly kind: "number"; readonly value: bigint; readonly width: number }
  | { readonly kind: "name"; readonly name: string }
  /** "L0:", the address of a label in the thread's code */
  | { readonly kind: "label"; readonly name: string }
  | {
      readonly kind: "call";
      readonly name: string;
      readonly args: readonly Expression[];
      readonly named: ReadonlyMap<string, Expression>;
    }
  /** bits [high:low] */
  | { readonly kind: "slice"; readonly of: Expression; readonly high: number; readonly low: number }
  | { readonly kind: "unary"; readonly op: "-" | "~" | "!"; readonly of: Expression }
  | { readonly kind: "binary"; readonly op: BinaryOp; readonly left: Expression; readonly right: Expression }
);

export type BinaryOp = "or" | "and" | "==" | "!=" | "<" | ">" | "<=" | ">=" | "<<" | ">>" | "+" | "-" | "*";

interface Binding {
  readonly op: BinaryOp;
  readonly strength: number;
}

const BINARY: Readonly<Record<string, Binding>> = {
  "||": { op: "or", strength: 1 },
  "|": { op: "or", strength: 1 },
  "&&": { op: "and", strength: 2 },
  "&": { op: "and", strength: 2 },
  "==": { op: "==", strength: 3 },
  "=": { op: "==", strength: 3 },
  "!=": { op: "!=", strength: 3 },
  "<": { op: "<", strength: 3 },
  ">": { op: ">", strength: 3 },
  "<=": { op: "<=", strength: 3 },
  ">=": { op: ">=", strength: 3 },
  "<<": { op: "<<", strength: 4 },
  ">>": { op: ">>", strength: 4 },
  "+": { op: "+", strength: 5 },
  "-": { op: "-", strength: 5 },
  "*": { op: "*", strength: 6 },
};

/** Where comparisons and connectives belong to whoever asks for the value. */
const VALUE = 4;
/** Everything, with comparisons and connectives. */
export const PROPOSITION = 1;

/** Numbers, names, functions, signs before a value and parentheses of one expression: whoever reads or evaluates it recurses. */
const MAX_PARTS = 500;

/** Reads one expression of operators that bind at least as strongly as `strength`. */
export function parseExpression(reader: Reader, strength: number = VALUE): Expression {
  return new Parser(reader).expression(strength);
}

/** Reads one expression, and counts its parts. */
class Parser {
  private parts = 0;

  constructor(private readonly reader: Reader) {}

  private count(): void {
    if (++this.parts > MAX_PARTS)
      this.reader.failAt(this.reader.peek().line, `an expression of more than ${MAX_PARTS} parts, expected fewer`);
  }

  expression(strength: number): Expression {
    const { reader } = this;
    let left = this.unary();
    for (;;) {
      const { kind, text } = reader.peek();
      const binding = kind === "sign" && Object.hasOwn(BINARY, text) ? BINARY[text] : undefined;
      if (binding === undefined || binding.strength < strength) return left;
      const { line } = reader.next();
      left = { kind: "binary", op: binding.op, left, right: this.expression(binding.strength + 1), line };
    }
  }

  private unary(): Expression {
    const { reader } = this;
    this.count();
    const { text, line, kind } = reader.peek();
    if (kind === "sign" && (text === "-" || text === "~" || text === "!")) {
      reader.next();
      const of = this.unary();
      if (text === "-" && of.kind === "number" && of.value > 1n << 63n)
        reader.failAt(line, `-${of.value} needs more than 64 bits`);
      return { kind: "unary", op: text, of, line };
    }
    let value = this.primary();
    while (reader.takes("[")) {
      this.count();
      const high = bitNumber(reader);
      const low = reader.takes("..") || reader.takes(":") ? bitNumber(reader) : high;
      reader.expect("]");
      if (low > high) reader.failAt(line, `the slice [${high}..${low}] is empty, expected the higher bit first`);
      value = { kind: "slice", of: value, high, low, line };
    }
    return value;
  }

  private primary(): Expression {
    const { reader } = this;
    const { kind, text, line } = reader.peek();
    if (reader.takes("(")) {
      const inner = this.expression(PROPOSITION);
      reader.expect(")");
      return inner;
    }
    if (kind === "number") return { ...literal(reader), line };
    if (kind !== "name") reader.fail("expected a number, a name or a function");
    reader.next();
    if (reader.takes("(")) return { ...this.call(text), line };
    if (reader.takes(":")) return { kind: "label", name: text, line };
    return { kind: "name", name: text, line };
  }

  private call(name: string): Omit<Extract<Expression, { kind: "call" }>, "line"> {
    const { reader } = this;
    const args: Expression[] = [];
    const named = new Map<string, Expression>();
    while (!reader.takes(")")) {
      if (reader.peek().kind === "name" && reader.sees("=", 1)) {
        const key = reader.next().text;
        reader.next();
        if (named.has(key)) reader.fail(`'${key}' is given twice to ${name}`);
        named.set(key, this.expression(VALUE));
      } else args.push(this.expression(VALUE));
      if (!reader.sees(")")) reader.expect(",");
    }
    return { kind: "call", name, args, named };
  }
}

function bitNumber(reader: Reader): number {
  const { kind, text } = reader.peek();
  const bit = kind === "number" ? Number(text.replaceAll("_", "")) : Number.NaN;
  if (!(bit <= 63)) reader.fail("expected the number of a bit, 0 to 63");
  reader.next();
  return bit;
}

/** A hexadecimal or binary number is as wide as its digits, so that exts(0xff, 64) is -1; a decimal one has 64 bits. */
function literal(reader: Reader): { kind: "number"; value: bigint; width: number } {
  const { text, line } = reader.peek();
  const digits = text.replaceAll("_", "").toLowerCase();
  if (/^0[xb]$/.test(digits)) reader.fail("expected digits");
  // A number of 200 decimal digits needs no conversion to be too large.
  const number = digits.length > 200 ? { value: 1n << 64n, width: 64 } : numeral(digits);
  if (number.value >= 1n << 64n) reader.failAt(line, `${text} needs more than 64 bits`);
  reader.next();
  return { kind: "number", ...number };
}

/** A number as it is written, of any size. */
export function numeral(digits: string): { readonly value: bigint; readonly width: number } {
  const width = digits.startsWith("0x") ? 4 * (digits.length - 2) : digits.startsWith("0b") ? digits.length - 2 : 64;
  return { value: BigInt(digits), width: Math.min(Math.max(width, 1), 64) };
}

/** Names that an expression mentions (not those of functions). */
export function namesIn(expression: Expression): string[] {
  switch (expression.kind) {
    case "number":
    case "label":
      return [];
    case "name":
      return [expression.name];
    case "call":
      return [...expression.args, ...expression.named.values()].flatMap(namesIn);
    case "slice":
    case "unary":
      return namesIn(expression.of);
    case "binary":
      return [...namesIn(expression.left), ...namesIn(expression.right)];
  }
}
