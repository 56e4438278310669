/** The code of a litmus file: that of its threads, and sections at addresses of their own, which all threads may reach. */
import { InputError } from "../../input/index.js";
import type { Instruction } from "../program.js";
import { assemble, entryOf, labelsOf } from "./assembler.js";
import type { Passage } from "./lexer.js";

/** Code at its address. */
export interface Piece {
  readonly name: string;
  readonly at: number;
  readonly source: Passage;
  /** where the file names it */
  readonly line: number | undefined;
}

/** A section in whose name a thread stands, "thread0_el1_handler", is for that one where two stand at one place. */
const threadIn = (name: string): string | undefined => /^thread(\d+)_/.exec(name)?.[1];

export class Pieces {
  private readonly labels: ReadonlyMap<Piece, ReadonlyMap<string, number>>;
  private readonly lengths = new Map<Piece, number>();

  constructor(
    private readonly threads: readonly Piece[],
    private readonly sections: readonly Piece[],
    private readonly file: string,
  ) {
    this.labels = new Map([...threads, ...sections].map((piece) => [piece, labelsOf(piece.source, piece.at)]));
  }

  /** Everything that a thread may reach; throws an InputError or UnsupportedInTest with the line. */
  of(thread: string): readonly Instruction[] {
    const own = this.threads.find(({ name }) => name === thread)!;
    const labels = this.labelsFor(thread);
    const assembled = (piece: Piece): readonly Instruction[] => {
      const { instructions } = assemble(piece.source, piece.at, labels);
      this.lengths.set(piece, 4 * instructions.length);
      return instructions;
    };
    const first = assembled(own);
    const mine = this.sections.filter(({ name }) => threadIn(name) === thread).flatMap(assembled);
    const others = this.sections.filter(({ name }) => threadIn(name) !== thread).flatMap(assembled);
    this.refuseOverlaps();
    const taken = new Set(mine.map(({ address }) => address));
    return [...first, ...mine, ...others.filter(({ address }) => !taken.has(address))];
  }

  /** Addresses by the labels that a thread's code may name: its own count first. Sections may be named themselves. */
  labelsFor(thread: string): ReadonlyMap<string, number> {
    const rank = (piece: Piece): number =>
      this.threads.includes(piece) ? (piece.name === thread ? 3 : 0) : threadIn(piece.name) === thread ? 2 : 1;
    const found = new Map(this.sections.map(({ name, at }) => [name, at]));
    for (const [piece, labels] of [...this.labels].sort(([a], [b]) => rank(a) - rank(b)))
      for (const [name, at] of labels) if (!(found.has(name) && rank(piece) === 0)) found.set(name, at);
    return found;
  }

  private refuseOverlaps(): void {
    for (const [i, a] of this.sections.entries())
      for (const b of this.sections.slice(0, i)) {
        const apart = a.at >= b.at + this.lengths.get(b)! || b.at >= a.at + this.lengths.get(a)!;
        const [mine, others] = [threadIn(a.name), threadIn(b.name)];
        if (apart || (mine !== others && mine && others)) continue;
        const what = `section ${a.name} overlaps section ${b.name}`;
        throw InputError.at(this.file, a.line, `${what}, expected an address of its own`);
      }
  }
}

/** The piece that a thread's own code is. */
export const threadPiece = (name: string, index: number, source: Passage): Piece => {
  return { name, at: entryOf(index), source, line: source.line };
};

/** The code with threads ending at these addresses: an instruction that stands at a breakpoint is not executed. */
export function stoppedAt(
  code: readonly Instruction[],
  breakpoints: ReadonlySet<number>,
  ends: ReadonlySet<number>,
): readonly Instruction[] {
  const kept = code.filter(({ address }) => !breakpoints.has(address));
  const there = new Set(kept.map(({ address }) => address));
  const stops = [...breakpoints, ...[...ends].filter((end) => !there.has(end) && !breakpoints.has(end))];
  return [...kept, ...stops.map((address): Instruction => ({ op: "stop", address, text: "", line: 0 }))];
}
