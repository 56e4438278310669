/**
 * The search through a space of sequences, box by box. A box has a set of instructions for each place; what is known of single words
 * decides most boxes whole. Where it does not, the strongest word of the box is judged: if it fails, all of the box fails by the same
 * scenario; if it holds, it is made as weak as it can be and still hold, and the box is cut. In the end each word of the space is counted once.
 */
import { type Place, policyOf, type Sequence } from "./candidate.js";
import type { Judge, Judgement, Refutation } from "./judge.js";
import { Known, type Refuted } from "./known.js";
import type { Order, SetId, Word } from "./order.js";

/** How many words fell to which scenario, and how many are sound or undecided. Plain data, that adds up. */
export interface Tally {
  sound: number;
  /** by "occasion cpu scenario" */
  readonly refuted: Record<string, number>;
  unknown: number;
  /** words that are not decided, with why */
  readonly undecided: { readonly word: Word; readonly reason: string }[];
  /** policies judged, and scenarios decided for them */
  judged: number;
  scenarios: number;
}

export const emptyTally = (): Tally => ({ sound: 0, refuted: {}, unknown: 0, undecided: [], judged: 0, scenarios: 0 });

/** Most undecided words that are named. */
const NAMED = 100;

/** Adds one tally to another. */
export function addTally(to: Tally, one: Tally): void {
  to.sound += one.sound;
  to.unknown += one.unknown;
  to.judged += one.judged;
  to.scenarios += one.scenarios;
  for (const [by, n] of Object.entries(one.refuted)) to.refuted[by] = (to.refuted[by] ?? 0) + n;
  to.undecided.push(...one.undecided.slice(0, NAMED - to.undecided.length));
}

const refutationKey = ({ occasion, cpu, scenario }: Refutation): string => `${occasion} ${cpu} ${scenario}`;

/** How far beyond twice the length of a space a refuted word is made stronger, so that it refutes more of it. */
const BEYOND = 4;

export class Search {
  readonly known: Known;

  constructor(
    private readonly order: Order,
    private readonly place: Place,
    private readonly owner: boolean,
    private readonly length: number,
    private readonly judge: Judge,
    /** bounds of its own, for words that are longer than those asked about */
    private readonly quick: Judge,
  ) {
    this.known = new Known(order);
  }

  sequenceOf(word: Word): Sequence {
    return { owner: this.owner, instructions: word.map((one) => this.order.instructions[one]!) };
  }

  private judged(word: Word): Judgement {
    return this.judge.judge(policyOf(this.sequenceOf(word), this.place));
  }

  /** Counts every word of a box, to `tally`. */
  box(box: readonly SetId[], tally: Tally): void {
    const size = box.reduce((n, set) => n * this.order.members(set).length, 1);
    const refuted = this.known.refutedBy(box);
    if (refuted !== undefined) this.fell(refuted.by, size, tally);
    else if (this.known.provedBy(box) !== undefined) tally.sound += size;
    else this.open(box, size, tally);
  }

  /** A box that nothing known decides. */
  private open(box: readonly SetId[], size: number, tally: Tally): void {
    const several = box.findIndex((set) => this.order.topOf(set) === undefined);
    const top = box.map((set) => this.order.topOf(set) ?? -1);
    if (several >= 0) this.cut(box, several, tally);
    else if (this.known.provedBy(this.known.boxOf(top)) !== undefined) this.cut(box, this.widest(box), tally);
    else this.settle(box, top, size, tally);
  }

  /** Judges the strongest word of a box. */
  private settle(box: readonly SetId[], top: Word, size: number, tally: Tally): void {
    const judgement = this.judged(top);
    if (judgement.verdict === "refuted") {
      this.known.addRefuted(this.strengthened({ word: top, by: judgement.by }));
      this.fell(judgement.by, size, tally);
      return;
    }
    if (judgement.verdict === "sound") this.known.addSound(this.weakened(top));
    if (size > 1) this.cut(box, this.widest(box), tally);
    else if (judgement.verdict === "sound") tally.sound++;
    else {
      tally.unknown++;
      if (tally.undecided.length < NAMED) tally.undecided.push({ word: top, reason: judgement.reason });
    }
  }

  private fell(by: Refutation, size: number, tally: Tally): void {
    const key = refutationKey(by);
    tally.refuted[key] = (tally.refuted[key] ?? 0) + size;
  }

  private cut(box: readonly SetId[], at: number, tally: Tally): void {
    for (const part of this.order.parts(box[at]!)) this.box(box.with(at, part), tally);
  }

  private widest(box: readonly SetId[]): number {
    let best = 0;
    box.forEach((set, i) => {
      if (this.order.members(set).length > this.order.members(box[best]!).length) best = i;
    });
    return best;
  }

  /** As weak as a sound word can be made step by step, and still be sound. */
  weakened(word: Word): Word {
    let now = word;
    const holds = (other: Word): boolean => {
      const box = this.known.boxOf(other);
      if (this.known.refutedBy(box) !== undefined) return false;
      if (this.known.provedBy(box) !== undefined) return true;
      const judgement = this.judged(other);
      if (judgement.verdict === "refuted") this.known.addRefuted({ word: other, by: judgement.by });
      return judgement.verdict === "sound";
    };
    for (let i = now.length - 1; i >= 0; i--) {
      const without = now.toSpliced(i, 1);
      if (holds(without)) now = without;
    }
    for (let i = 0; i < now.length; i++)
      for (let weaker = true; weaker; ) {
        const next = this.order.strongest(this.order.weaker(now[i]!)).find((one) => holds(now.with(i, one)));
        weaker = next !== undefined;
        if (next !== undefined) now = now.with(i, next);
      }
    return now;
  }

  /** As strong as a refuted word can be made step by step, and still fail in the same scenario. */
  private strengthened({ word, by }: Refuted): Refuted {
    let now = word;
    const fails = (other: Word): boolean => this.quick.refutes(by, policyOf(this.sequenceOf(other), this.place));
    for (let i = 0; i < now.length; i++) {
      const stronger = this.order.stronger(now[i]!);
      const reach = (a: number): number => this.order.weaker(a).length;
      const next = stronger.sort((a, b) => reach(b) - reach(a)).find((one) => fails(now.with(i, one)));
      if (next !== undefined) now = now.with(i, next);
    }
    const strongest = this.order.strongest(this.order.all());
    for (const one of strongest) {
      const everywhere = this.everywhere(now, one);
      if (everywhere.length > now.length && fails(everywhere)) now = everywhere;
    }
    for (let at = 0; at <= now.length; at++)
      for (const one of this.oneLess(strongest)) {
        if (now.length >= 2 * this.length + BEYOND) return { word: now, by };
        if (this.idle(now, at, one)) continue;
        const longer = now.toSpliced(at, 0, one);
        if (fails(longer)) now = longer;
      }
    return { word: now, by };
  }

  /** The word with an instruction wherever it is not idle. */
  private everywhere(word: Word, one: number): Word {
    let now = word;
    for (let at = 0; at <= now.length; at++) if (!this.idle(now, at, one)) now = now.toSpliced(at, 0, one);
    return now;
  }

  /** The strongest instructions, and behind them those that are only less strong than these. */
  private oneLess(strongest: readonly number[]): number[] {
    const next = strongest.flatMap((one) => this.order.strongest(this.order.weaker(one)));
    return [...new Set([...strongest, ...next])];
  }

  /** Would it change nothing there? One of those beside it, among which there is no order, does what it does. */
  private idle(word: Word, at: number, one: number): boolean {
    const dsb = this.order.isDsb(one);
    const does = (from: number, step: number): boolean => {
      for (let i = from; i >= 0 && i < word.length && this.order.isDsb(word[i]!) === dsb; i += step)
        if (this.order.le(one, word[i]!)) return true;
      return false;
    };
    return does(at - 1, -1) || does(at, 1);
  }
}
