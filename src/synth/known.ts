/**
 * What is known of sequences, and what follows from it: a refuted one refutes all that are weaker, a proved one proves all that are
 * stronger. Two sequences are one where the architecture knows no difference: TLBIs that no DSB separates take effect in any order,
 * and an ISB waits for none of them; of DSBs with nothing in between it does not matter which is first; and the same instruction
 * again among those does nothing.
 */
import type { Refutation } from "./judge.js";
import type { Order, SetId, Word } from "./order.js";

/** A sequence that fails, and where. Plain data. */
export interface Refuted {
  readonly word: Word;
  readonly by: Refutation;
}

/** A word as groups whose members have no order among them: DSBs with nothing between, or TLBIs and ISBs that no DSB separates. */
type Groups = readonly (readonly number[])[];

function groupsOf(order: Order, word: Word): Groups {
  const groups: number[][] = [];
  word.forEach((one, i) => {
    if (i > 0 && order.isDsb(word[i - 1]!) === order.isDsb(one)) groups.at(-1)!.push(one);
    else groups.push([one]);
  });
  return groups;
}

/** Are all words of a box at most as strong as this one? Each place goes into the group that holds it, or into a later one. */
function isBelow(order: Order, box: readonly SetId[], groups: Groups): boolean {
  let at = 0;
  for (const set of box) {
    while (at < groups.length && !groups[at]!.some((one) => order.allBelow(set, one))) at++;
    if (at === groups.length) return false;
  }
  return true;
}

/** Are all words of a box at least as strong as this one? Each group finds its members, in any order, before the next begins. */
function isAbove(order: Order, box: readonly SetId[], groups: Groups): boolean {
  let place = 0;
  for (const group of groups) {
    let last = place;
    for (const one of group) {
      let found = place;
      while (found < box.length && !order.allAbove(box[found]!, one)) found++;
      if (found === box.length) return false;
      last = Math.max(last, found + 1);
    }
    place = last;
  }
  return true;
}

/** What has been judged so far, with what it says of others. */
export class Known {
  private readonly failing: { readonly refuted: Refuted; readonly groups: Groups }[] = [];
  private readonly holding: { readonly word: Word; readonly groups: Groups }[] = [];

  constructor(private readonly order: Order) {}

  get sound(): readonly Word[] {
    return this.holding.map(({ word }) => word);
  }
  get refuted(): readonly Refuted[] {
    return this.failing.map(({ refuted }) => refuted);
  }

  /** Takes over that a word is sound, in place of all known ones that are stronger. */
  addSound(word: Word): void {
    const box = this.boxOf(word);
    if (this.provedBy(box) !== undefined) return;
    const groups = groupsOf(this.order, word);
    this.keep(this.holding, ({ word: other }) => !isAbove(this.order, this.boxOf(other), groups));
    this.holding.push({ word, groups });
  }

  /** Takes over that a word fails, in place of all known ones that are weaker. */
  addRefuted(refuted: Refuted): void {
    if (this.refutedBy(this.boxOf(refuted.word)) !== undefined) return;
    const groups = groupsOf(this.order, refuted.word);
    this.keep(this.failing, ({ refuted: other }) => !isBelow(this.order, this.boxOf(other.word), groups));
    this.failing.push({ refuted, groups });
  }

  private keep<T>(list: T[], wanted: (one: T) => boolean): void {
    list.splice(0, list.length, ...list.filter(wanted));
  }

  boxOf(word: Word): SetId[] {
    return word.map((one) => this.order.setOf([one]));
  }

  /** A refutation that holds for all words of the box. */
  refutedBy(box: readonly SetId[]): Refuted | undefined {
    return this.first(this.failing, ({ groups }) => isBelow(this.order, box, groups))?.refuted;
  }

  /** A sound word that all words of the box are at least as strong as. */
  provedBy(box: readonly SetId[]): Word | undefined {
    return this.first(this.holding, ({ groups }) => isAbove(this.order, box, groups))?.word;
  }

  /** The first that is wanted, which then comes nearer to the front: neighbours fall to the same. */
  private first<T>(list: T[], wanted: (one: T) => boolean): T | undefined {
    const i = list.findIndex(wanted);
    if (i < 0) return undefined;
    const one = list[i]!;
    if (i > 0) {
      const to = i >> 1;
      list[i] = list[to]!;
      list[to] = one;
    }
    return one;
  }
}
