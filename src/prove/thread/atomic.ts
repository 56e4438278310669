/** Atomics (DDI 0487, C3.2, FEAT_LSE): what they write, and what that and their result depend on. */
import type { Action } from "../program.js";
import type { Values } from "../tlb/index.js";
import { depsIn } from "./compute.js";
import { type Deps, joined, picked } from "./deps.js";
import type { State } from "./state.js";
import type { World } from "./world.js";

type Atomic = Extract<Action, { op: "atomic" }>;

/** True when nobody gets the old value: to a DMB or DSB of loads such an atomic is none. */
export const returnsNothing = (at: Atomic): boolean => (at.kind === "cas" ? at.rs : at.rt) === 31;

/**
 * What an atomic writes; undefined when a CAS finds another value. `rs` and `rt` are what those registers hold, cut to the size;
 * `rt` is the new value of a CAS. Of a sum only the low bytes count.
 */
export function updated(at: Atomic, old: number, rs: number, rt: number, values: Values): number | undefined {
  switch (at.kind) {
    case "cas":
      return old === rs ? rt : undefined;
    case "swp":
      return rs;
    case "add":
      return values.alu("add", old, rs);
    case "set":
      return values.alu("orr", old, rs);
    case "clr":
      return values.alu("bic", old, rs);
    case "eor":
      return values.alu("eor", old, rs);
    default: {
      const number = (id: number): bigint =>
        at.kind[0] === "s" ? BigInt.asIntN(8 * at.size, values.big(id)) : values.big(id);
      return number(old) > number(rs) === at.kind.endsWith("max") ? old : rs;
    }
  }
}

/** What the result depends on; `read` is what the value read does. */
export function resultDeps(world: World, s: State, at: Atomic, read: Deps, succeeds: boolean): Deps {
  if (at.kind !== "cas") return read;
  // A CAS that finds what it compares with gives that back: the value is its own, and memory has only decided.
  const compared = depsIn(world, s, at.rs);
  if (!world.model.pick) return joined(read, compared);
  return succeeds ? picked(compared, read) : picked(read, compared);
}

/** What an atomic writes depends on: the registers that go into it, and all. */
export function writtenDeps(world: World, s: State, at: Atomic, read: Deps): { registers: Deps; value: Deps } {
  if (at.kind === "swp") {
    const registers = depsIn(world, s, at.rs);
    return { registers, value: registers };
  }
  if (at.kind !== "cas") {
    const registers = depsIn(world, s, at.rs);
    return { registers, value: joined(registers, read) };
  }
  const registers = depsIn(world, s, at.rt);
  return { registers, value: picked(registers, joined(read, depsIn(world, s, at.rs))) };
}
