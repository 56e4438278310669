/** The code that one thread may reach, by place: an index in its list of instructions, -1 where none stands. */
import type { Action, Instruction } from "../program.js";

/** Instructions that may place an event in the timeline. */
const ISSUES = new Set<Action["op"]>(["store", "atomic", "tlbi", "msr", "hvc", "eret"]);

const JUMPS = new Set<Action["op"]>(["branch", "cbz", "svc", "hvc", "eret"]);

/** True when the instruction may write a general-purpose register. */
function writes(at: Action, reg: number): boolean {
  switch (at.op) {
    case "load":
    case "mrs":
      return at.rt === reg;
    case "store":
      return at.status === reg;
    case "atomic":
      return at.rs === reg || at.rt === reg;
    case "alu":
    case "csel":
      return at.rd === reg;
    default:
      return false;
  }
}

export class Code {
  private readonly places = new Map<number, number>();
  /** by place: can an ERET be reached? */
  private readonly returning = new Map<number, boolean>();
  /** true when some instruction may place an event */
  readonly issues: boolean;

  constructor(readonly instructions: readonly Instruction[]) {
    instructions.forEach((instruction, i) => {
      this.places.set(instruction.address, i);
    });
    this.issues = instructions.some(({ op }) => ISSUES.has(op));
  }

  /** The instruction at a place that is not -1. */
  at(place: number): Instruction {
    return this.instructions[place]!;
  }

  /** The place of an address. */
  place(address: number): number {
    return this.places.get(address) ?? -1;
  }

  /** The place after an instruction. */
  next(at: Instruction): number {
    return this.place(at.address + 4);
  }

  /** The code at a vector; a table with one handler elsewhere has it used, as the published tool does. */
  vector(base: number, offset: number): number {
    const exact = this.place(base + offset);
    if (exact >= 0) return exact;
    const starts = this.instructions.filter(
      ({ address }) => address >= base && address < base + 0x800 && !this.places.has(address - 4),
    );
    return starts.length === 1 ? this.place(starts[0]!.address) : -1;
  }

  /** True when an instruction that may yet be reached from a place writes a register; where the code jumps, any may. */
  mayWrite(from: number, reg: number): boolean {
    const jumps = this.instructions.some(({ op }) => JUMPS.has(op));
    return this.instructions.some((at, i) => (jumps || i >= from) && writes(at, reg));
  }

  /** True when an ERET can be reached from a place. */
  returns(place: number): boolean {
    let known = this.returning.get(place);
    if (known === undefined) {
      known = this.reachesEret(place);
      this.returning.set(place, known);
    }
    return known;
  }

  private reachesEret(from: number): boolean {
    const seen = new Set<number>();
    const open = [from];
    while (open.length > 0) {
      const place = open.pop()!;
      if (place < 0 || seen.has(place)) continue;
      seen.add(place);
      const at = this.at(place);
      if (at.op === "eret") return true;
      if (at.op === "stop") continue;
      // A fault goes to another handler.
      if (at.op === "load" || at.op === "store" || at.op === "atomic")
        return this.instructions.some(({ op }) => op === "eret");
      if (at.op !== "branch" || at.cond !== "al") open.push(this.next(at));
      if (at.op === "branch" || at.op === "cbz") open.push(this.place(at.target));
    }
    return false;
  }
}
