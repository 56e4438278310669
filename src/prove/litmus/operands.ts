/** Operands of instructions: registers, immediates, addresses in brackets, shifts. */
import type { ConditionCode, Operand, Reg } from "../program.js";
import { evaluate } from "./evaluate.js";
import { PROPOSITION, parseExpression } from "./expression.js";
import { Reader } from "./lexer.js";

/** Where an instruction stands, how it names a place in the code, and how it is refused. */
export interface InstructionContext {
  readonly file: string;
  readonly line: number;
  target(name: string): number;
  fail(message: string): never;
  unsupported(what: string): never;
}

/** A register as it is written: its number, and whether its 32-bit name was used. */
export interface Register {
  readonly reg: Reg;
  readonly word: boolean;
}

/** A memory operand: [base, offset]. */
interface Address {
  readonly rn: Reg;
  readonly offset: Operand;
}

const CONDITIONS: Readonly<Record<string, ConditionCode>> = {
  ...Object.fromEntries(
    ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al"].map((c) => [c, c]),
  ),
  hs: "cs",
  lo: "cc",
  nv: "al",
};

const OPPOSITE: Readonly<Record<string, ConditionCode>> = {
  ...{ eq: "ne", cs: "cc", mi: "pl", vs: "vc", hi: "ls", ge: "lt", gt: "le" },
  ...{ ne: "eq", cc: "cs", pl: "mi", vc: "vs", ls: "hi", lt: "ge", le: "gt" },
} as const;

/** The operands of one instruction, taken from left to right. */
export class Operands {
  private readonly list: string[];

  constructor(
    text: string,
    private readonly context: InstructionContext,
  ) {
    this.list = text.trim() === "" ? [] : text.split(/,(?![^[]*\])/).map((part) => part.trim());
    if (this.list.includes("")) context.fail("an operand is missing");
  }

  get left(): number {
    return this.list.length;
  }

  text(): string {
    const found = this.list.shift();
    if (found === undefined) this.context.fail("expected one more operand");
    return found;
  }

  /** Refuses what is left over. */
  end(): void {
    if (this.list.length > 0) this.context.fail(`did not expect '${this.list.join(", ")}'`);
  }

  /** True when the next operand is a general-purpose register. */
  seesRegister(): boolean {
    return this.list[0] !== undefined && registerOf(this.list[0]) !== undefined;
  }

  register(): Register {
    const text = this.text();
    if (/^w?sp$/i.test(text)) this.context.unsupported(`the stack pointer '${text}'`);
    return registerOf(text) ?? this.context.fail(`expected a register such as X0, found '${text}'`);
  }

  /** A register of 64 bits. */
  whole(): Reg {
    const { reg, word } = this.register();
    if (word) this.context.fail("expected a 64-bit register");
    return reg;
  }

  immediate(): bigint {
    return immediateOf(this.text(), this.context);
  }

  condition(): ConditionCode {
    return conditionOf(this.text()) ?? this.context.fail("expected a condition such as EQ");
  }

  target(): number {
    return this.context.target(this.text());
  }

  /**
   * The last operand of an ALU instruction: an immediate or a register, shifted or extended if it says so; `word` when the
   * instruction works on 32 bits.
   */
  last(word = false): Operand {
    if (!this.seesRegister()) {
      const imm = this.immediate();
      const { shift, extend } = this.left === 0 ? { shift: 0 } : this.modifier();
      if (extend) this.context.fail("an immediate cannot be extended");
      return { imm: this.fitting(imm, shift, word ? 32 : 64) };
    }
    const { reg } = this.register();
    if (this.left === 0) return { reg };
    return operandOf(reg, this.modifier());
  }

  /** The immediate shifted, be it without sign or negative; bits that the register has no room for are an error. */
  private fitting(imm: bigint, shift: number, bits: 32 | 64): bigint {
    for (const value of [imm, BigInt.asIntN(64, imm)]) {
      const shifted = value << BigInt(shift);
      if (shifted === BigInt.asUintN(bits, shifted) || shifted === BigInt.asIntN(bits, shifted))
        return BigInt.asUintN(64, shifted);
    }
    return this.context.fail(`the immediate needs more than ${bits} bits`);
  }

  private modifier(): Modifier {
    return modifierOf(this.text(), this.context);
  }

  /** [Xn], [Xn, #imm], [Xn, Xm], [Xn, Xm, LSL #n], [Xn, Wm, SXTW] */
  address(): Address {
    const text = this.text();
    const { context } = this;
    const inner = /^\[(.*)\]$/.exec(text)?.[1];
    if (inner === undefined) {
      if (/^\[.*\]!$/.test(text)) context.unsupported("an address with write-back");
      return context.fail(`expected an address such as [X1], found '${text}'`);
    }
    if (this.left > 0) context.unsupported("an address with write-back");
    const parts = new Operands(inner, context);
    const rn = parts.whole();
    if (parts.left === 0) return { rn, offset: { imm: 0n } };
    if (!parts.seesRegister()) {
      const imm = parts.immediate();
      parts.end();
      return { rn, offset: { imm } };
    }
    const { reg, word } = parts.register();
    if (parts.left === 0) {
      if (word) context.fail("a 32-bit index needs UXTW or SXTW");
      return { rn, offset: { reg } };
    }
    const modifier = parts.modifier();
    parts.end();
    if (word && !modifier.extend) context.fail("a 32-bit index needs UXTW or SXTW");
    return { rn, offset: operandOf(reg, modifier) };
  }
}

interface Modifier {
  readonly shift: number;
  readonly extend?: "uxtw" | "sxtw";
}

function operandOf(reg: Reg, { shift, extend }: Modifier): Operand {
  return { reg, ...(shift > 0 ? { shift } : {}), ...(extend ? { extend } : {}) };
}

/** "LSL #n", "UXTW", "SXTW #n"; UXTX and SXTX change nothing. */
function modifierOf(text: string, context: InstructionContext): Modifier {
  const match = /^([a-z]+)\s*(.*)$/i.exec(text);
  const kind = match?.[1]?.toLowerCase() ?? "";
  const amount = match?.[2] ? immediateOf(match[2], context) : 0n;
  if (amount > 63n) context.fail("expected a shift of 0 to 63");
  const shift = Number(amount);
  if (kind === "lsl" || kind === "uxtx" || kind === "sxtx") return { shift };
  if (kind === "uxtw" || kind === "sxtw") return { shift, extend: kind };
  if (/^(lsr|asr|ror|[us]xt[bh])$/.test(kind)) context.unsupported(`an operand with ${kind.toUpperCase()}`);
  return context.fail(`expected a shift such as LSL #3, found '${text}'`);
}

/** X0 to X30, W0 to W30, XZR, WZR, LR, in any case. */
export function registerOf(text: string): Register | undefined {
  const name = text.trim().toUpperCase();
  if (name === "LR") return { reg: 30, word: false };
  const match = /^([XW])(ZR|\d{1,2})$/.exec(name);
  if (!match) return undefined;
  const reg = match[2] === "ZR" ? 31 : Number(match[2]);
  return match[2] !== "ZR" && reg > 30 ? undefined : { reg, word: match[1] === "W" };
}

/** An immediate: "#4", "4", "#0b1111", "#(1 << 12)", "#-1" as 64 bits. */
function immediateOf(text: string, context: InstructionContext): bigint {
  const { file, line } = context;
  const reader = new Reader({ text: text.replace(/^#\s*/, ""), file, line });
  const expression = parseExpression(reader, PROPOSITION);
  reader.end();
  return evaluate(expression, { file, name: () => undefined }).value;
}

/** A condition in any case; undefined when there is none of that name. */
export function conditionOf(text: string): ConditionCode | undefined {
  const key = text.trim().toLowerCase();
  return Object.hasOwn(CONDITIONS, key) ? CONDITIONS[key] : undefined;
}

/** The condition that holds when this one does not. */
export const opposite = (cond: ConditionCode, context: InstructionContext): ConditionCode =>
  OPPOSITE[cond] ?? context.fail("AL has no opposite");
