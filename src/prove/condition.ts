/** A condition on the final state, made ready to be asked of many: its atoms are bits. */
import { type Condition, Unsupported } from "./program.js";
import type { Atom } from "./thread/index.js";
import type { Values } from "./tlb/index.js";

/** An atom about memory: `value` is an id. */
interface MemoryAtom {
  readonly pa: number;
  readonly size: number;
  readonly value: number;
  readonly bit: number;
}

export interface Compiled {
  /** what each thread is asked for at its end */
  readonly atoms: readonly (readonly Atom[])[];
  readonly memory: readonly MemoryAtom[];
  /** true when it holds where the threads' atoms and those of memory have these bits */
  holds(threads: number, memory: number): boolean;
}

type Holds = Compiled["holds"];

/** Throws {@link Unsupported} where it has more atoms than a number has bits. */
export function compiled(condition: Condition, threads: number, values: Values): Compiled {
  const atoms: Atom[][] = Array.from({ length: threads }, () => []);
  const memory: MemoryAtom[] = [];
  const known = new Map<string, number>();
  /** One bit for atoms that say the same. */
  const bitOf = (key: string, made: (bit: number) => void): number => {
    const bit = known.get(key) ?? known.size;
    if (!known.has(key)) made(bit);
    known.set(key, bit);
    return bit;
  };
  const ofThread = (key: string, thread: number, atom: (bit: number) => Atom): Holds => {
    const bit = bitOf(`${thread} ${key}`, (bit) => {
      atoms[thread]!.push(atom(bit));
    });
    return (t) => (t & (1 << bit)) !== 0;
  };
  const compile = (c: Condition): Holds => {
    switch (c.kind) {
      case "true":
      case "false":
        return () => c.kind === "true";
      case "not": {
        const of = compile(c.of);
        return (t, m) => !of(t, m);
      }
      case "and":
      case "or": {
        const of = c.of.map(compile);
        return c.kind === "and" ? (t, m) => of.every((f) => f(t, m)) : (t, m) => of.some((f) => f(t, m));
      }
      case "reg": {
        const [{ reg }, value] = [c, values.id(c.value)];
        return ofThread(`reg ${reg} ${value}`, c.thread, (bit) => ({ reg, value, bit }));
      }
      case "sysreg": {
        const [{ sysreg }, value] = [c, values.id(c.value)];
        return ofThread(`sysreg ${sysreg} ${value}`, c.thread, (bit) => ({ sysreg, value, bit }));
      }
      case "pc":
        return ofThread(`pc ${c.address}`, c.thread, (bit) => ({ pc: c.address, bit }));
      case "fault":
        return ofThread(`fault ${JSON.stringify(c.fault)}`, c.thread, (bit) => ({ faults: c.fault, bit }));
      case "mem": {
        const { pa, size = 8 } = c;
        const value = values.id(c.value);
        const bit = bitOf(`mem ${pa} ${size} ${value}`, (bit) => {
          memory.push({ pa, size, value, bit });
        });
        return (_, m) => (m & (1 << bit)) !== 0;
      }
    }
  };
  const holds = compile(condition);
  if (known.size > 30) throw new Unsupported(`an assertion of ${known.size} parts, expected at most 30`);
  return { atoms, memory, holds };
}
