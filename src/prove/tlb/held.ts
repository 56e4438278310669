/** Sets of cached entries, as bits by their ids. */
import { Unsupported } from "../program.js";

/** Capacity in words of 32 entries; more is answered by Unsupported. */
const WORDS = 48;

/** A set of entries. */
export type Held = Uint32Array;

export const nothingHeld = (): Held => new Uint32Array(WORDS);

export const holds = (bits: Held, entry: number): boolean => (bits[entry >>> 5]! & (1 << (entry & 31))) !== 0;

/** Puts an entry in; true when it was not there. */
export function fill(bits: Held, entry: number): boolean {
  if (entry >= WORDS * 32) throw new Unsupported(`more than ${WORDS * 32} different cached entries`);
  if (holds(bits, entry)) return false;
  bits[entry >>> 5]! |= 1 << (entry & 31);
  return true;
}

/** Takes an entry out. */
export function remove(bits: Held, entry: number): void {
  bits[entry >>> 5]! &= ~(1 << (entry & 31));
}

/** Calls `each` for every entry, which it may take out. */
export function forEachHeld(bits: Held, each: (entry: number) => void): void {
  for (let w = 0; w < WORDS; w++)
    for (let word = bits[w]!; word !== 0; word &= word - 1) each(w * 32 + 31 - Math.clz32(word & -word));
}
