/** The state of a PE that executes a function, in symbols: registers, the stack, memory, what was decided on the way. */
import type { A64Condition, Assignment, Comparison, Formula } from "../arch/index.js";
import { choice, type DataCondition, decided, looped, name, number, operate, type Value } from "./value.js";

type Register = number | "sp";

/** Registers that a callee leaves as they are (AAPCS64, 6.1.1). */
const KEPT = [19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29];

export class Machine {
  readonly registers: Value[];
  sp: Value = name("SP");
  private flags: readonly [op: string, left: Value, right: Value, bits: number] | undefined;
  private stack = new Map<number, Value>();
  private memory = new Map<string, Value>();
  private version = 0;
  /** system registers by name, as last read or written */
  readonly system = new Map<string, Value>();
  readonly decisions = new Map<string, boolean>();
  private made = new Map<string, number>();

  /** `dataName` names the data at an address. */
  constructor(private readonly dataName: (address: number) => string | undefined) {
    this.registers = Array.from({ length: 31 }, (_, i) => name(`X${i}`));
  }

  copy(): Machine {
    const other: Machine = Object.create(Machine.prototype) as Machine;
    Object.assign(other, this);
    Object.assign(other, {
      registers: [...this.registers],
      stack: new Map(this.stack),
      memory: new Map(this.memory),
      system: new Map(this.system),
      decisions: new Map(this.decisions),
      made: new Map(this.made),
    });
    return other;
  }

  /** A value that nothing is known of, by what made it; the same name on each way that comes to it alike. */
  unknown(what: string, bits = 64): Value {
    const times = (this.made.get(what) ?? 0) + 1;
    this.made.set(what, times);
    return name(times === 1 ? what : `${what}'${times}`, bits);
  }

  read(register: Register): Value {
    return register === "sp" ? this.sp : register === 31 ? number(0n) : this.registers[register]!;
  }

  write(register: Register, value: Value): void {
    if (register === "sp") this.sp = value;
    else if (register !== 31) this.registers[register] = value;
  }

  value(formula: Formula): Value {
    if ("imm" in formula) return number(formula.imm);
    if ("reg" in formula) {
      const value = this.read(formula.reg);
      return formula.wide ? value : operate("low", value, number(32n));
    }
    return operate(formula.op, ...formula.of.map((part) => this.value(part)));
  }

  /** All assignments of an instruction, from the state before it. */
  assign(sets: readonly Assignment[], what: string): void {
    const values = sets.map(({ value }) => (value === undefined ? this.unknown(what) : this.value(value)));
    for (const [i, { rd }] of sets.entries()) this.write(rd, values[i]!);
  }

  compare(comparison: Comparison | "unknown"): void {
    if (comparison === "unknown") this.flags = undefined;
    else
      this.flags = [
        comparison.op,
        this.value(comparison.left),
        this.value(comparison.right),
        comparison.wide ? 64 : 32,
      ];
  }

  /** A condition, as true or false where that is certain; `not`: the words say the contrary. */
  condition(asked: A64Condition): { readonly is: boolean } | { readonly data: DataCondition; readonly not: boolean } {
    if (asked.test === "zero") return this.settle(equality(this.value(asked.value), number(0n)), asked.not);
    if (asked.test === "bit") {
      const bit = operate("and", this.value(asked.value), number(1n << BigInt(asked.bit)));
      return this.settle(equality(bit, number(0n)), asked.not);
    }
    const not = (asked.code & 1) === 1;
    if (this.flags === undefined) return this.settle({ text: this.unknown("flags").text }, not);
    const [op, left, right, bits] = this.flags;
    if (asked.code >> 1 === 0)
      return this.settle(
        op === "sub" ? equality(left, right) : equality(operate(op === "and" ? "and" : "add", left, right), number(0n)),
        not,
      );
    const sign = ["", ">=u", "<0 of", "overflows with", ">u", ">=", ">"][asked.code >> 1]!;
    if (op === "sub" && left.kind === "number" && right.kind === "number") {
      const is = compared(asked.code >> 1, left.number, right.number, bits);
      if (is !== undefined) return { is: is !== not };
    }
    const shown = op === "sub" ? "" : op === "and" ? "test " : "sum ";
    return this.settle({ text: `${shown}${left.text} ${sign} ${right.text}` }, not);
  }

  private settle(condition: DataCondition, not: boolean): ReturnType<Machine["condition"]> {
    const known =
      condition.text === "yes" ? true : condition.text === "no" ? false : this.decisions.get(condition.text);
    return known === undefined ? { data: condition, not } : { is: known !== not };
  }

  /** Remembers which way was taken, and lets all values know it. */
  decide(condition: string, yes: boolean): void {
    this.decisions.set(condition, yes);
    const settled = (value: Value): Value => decided(value, condition, yes);
    for (const [i, value] of this.registers.entries()) this.registers[i] = settled(value);
    for (const [at, value] of this.stack) this.stack.set(at, settled(value));
    for (const [at, value] of this.memory) this.memory.set(at, settled(value));
    for (const [at, value] of this.system) this.system.set(at, settled(value));
  }

  select(rd: number, asked: A64Condition, yes: Value, no: Value): void {
    const found = this.condition(asked);
    if ("is" in found) this.write(rd, found.is ? yes : no);
    else this.write(rd, found.not ? choice(found.data, no, yes) : choice(found.data, yes, no));
  }

  /** Bytes from SP at the entry, where an address is one of the stack. */
  stackOffset(address: Value): number | undefined {
    if (address.text === "SP") return 0;
    if (address.kind !== "op" || address.op !== "add" || address.of[0]!.text !== "SP") return undefined;
    const offset = address.of[1]!;
    return offset.kind === "number" ? Number(BigInt.asIntN(64, offset.number)) : undefined;
  }

  load(address: Value, bytes: number): Value {
    const offset = this.stackOffset(address);
    if (offset !== undefined && bytes === 8) {
      const held = this.stack.get(offset);
      if (held) return held;
    }
    const key = `${bytes}[${address.text}]${offset === undefined ? this.version : ""}`;
    const known = this.memory.get(key);
    if (known) return known;
    const again = this.version > 0 && offset === undefined ? `'${this.version}` : "";
    const value = name(`[${this.addressText(address)}]${again}`, 8 * bytes);
    this.memory.set(key, value);
    return value;
  }

  private addressText(address: Value): string {
    const data = address.kind === "number" ? this.dataName(Number(address.number)) : undefined;
    return data ?? bare(address.text);
  }

  /** A store; gives false for the stack. `value` undefined = not followed. */
  store(address: Value, bytes: number, value: Value | undefined): boolean {
    const offset = this.stackOffset(address);
    if (offset !== undefined) {
      for (const at of this.stack.keys()) if (at < offset + bytes && at + 8 > offset) this.stack.delete(at);
      if (bytes === 8 && value) this.stack.set(offset, value);
      return false;
    }
    this.forgetMemory();
    if (bytes === 8 && value) this.memory.set(`8[${address.text}]${this.version}`, value);
    return true;
  }

  /** Anybody may have written anything but the stack. */
  forgetMemory(): void {
    this.version++;
    this.memory.clear();
  }

  /** What a call that is not followed leaves behind. */
  afterCall(of: string): void {
    for (let i = 0; i <= 18; i++)
      this.registers[i] = i === 0 ? this.unknown(`${of}()`) : this.unknown(`X${i} of ${of}`);
    this.flags = undefined;
    this.forgetMemory();
  }

  /** What the caller finds again after a call that was followed. */
  returned(before: Machine): void {
    for (const i of KEPT) this.registers[i] = before.registers[i]!;
    this.sp = before.sp;
  }

  /** The state in some round of a loop, of which it is known what it writes: registers that only grow, and others. */
  widen(
    loop: string,
    grows: ReadonlyMap<number, Value>,
    writes: ReadonlySet<number>,
    stores: readonly Value[],
    all: boolean,
  ): void {
    for (const condition of this.decisions.keys()) if (condition.includes(loop)) this.decisions.delete(condition);
    for (const register of writes) {
      const start = this.registers[register]!;
      const step = grows.get(register);
      this.registers[register] = looped(`X${register} in ${loop}`, start, step);
    }
    for (const address of stores) this.store(address, 16, undefined);
    if (all) this.forgetMemory();
    this.flags = undefined;
  }
}

const bare = (text: string): string => (/^\([^()]*\)$/.test(text) ? text.slice(1, -1) : text);

function equality(a: Value, b: Value): DataCondition {
  if (a.text === b.text) return { text: "yes" };
  if (a.kind === "number" && b.kind === "number") return { text: a.number === b.number ? "yes" : "no" };
  const [left, right] = a.kind === "number" || (b.kind !== "number" && b.text < a.text) ? [b, a] : [a, b];
  return { text: `${left.text} == ${right.text}`, equal: [left, right] };
}

/** CS, HI, GE, GT of numbers; undefined for the others. */
function compared(base: number, a: bigint, b: bigint, bits: number): boolean | undefined {
  const [x, y] = [BigInt.asIntN(bits, a), BigInt.asIntN(bits, b)];
  return base === 1 ? a >= b : base === 4 ? a > b : base === 5 ? x >= y : base === 6 ? x > y : undefined;
}
