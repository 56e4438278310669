/** What a condition asks of one thread at its end, as bits of a mask. */
import type { Faults, ThreadSysreg } from "../program.js";

/** A condition's atom about this thread: bit `bit` is set when a register ends with the value, the thread at the address `pc`, or such a fault was taken. */
export type Atom = { readonly bit: number } & (
  | { readonly reg: number; readonly value: number }
  | { readonly sysreg: ThreadSysreg; readonly value: number }
  | { readonly pc: number }
  | { readonly faults: Faults }
);

/**
 * All masks of its atoms with which a thread may end that goes on in a way that nobody knows: what `known` says of an atom is so,
 * and where that is undefined it may be either. Faults taken stay taken.
 */
export function anyEnd(
  faults: number,
  atoms: readonly Atom[],
  known: (atom: Atom) => boolean | undefined,
): readonly number[] {
  let masks: readonly number[] = [faults];
  for (const atom of atoms) {
    const bit = 1 << atom.bit;
    const is = known(atom);
    if (is === undefined) masks = masks.flatMap((mask) => (mask & bit ? [mask] : [mask, mask | bit]));
    else if (is) masks = masks.map((mask) => mask | bit);
  }
  return masks;
}
