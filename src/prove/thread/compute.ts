/** Instructions that touch registers only: their values, and the views that these carry on (dependencies). */

import type { Instruction, Operand } from "../program.js";
import { holds } from "../tlb/index.js";
import type { Code } from "./code.js";
import { type Deps, joined, picked, pickView } from "./deps.js";
import {
  FLAGS,
  FLAGS_DEPS,
  PC,
  raise,
  reg,
  regDeps,
  type State,
  setReg,
  sysreg,
  sysregDeps,
  sysregPlace,
  VSPEC,
} from "./state.js";
import type { World } from "./world.js";

/** What a register's value depends on: what reads it comes after that. */
export const depsIn = (world: World, s: State, r: number): Deps => (world.model.dependency ? regDeps(s, r) : 0);

/** The value of an operand as an id, and what it depends on. */
export function operandOf(world: World, s: State, o: Operand): { value: number; deps: Deps } {
  const { values } = world;
  if ("imm" in o) return { value: values.id(o.imm), deps: 0 };
  const value = o.extend ? values.extended(reg(s, o.reg), o.extend) : reg(s, o.reg);
  const shifted = o.shift ? values.alu("lsl", value, values.id(BigInt(o.shift))) : value;
  return { value: shifted, deps: depsIn(world, s, o.reg) };
}

/** Executes an instruction of this kind in a state whose PC is at the next one already; false when it is another kind. */
export function compute(world: World, code: Code, s: State, at: Instruction): boolean {
  const { values, model } = world;
  switch (at.op) {
    case "nop":
      return true;
    case "alu": {
      const a = at.kind === "movk" ? at.rd : at.rn;
      const b = operandOf(world, s, at.operand);
      const second = at.imms ? values.id(BigInt(at.imms[0] + 64 * at.imms[1])) : b.value;
      const deps = at.kind === "mov" || at.kind === "mvn" ? b.deps : joined(depsIn(world, s, a), b.deps);
      if (at.flags) {
        s[FLAGS] = values.flags(at.kind, reg(s, a), second, at.word);
        s[FLAGS_DEPS] = deps;
      }
      setReg(s, at.rd, values.alu(at.kind, reg(s, a), second, at.word), deps);
      return true;
    }
    case "csel": {
      const first = holds(at.cond, s[FLAGS]!);
      const chosen = first ? reg(s, at.rn) : secondOf(at.kind, reg(s, at.rm), values);
      const value = at.word ? values.extended(chosen, "uxtw") : chosen;
      const flags = model.dependency ? s[FLAGS_DEPS]! : 0;
      const own = depsIn(world, s, first ? at.rn : at.rm);
      setReg(s, at.rd, value, model.pick ? picked(own, flags) : joined(own, flags));
      return true;
    }
    case "branch":
      if (at.cond !== "al") raise(s, VSPEC, pickView(s[FLAGS_DEPS]!));
      if (holds(at.cond, s[FLAGS]!)) s[PC] = code.place(at.target);
      return true;
    case "cbz": {
      raise(s, VSPEC, pickView(regDeps(s, at.rt)));
      const value = values.big(at.word ? values.extended(reg(s, at.rt), "uxtw") : reg(s, at.rt));
      const zero = at.bit === undefined ? value === 0n : ((value >> BigInt(at.bit)) & 1n) === 0n;
      if (zero !== at.nonzero) s[PC] = code.place(at.target);
      return true;
    }
    case "mrs":
      setReg(s, at.rt, sysreg(s, sysregPlace(at.sysreg)), sysregDeps(s, sysregPlace(at.sysreg)));
      return true;
    default:
      return false;
  }
}

function secondOf(kind: "sel" | "inc" | "inv" | "neg", value: number, values: World["values"]): number {
  if (kind === "sel") return value;
  const one = values.id(1n);
  const inverted = values.alu("eor", value, values.id((1n << 64n) - 1n));
  if (kind === "inc") return values.alu("add", value, one);
  return kind === "inv" ? inverted : values.alu("add", inverted, one);
}
