/** A plain two-stage walk of the memory before anything runs, to hold the tables against; the prover has its own. */
import type { Program } from "../program.js";
import { addressOf, coverage, isLeaf, isTable } from "./descriptor.js";

const INDEX = 512;

/** Walks one stage from `base`; every address of a stage-1 descriptor goes through `second`. */
function walk(
  program: Pick<Program, "memory">,
  base: number,
  address: number,
  second: (ipa: number) => number | undefined,
): { readonly output: number; readonly descriptor: bigint; readonly level: number } | undefined {
  let table = base;
  for (let level = 0; ; level++) {
    const slot = second(table + (Math.floor(address / coverage(level)) % INDEX) * 8);
    if (slot === undefined) return undefined;
    const descriptor = program.memory.read(slot);
    if (isTable(descriptor, level)) table = addressOf(descriptor);
    else if (!isLeaf(descriptor, level)) return undefined;
    else return { output: addressOf(descriptor) + (address % coverage(level)), descriptor, level };
  }
}

const base = (ttbr: bigint): number => Number(ttbr & 0xffff_ffff_fffen);

/** Where `va` leads through both stages, or through stage 1 alone where there is no `vttbr`; undefined when it faults. */
export function walkInitial(
  program: Pick<Program, "memory">,
  ttbr: bigint,
  vttbr: bigint | undefined,
  va: number,
): number | undefined {
  const second = (ipa: number): number | undefined =>
    vttbr === undefined ? ipa : walk(program, base(vttbr), ipa, (pa) => pa)?.output;
  const first = walk(program, base(ttbr), va, second);
  return first && second(first.output);
}

/** The last descriptor of a one-stage walk. */
export function leafOf(program: Pick<Program, "memory">, table: bigint, address: number): bigint | undefined {
  return walk(program, base(table), address, (pa) => pa)?.descriptor;
}
