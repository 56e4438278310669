/**
 * A pCPU that executes code of a Xen for tests, by the decoder of effects: what is injected, and Xen's own flush around it as its
 * Image has it. Functions that are not looked at are stood in for by others.
 */

import { calculate } from "../arch/a64.testing.js";
import { barrierFromWord, decodeA64, decodeSysreg, decodeTlbi } from "../arch/index.js";
import type { XenText } from "../binary/index.js";

/** A TLBI with its operand, a barrier, or VTTBR_EL2's new value, in the order in which they are executed. */
export type Done = readonly ["tlbi", number, bigint] | readonly ["barrier", number] | readonly ["vttbr", bigint];

/** Longest run, in instructions. */
const MOST = 4_000_000;
/** Where a call of the test's own comes back to. */
const BACK = 0x10;

export class Machine {
  readonly registers: Record<string, bigint> = {};
  readonly done: Done[] = [];
  vttbr = 0n;
  tpidr = 0x4000_0000n;
  private readonly memory = new Map<number, number>();
  private flags = { n: false, z: false, c: false, v: false };
  private instructions = 0;
  private readonly decoded = new Map<number, ReturnType<typeof decodeA64>>();

  /** `standIns`: what is executed in place of the code at an address; it goes on at X30. */
  constructor(
    private readonly text: XenText,
    private readonly standIns: ReadonlyMap<number, (machine: Machine) => void>,
  ) {
    for (let i = 0; i <= 30; i++) this.registers[i] = 0n;
    this.registers.sp = 0x8000_0000n;
  }

  read(address: number, bytes: number): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.memory.get(address + i) ?? 0);
    return value;
  }

  write(address: number, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++) this.memory.set(address + i, Number((value >> BigInt(8 * i)) & 0xffn));
  }

  /** Calls a function, by its address, until it comes back to `returnsTo`. */
  call(address: number, returnsTo = BACK): void {
    this.registers[30] = BigInt(returnsTo);
    for (let pc = address; pc !== returnsTo; ) {
      const standIn = this.standIns.get(pc);
      if (standIn) {
        standIn(this);
        pc = Number(this.registers[30]!);
      } else pc = this.step(pc);
    }
  }

  private step(pc: number): number {
    if (++this.instructions > MOST) throw new Error("does not end");
    const word = this.text.word(pc);
    if (word === undefined) throw new Error(`no code at 0x${pc.toString(16)}`);
    if (word >>> 24 === 0xd5) {
      this.system(word);
      return pc + 4;
    }
    if (!this.decoded.has(pc)) this.decoded.set(pc, decodeA64(word, pc));
    const a64 = this.decoded.get(pc);
    switch (a64?.kind) {
      case "compute": {
        const values = a64.sets.map(({ rd, value }) => [rd, calculate(value!, this.registers)] as const);
        if (a64.compares && a64.compares !== "unknown") this.compare(a64.compares);
        for (const [rd, value] of values) this.registers[rd] = value;
        return pc + 4;
      }
      case "load":
      case "store":
        this.access(a64);
        return pc + 4;
      case "branch": {
        if (a64.call) this.registers[30] = BigInt(pc + 4);
        if (a64.target === undefined) return Number(this.registers[30]!);
        return a64.condition === undefined || this.holds(a64.condition) ? a64.target : pc + 4;
      }
      default:
        throw new Error(`0x${word.toString(16)} at 0x${pc.toString(16)} is not executed here`);
    }
  }

  private access(a64: Extract<NonNullable<ReturnType<typeof decodeA64>>, { kind: "load" | "store" }>): void {
    const { registers, bytes, sets } = a64;
    const address = Number(calculate(a64.address, this.registers));
    const moved = sets.map(({ rd, value }) => [rd, calculate(value!, this.registers)] as const);
    registers.forEach((register, i) => {
      const at = address + bytes * i;
      if (a64.kind === "store") this.write(at, bytes, register === 31 ? 0n : this.registers[register]!);
      else if (register !== 31) this.registers[register] = this.read(at, bytes);
    });
    for (const [rd, value] of moved) this.registers[rd] = value;
  }

  private compare(c: { op: string; left: Parameters<typeof calculate>[0]; right: typeof c.left; wide: boolean }): void {
    if (c.op !== "sub") throw new Error("only CMP is executed here");
    const bits = c.wide ? 64 : 32;
    const [left, right] = [c.left, c.right].map((of) => BigInt.asUintN(bits, calculate(of, this.registers))) as [
      bigint,
      bigint,
    ];
    const result = BigInt.asIntN(bits, left - right);
    const signed = BigInt.asIntN(bits, left) - BigInt.asIntN(bits, right);
    this.flags = { n: result < 0n, z: result === 0n, c: left >= right, v: signed !== result };
  }

  private holds(condition: {
    test: string;
    code?: number;
    value?: Parameters<typeof calculate>[0];
    bit?: number;
    not?: boolean;
  }): boolean {
    if (condition.test !== "flags") {
      const value = calculate(condition.value!, this.registers);
      const is = condition.test === "zero" ? value === 0n : ((value >> BigInt(condition.bit!)) & 1n) === 0n;
      return is !== condition.not;
    }
    const { z, c } = this.flags;
    const holds = [z, c, false, false, c && !z][condition.code! >> 1]!;
    return holds !== ((condition.code! & 1) === 1);
  }

  private system(word: number): void {
    const tlbi = decodeTlbi(word);
    const barrier = barrierFromWord(word);
    const move = decodeSysreg(word);
    const rt = word & 31;
    if (tlbi) this.done.push(["tlbi", tlbi.index, rt === 31 ? 0n : this.registers[rt]!]);
    else if (barrier !== undefined) this.done.push(["barrier", barrier]);
    else if (move?.register === "VTTBR_EL2" && move.reads) this.registers[rt] = this.vttbr;
    else if (move?.register === "VTTBR_EL2") {
      this.vttbr = this.registers[rt]!;
      this.done.push(["vttbr", this.vttbr]);
    } else if (move?.reads && (word & ~31) >>> 0 === 0xd53cd040) this.registers[rt] = this.tpidr;
  }
}
