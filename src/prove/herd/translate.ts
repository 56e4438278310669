/** A test in herd's form as a program for the prover. */
import { InputError } from "../../input/index.js";
import { type Assembled, assemble, entryOf, labelsOf } from "../litmus/assembler.js";
import type { Look } from "../litmus/litmus.js";
import { registerOf } from "../litmus/operands.js";
import { sysregsAtStart, threadSysreg } from "../litmus/registers.js";
import { UnsupportedInTest } from "../litmus/unsupported.js";
import type { Condition, Faults, FaultType, Instruction, Observed, Program, Thread, ThreadSysreg } from "../program.js";
import { type Memory, memoryOf } from "./memory.js";
import { faultText, placeText } from "./print.js";
import type {
  Asked,
  Column,
  Descriptor,
  FaultAt,
  FaultKind,
  HerdTest,
  OnFault,
  Place,
  Proposition,
  Value,
} from "./syntax.js";

import { lookAt } from "./view.js";

/** Where a thread's handlers stand: the vectors of a thread's exceptions from its own level, and from EL0. */
export const vectorsOf = (thread: number): number => 0x50_0000 + thread * 0x1000;
export const FROM_EL1 = 0x200;
export const FROM_EL0 = 0x400;

/** What a thread does after a fault, in instructions; X30 is a register that the tests have no other use for. */
export const AFTER_FAULT: Readonly<Record<OnFault, string>> = {
  fatal: "",
  handled: "ERET",
  skip: "MRS X30,ELR_EL1; ADD X30,X30,#4; MSR ELR_EL1,X30; ERET",
};

const TYPES: Readonly<Record<FaultKind, FaultType>> = {
  "MMU:Translation": "translation",
  "MMU:AccessFlag": "access-flag",
  "MMU:Permission": "permission",
};

/** HCR_EL2.RW without VM: EL1 is AArch64 and there is no stage 2. TCR_EL1.HA and HD. */
const HCR_RW = 1n << 31n;
export const TCR_HA = 1n << 39n;
export const TCR_HD = 1n << 40n;

/** System registers of a thread in its place, besides those that name the table. */
export function sysregsOf({ ha, hd }: Asked, thread: number, i: number): Partial<Record<ThreadSysreg, bigint>> {
  const managed = (ha(thread) ? TCR_HA : 0n) | (hd(thread) ? TCR_HD : 0n);
  const TCR_EL1 = sysregsAtStart(0, 0).TCR_EL1! | managed;
  return { HCR_EL2: HCR_RW, VBAR_EL1: BigInt(vectorsOf(i)), ...(managed === 0n ? {} : { TCR_EL1 }) };
}

/** A program, and its condition in parts. */
interface Translated {
  readonly program: Program;
  /** the proposition alone, and the filter that final states must pass */
  readonly proposition: Condition;
  readonly filter: Condition;
  /** what final states show */
  readonly looks: readonly Look[];
}

/** Translates; throws an InputError or UnsupportedInTest with the line. */
export function translate(test: HerdTest): Translated {
  return new Translation(test).read();
}

class Translation {
  private readonly file: string;
  private readonly asked: Asked;
  /** numbers of the threads, in the order of their columns */
  private readonly threads: readonly number[];
  private readonly code: ReadonlyMap<number, { readonly own: Assembled; readonly all: readonly Instruction[] }>;
  private readonly memory: Memory;
  private readonly seen = new Map<string, Look>();

  constructor(private readonly test: HerdTest) {
    this.file = test.file;
    this.asked = test.asked;
    this.threads = test.columns.filter(({ handler }) => !handler).map(({ thread }) => thread);
    this.code = new Map(this.threads.map((thread, i) => [thread, this.assembled(thread, i)]));
    this.memory = memoryOf(test, (value, memory) => this.toBits(value, memory, 0));
  }

  read(): Translated {
    const { name, proposition, filter } = this.test;
    const condition = this.condition(proposition);
    const passes: Condition = filter ? this.condition(filter) : { kind: "true" };
    const { memory, names } = this.memory;
    const threads = this.threads.map((thread, i) => this.thread(thread, i));
    for (const shown of this.test.shown)
      if (shown.kind === "place") this.show(shown.place, 0);
      else this.fault(shown.fault, shown.line);
    const final: Condition = filter ? { kind: "and", of: [passes, condition] } : condition;
    return {
      program: { name, threads, memory, names, final, ordinaryChanges: true },
      proposition: condition,
      filter: passes,
      looks: this.looks(),
    };
  }

  private assembled(thread: number, i: number): { own: Assembled; all: readonly Instruction[] } {
    const { columns, file } = this.test;
    const columnOf = (handler: boolean): Column | undefined =>
      columns.find((column) => column.thread === thread && column.handler === handler);
    const column = columnOf(false)!;
    const handler = columnOf(true);
    const from = this.asked.el0.has(thread) ? FROM_EL0 : FROM_EL1;
    const vector = vectorsOf(i) + from;
    const text = handler?.text ?? AFTER_FAULT[this.asked.onFault];
    const handles = { text, file, line: handler?.line ?? column.line };
    const own = assemble({ ...column, file }, entryOf(i), labelsOf(handles, vector));
    // A fault inside a handler finds no further one: the thread ends.
    const all = [...own.instructions, ...assemble(handles, vector, own.labels).instructions];
    if (handler === undefined && this.asked.onFault === "skip")
      for (const { text, line } of own.instructions)
        if (/\b(X30|W30|LR)\b/i.test(text)) throw new UnsupportedInTest("X30 where faults are skipped", file, line);
    return { own, all };
  }

  /** Notes a place that final states show. */
  private look(of: Observed, name: string): void {
    if (!this.seen.has(name))
      this.seen.set(
        name,
        lookAt(of, name, this.memory, (address) => this.labelAt(address)),
      );
  }

  private labelAt(address: bigint): string | undefined {
    for (const [thread, { own }] of this.code)
      for (const [name, at] of own.labels) if (BigInt(at) === address) return `label:"P${thread}:${name}"`;
    return undefined;
  }

  /** Registers by their threads, then memory, then faults, as herd has them. */
  private looks(): readonly Look[] {
    const rank = ({ of }: Look): number =>
      of.kind === "mem" ? 1_000 : of.kind === "fault" ? 2_000 + of.thread : of.thread;
    return [...this.seen.values()].sort((a, b) => rank(a) - rank(b));
  }

  private indexOf(thread: number, line: number): number {
    const index = this.threads.indexOf(thread);
    if (index < 0) throw InputError.at(this.file, line, `P${thread} has no column`);
    return index;
  }

  private thread(thread: number, i: number): Thread {
    const registers: Record<number, bigint> = {};
    const sysregs = { ...sysregsAtStart(this.memory.root, 0), ...sysregsOf(this.asked, thread, i) };
    for (const { place, value, line } of this.test.first) {
      if (place.kind !== "register") continue;
      this.indexOf(place.thread, line);
      if (place.thread !== thread) continue;
      const held = value === undefined ? 0n : this.toBits(value, this.memory, line);
      const sysreg = threadSysreg(place.name);
      if (sysreg !== undefined) sysregs[sysreg] = held;
      else registers[this.register(place.name, line)] = held;
    }
    const el = this.asked.el0.has(thread) ? 0 : 1;
    const { all } = this.code.get(thread)!;
    return { name: String(thread), title: `P${thread}`, entry: entryOf(i), code: all, registers, sysregs, el, sp: 1 };
  }

  private register(name: string, line: number): number {
    const found = registerOf(name);
    if (found === undefined || found.reg === 31) throw new UnsupportedInTest(`the register '${name}'`, this.file, line);
    return found.reg;
  }

  private toBits(value: Value, memory: Memory, line: number): bigint {
    switch (value.kind) {
      case "number":
        return value.value;
      case "address": {
        if (value.of === "pte") return BigInt(memory.pte(value.name));
        return BigInt(memory.va(value.name) + (value.index ?? 0) * (memory.sizeOf(value.name) ?? 4));
      }
      case "descriptor":
        return memory.descriptor(value, undefined);
      case "label": {
        const address = this.code.get(value.thread)?.own.labels.get(value.name);
        if (address === undefined)
          throw InputError.at(this.file, line, `no label '${value.name}' in the code of P${value.thread}`);
        return BigInt(address);
      }
      case "array":
        throw new UnsupportedInTest("a whole array as a value", this.file, line);
    }
  }

  private condition(proposition: Proposition): Condition {
    switch (proposition.kind) {
      case "true":
      case "false":
        return proposition;
      case "and":
      case "or":
        return { kind: proposition.kind, of: proposition.of.map((one) => this.condition(one)) };
      case "not":
        return { kind: "not", of: this.condition(proposition.of) };
      case "implies":
        return {
          kind: "or",
          of: [{ kind: "not", of: this.condition(proposition.of[0]) }, this.condition(proposition.of[1])],
        };
      case "equals":
        return this.equality(proposition.place, proposition.value, proposition.line);
      case "fault":
        return this.fault(proposition.fault, proposition.line);
    }
  }

  private fault(fault: FaultAt, line: number): Condition & Observed {
    const of = { kind: "fault", thread: this.indexOf(fault.thread, line), fault: this.faults(fault, line) } as const;
    this.look(of, faultText(fault));
    return of;
  }

  private equality(place: Place, value: Value, line: number): Condition {
    const { memory } = this;
    const at = this.show(place, line);
    const values = value.kind === "array" ? value.values : [value];
    if (values.length > at.length && value.kind === "array")
      throw InputError.at(this.file, line, `${values.length} values, expected ${at.length}`);
    const of = values.map((element, i): Condition => {
      const own = place.kind === "pte" && element.kind === "descriptor" ? place.name : undefined;
      const held =
        own === undefined ? this.toBits(element, memory, line) : memory.descriptor(element as Descriptor, own);
      const where = at[i]!;
      return where.kind === "reg"
        ? { ...where, value: held }
        : { ...where, value: BigInt.asUintN(8 * where.size, held) };
    });
    return of.length === 1 ? of[0]! : { kind: "and", of };
  }

  /** What is observed of a place, of an array each element. */
  private show(place: Place, line: number): Extract<Observed, { kind: "reg" | "mem" }>[] {
    const { memory } = this;
    if (place.kind === "register") {
      const reg = this.register(place.name, line);
      const of = { kind: "reg", thread: this.indexOf(place.thread, line), reg } as const;
      this.look(of, `${place.thread}:X${reg}`);
      return [of];
    }
    if (place.kind === "pte") {
      const of = { kind: "mem", pa: memory.pte(place.name), size: 8 } as const;
      this.look(of, placeText(place));
      return [of];
    }
    const size = memory.sizeOf(place.name) ?? this.accessed(place.name) ?? 4;
    const length = place.index === undefined ? memory.lengthOf(place.name) : undefined;
    return Array.from({ length: length ?? 1 }, (_, i) => {
      const index = length === undefined ? place.index : i;
      const of = { kind: "mem", pa: memory.pa(place.name) + size * (index ?? 0), size } as const;
      this.look(of, index === undefined ? `[${place.name}]` : `${place.name}[${index}]`);
      return of;
    });
  }

  /** Bytes of the accesses through registers that hold a variable's address at first: the most, as herd has no other size. */
  private accessed(name: string): number | undefined {
    let most: number | undefined;
    for (const { place, value } of this.test.first) {
      if (place.kind !== "register" || value?.kind !== "address" || value.of !== "variable" || value.name !== name)
        continue;
      const reg = registerOf(place.name)?.reg;
      for (const at of this.code.get(place.thread)?.all ?? [])
        if ((at.op === "load" || at.op === "store" || at.op === "atomic") && at.rn === reg)
          most = Math.max(most ?? 0, at.size);
    }
    return most;
  }

  private faults({ thread, label, at, type }: FaultAt, line: number): Faults {
    const address = label === undefined ? undefined : this.code.get(thread)?.own.labels.get(label);
    if (label !== undefined && address === undefined)
      throw InputError.at(this.file, line, `no label '${label}' in the code of P${thread}`);
    const { memory } = this;
    const from = at && (at.kind === "pte" ? memory.pte(at.name) : memory.va(at.name));
    return {
      ...(address === undefined ? {} : { at: [address] }),
      ...(from === undefined ? {} : { from, to: from + (at!.kind === "pte" ? 8 : 0x1000) }),
      ...(type === undefined ? {} : { type: TYPES[type] }),
    };
  }
}
