/** The space of a search, cut into pieces that may be searched side by side, and what has been found in them. Plain data. */
import { type CpuProfile, needs } from "../arch/index.js";
import { InputError } from "../input/index.js";
import { OCCASIONS, type Policy } from "../policy/index.js";
import type { Finding, ProvedOccasion, Setting, Task } from "../prove/index.js";
import { type Place, proofsOf, type Sequence, sectionOf } from "./candidate.js";
import { type Instruction, instructionsOn, usualInstructions } from "./instruction.js";
import { Judge } from "./judge.js";
import type { Refuted } from "./known.js";
import { Order, type SetId, type Word } from "./order.js";
import { emptyTally, Search, type Tally } from "./search.js";

/** What is searched, and for whom. */
export interface Space {
  readonly base: Policy;
  readonly occasion: ProvedOccasion;
  readonly cpus: readonly CpuProfile[];
  readonly setting: Setting;
  /** most instructions; `with owner-vmid` is none of them */
  readonly length: number;
  /** the alphabet */
  readonly instructions: readonly Instruction[];
}

/** True for an occasion that is about a whole VMID: there are no pages to loop over. */
const isWhole = (occasion: ProvedOccasion): boolean => "whole" in OCCASIONS[sectionOf(occasion)];
const isLooped = ({ over }: Instruction): boolean => over !== undefined && over !== "zero";

/** The alphabet of a search for an occasion on some CPUs: the usual one, with instructions more or without some, by operation or by whole line. */
export function alphabet(
  occasion: ProvedOccasion,
  cpus: readonly CpuProfile[],
  more: readonly string[] = [],
  without: readonly string[] = [],
): Instruction[] {
  const all = instructionsOn(cpus).filter((one) => !isWhole(occasion) || !isLooped(one));
  const meant = (text: string, option: string): Instruction[] => {
    const word = text.trim().toLowerCase().replace(/\s+/g, " ");
    const found = all.filter(
      ({ code }) => code === word || code.replace(/,.*/, "") === word || code.replace(/,.*/, "") === `tlbi ${word}`,
    );
    if (found.length === 0)
      throw new InputError(
        `${option}: no instruction '${text}' on ${cpus.map(({ name }) => name).join(", ")}, expected e.g. 'tlbi ipas2e1is', 'vmalle1', 'dsb nsh'`,
      );
    return found;
  };
  const list = new Set(usualInstructions(cpus));
  for (const text of more) for (const one of meant(text, "--with")) list.add(one);
  for (const text of without) for (const one of meant(text, "--without")) list.delete(one);
  return all.filter((one) => list.has(one));
}

/** How many sequences a space has, with the owner's VMID around them and without. */
export const sizeOf = ({ instructions, length }: Space): number => {
  let n = 0;
  for (let k = 0; k <= length; k++) n += 2 * instructions.length ** k;
  return n;
};

/** A piece of the space: the first places of all sequences of a length, as the numbers of parts that their sets were cut into. */
export interface Piece {
  readonly owner: boolean;
  readonly length: number;
  readonly first: readonly number[];
  /** sequences in it */
  readonly size: number;
}

/** Places that pieces differ in. */
const CUT = 3;

/** The pieces, short sequences first: what is learnt of them serves for the long ones. */
export function piecesOf(space: Space): Piece[] {
  const order = orderOf(space);
  const parts = order.parts(order.setOf(order.all()));
  const sizes = parts.map((part) => order.members(part).length);
  const pieces: Piece[] = [];
  for (let length = 0; length <= space.length; length++)
    for (const owner of [true, false]) {
      let firsts: number[][] = [[]];
      for (let i = 0; i < Math.min(length - 1, CUT); i++)
        firsts = firsts.flatMap((first) => parts.map((_, part) => [...first, part]));
      for (const first of firsts) {
        const size = first.reduce((n, part) => n * sizes[part]!, 1) * order.size ** (length - first.length);
        pieces.push({ owner, length, first, size });
      }
    }
  return pieces;
}

const orderOf = ({ instructions, cpus }: Space): Order =>
  new Order(
    instructions,
    cpus.some((cpu) => needs(cpu, "repeat-tlbi")),
  );

/** Something learnt that holds for all pieces. */
export type Learnt = { readonly owner: boolean } & ({ readonly sound: Word } | { readonly refuted: Refuted });

/** What a piece gave. */
export interface PieceResult {
  readonly tally: Tally;
  readonly learnt: readonly Learnt[];
}

/** Searches pieces, one after the other, and learns from all of them. */
export class Searcher {
  private readonly order: Order;
  private readonly searches: Readonly<Record<"true" | "false", Search>>;
  private readonly judge: Judge;

  /** `quick`: the same as `decide`, with bounds of a second; what is not decided within them is not used. */
  constructor(space: Space, decide: (task: Task) => Finding, quick: (task: Task) => Finding) {
    this.order = orderOf(space);
    const place: Place = space;
    const asked = { occasions: proofsOf(space.occasion), cpus: space.cpus, setting: space.setting };
    this.judge = new Judge(asked, decide);
    const hasty = new Judge(asked, quick);
    const searchWith = (owner: boolean): Search =>
      new Search(this.order, place, owner, space.length, this.judge, hasty);
    this.searches = { true: searchWith(true), false: searchWith(false) };
  }

  private of(owner: boolean): Search {
    return this.searches[`${owner}`];
  }

  /** Takes over what others have learnt. */
  learn(learnt: readonly Learnt[]): void {
    for (const one of learnt) {
      const { known } = this.of(one.owner);
      if ("sound" in one) known.addSound(one.sound);
      else known.addRefuted(one.refuted);
    }
  }

  search({ owner, length, first }: Piece): PieceResult {
    const search = this.of(owner);
    const all = this.order.setOf(this.order.all());
    const parts = this.order.parts(all);
    const box: SetId[] = Array.from({ length }, (_, i) => (i < first.length ? parts[first[i]!]! : all));
    const before = { sound: new Set(search.known.sound), refuted: new Set(search.known.refuted) };
    const counts = { ...this.judge.counts };
    const tally = emptyTally();
    search.box(box, tally);
    tally.judged += this.judge.counts.policies - counts.policies;
    tally.scenarios += this.judge.counts.scenarios - counts.scenarios;
    return {
      tally,
      learnt: [
        ...search.known.sound.filter((word) => !before.sound.has(word)).map((sound) => ({ owner, sound })),
        ...search.known.refuted.filter((one) => !before.refuted.has(one)).map((refuted) => ({ owner, refuted })),
      ],
    };
  }

  /** The sound words that no other sound one is weaker than. */
  weakest(): Sequence[] {
    return [true, false].flatMap((owner) => this.of(owner).known.sound.map((word) => this.of(owner).sequenceOf(word)));
  }

  /**
   * Sound sequences among which is the cheapest of every length, as long as one more instruction makes none cheaper: the weakest, with
   * other TLBIs that are at least as strong in place of theirs, and nothing in them that can go.
   */
  worthPricing(): Sequence[] {
    return [true, false].flatMap((owner) => {
      const search = this.of(owner);
      const words = new Map<string, Word>();
      for (const word of search.known.sound)
        for (const other of this.raised(word)) if (!this.canLose(search, other)) words.set(other.join(), other);
      return [...words.values()].map((word) => search.sequenceOf(word));
    });
  }

  private raised(word: Word): Word[] {
    let list: Word[] = [word];
    word.forEach((one, i) => {
      if (this.order.instructions[one]!.op < 0) return;
      list = list.flatMap((other) => [other, ...this.order.stronger(one).map((strong) => other.with(i, strong))]);
    });
    return list;
  }

  private canLose({ known }: Search, word: Word): boolean {
    return word.some((_, i) => known.provedBy(known.boxOf(word.toSpliced(i, 1))) !== undefined);
  }
}
