/** A violation of break-before-make in words: who may hold which two entries, which write made it so, what may come of it. */
import type { AmalgamTrail, World } from "../thread/index.js";
import type { Difference } from "../tlb/index.js";
import { Words } from "./words.js";

/** What may come of an access for which a PE holds two entries (D8.17, K1.2.3), in the order of the manual. */
const MAY = [
  "a TLB conflict abort",
  "the translation of the one entry or of the other",
  "an amalgam of both: whichever output address, permissions and memory type such an entry could have",
] as const;

/** What is lost besides, by what differs: what the sequence would have guaranteed (ITHWDH). */
const LOST: Readonly<Partial<Record<Difference, string>>> = {
  "output address": "accesses of one location that are not coherent",
  "memory type": "accesses that are not coherent, not single-copy atomic or out of order",
  "block size":
    "accesses that are not coherent or out of order (with FEAT_BBM level 2: none of these, but still a TLB conflict abort)",
};

/** Tells violations. */
export class Breaches {
  private readonly words: Words;

  constructor(private readonly world: World) {
    this.words = new Words(world);
  }

  /** What PE `pe` may find, and why. */
  tell(pe: number, { page, conflict }: AmalgamTrail) {
    const { words } = this;
    const who = words.who(pe);
    const va = words.va(page);
    const { differ } = conflict;
    const sizes = differ.some((one) => one === "block size" || one === "Contiguous bit");
    const entries = conflict.entries.map((id) => words.entry(id) + (sizes ? this.levels(id) : "")) as [string, string];
    const write = this.write(conflict.written, who);
    const may = [...MAY, ...differ.flatMap((one) => LOST[one] ?? [])];
    const sentence = `break-before-make is violated: ${write}, and ${who} may hold for ${va} ${entries.join(" beside ")}, which differ in ${differ.join(" and ")}; its access may end in ${MAY[0]}, use either entry, or an amalgam of both`;
    return { who, va, entries, differ, write, may, sentence };
  }

  /** From descriptors of which levels a combined entry comes. */
  private levels(id: number): string {
    const { catalogue } = this.world;
    const { level, level2, contiguous, contiguous2 } = catalogue.leaves[catalogue.entries[id]!.payload]!;
    const of = (bit: boolean): string => (bit ? ", Contiguous" : "");
    return ` (level ${level}${of(contiguous)}, stage 2 level ${level2}${of(contiguous2)})`;
  }

  /** The write of a valid descriptor where another was, whose entry `who` may hold yet. */
  private write(t: number, who: string): string {
    if (t === 0) return "of a group of descriptors some have the Contiguous bit and some do not";
    const { timeline, cells } = this.world;
    const cell = timeline.what[t]!;
    const value = (id: number): string => this.words.value(id, cell);
    const held = (at: number): number => (at === 0 ? cells.initial[cell]! : timeline.value[at]!);
    let before = timeline.lastWrite(cell, t - 1);
    const broken = (this.world.values.big(held(before)) & 1n) === 0n;
    while (before > 0 && (this.world.values.big(held(before)) & 1n) === 0n)
      before = timeline.lastWrite(cell, before - 1);
    const former = `${value(held(before))}${broken ? ` before it was made invalid, with no TLBI in between that leaves ${who} nothing of it` : ""}`;
    return `${this.words.who(timeline.thread[t]!)} writes ${value(timeline.value[t]!)} to ${this.words.cell(cells.pa[cell]!)}, which held ${former}`;
  }
}
