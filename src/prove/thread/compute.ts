/** Instructions that touch registers only: their values, and the views that these carry on (dependencies). */

import type { Instruction, Operand } from "../program.js";
import { holds } from "../tlb/index.js";
import type { Code } from "./code.js";
import {
  FLAGS,
  FLAGS_VIEW,
  PC,
  raise,
  reg,
  regView,
  type State,
  setReg,
  sysreg,
  sysregPlace,
  sysregView,
  VSPEC,
} from "./state.js";
import type { World } from "./world.js";

/** The view of a register: what reads it comes after that. */
export const viewOf = (world: World, s: State, r: number): number => (world.model.dependency ? regView(s, r) : 0);

/** The value of an operand as an id, and its view. */
export function operandOf(world: World, s: State, o: Operand): { value: number; view: number } {
  const { values } = world;
  if ("imm" in o) return { value: values.id(o.imm), view: 0 };
  const value = o.extend ? values.extended(reg(s, o.reg), o.extend) : reg(s, o.reg);
  const shifted = o.shift ? values.alu("lsl", value, values.id(BigInt(o.shift))) : value;
  return { value: shifted, view: viewOf(world, s, o.reg) };
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
      const view = Math.max(at.kind === "mov" || at.kind === "mvn" ? 0 : viewOf(world, s, a), b.view);
      if (at.flags) {
        s[FLAGS] = values.flags(at.kind, reg(s, a), second, at.word);
        s[FLAGS_VIEW] = view;
      }
      setReg(s, at.rd, values.alu(at.kind, reg(s, a), second, at.word), view);
      return true;
    }
    case "csel": {
      const first = holds(at.cond, s[FLAGS]!);
      const chosen = first ? reg(s, at.rn) : secondOf(at.kind, reg(s, at.rm), values);
      const value = at.word ? values.extended(chosen, "uxtw") : chosen;
      const flagsView = model.dependency ? s[FLAGS_VIEW]! : 0;
      setReg(s, at.rd, value, Math.max(flagsView, viewOf(world, s, at.rn), viewOf(world, s, at.rm)));
      return true;
    }
    case "branch":
      if (at.cond !== "al") raise(s, VSPEC, s[FLAGS_VIEW]!);
      if (holds(at.cond, s[FLAGS]!)) s[PC] = code.place(at.target);
      return true;
    case "cbz": {
      raise(s, VSPEC, regView(s, at.rt));
      const value = values.big(at.word ? values.extended(reg(s, at.rt), "uxtw") : reg(s, at.rt));
      const zero = at.bit === undefined ? value === 0n : ((value >> BigInt(at.bit)) & 1n) === 0n;
      if (zero !== at.nonzero) s[PC] = code.place(at.target);
      return true;
    }
    case "mrs":
      setReg(s, at.rt, sysreg(s, sysregPlace(at.sysreg)), sysregView(s, sysregPlace(at.sysreg)));
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
