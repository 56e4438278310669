/** An alphabet and its order of strength; sets of its instructions, each a number, so that asking about a whole set is a look-up. */
import { BARRIERS } from "../arch/index.js";
import { atLeast, type Instruction } from "./instruction.js";

/** Instructions by their index in the alphabet. */
export type Word = readonly number[];
/** Instructions that may stand at a place: the number of a set of {@link Order.setOf}. */
export type SetId = number;

export class Order {
  readonly size: number;
  /** upper[a * size + b] = 1: b is at least as strong as a */
  private readonly upper: Uint8Array;
  private readonly ids = new Map<string, SetId>();
  private readonly sets: (readonly number[])[] = [];
  private readonly split: (readonly SetId[] | undefined)[] = [];
  private readonly tops: (number | undefined)[] = [];
  /** by set: 1 where all of it is at most, or at least, as strong as an instruction */
  private readonly below: Uint8Array[] = [];
  private readonly above: Uint8Array[] = [];

  /** `repeat`: one of the CPUs has CVE-2025-10263. */
  constructor(
    readonly instructions: readonly Instruction[],
    repeat: boolean,
  ) {
    const n = instructions.length;
    this.size = n;
    this.upper = new Uint8Array(n * n);
    instructions.forEach((a, i) => {
      instructions.forEach((b, k) => {
        this.upper[i * n + k] = Number(atLeast(b, a, repeat));
      });
    });
  }

  /** Is b at least as strong as a? */
  le(a: number, b: number): boolean {
    return this.upper[a * this.size + b] === 1;
  }

  isDsb(a: number): boolean {
    const { barrier } = this.instructions[a]!;
    return barrier >= 0 && BARRIERS[barrier]!.kind === "DSB";
  }

  /** Instructions that are stronger than a, or weaker. */
  stronger(a: number): number[] {
    return this.all().filter((b) => this.le(a, b) && !this.le(b, a));
  }
  weaker(a: number): number[] {
    return this.all().filter((b) => this.le(b, a) && !this.le(a, b));
  }

  all(): number[] {
    return Array.from({ length: this.size }, (_, i) => i);
  }

  /** Of these the strongest: none is stronger than one of them; of equals the first. */
  strongest(of: readonly number[]): number[] {
    return of.filter((a) => !of.some((b) => b !== a && this.le(a, b) && (!this.le(b, a) || b < a)));
  }

  setOf(members: readonly number[]): SetId {
    const key = members.join();
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = this.sets.push(members) - 1;
    this.ids.set(key, id);
    const where = (holds: (member: number, b: number) => boolean): Uint8Array =>
      Uint8Array.from(this.all(), (b) => Number(members.every((member) => holds(member, b))));
    this.below.push(where((member, b) => this.le(member, b)));
    this.above.push(where((member, b) => this.le(b, member)));
    this.tops.push(members.find((a) => members.every((b) => this.le(b, a))));
    return id;
  }

  members(set: SetId): readonly number[] {
    return this.sets[set]!;
  }

  /** Its strongest member, if one is at least as strong as all. */
  topOf(set: SetId): number | undefined {
    return this.tops[set];
  }

  /** Is all of the set at most as strong as b? */
  allBelow(set: SetId, b: number): boolean {
    return this.below[set]![b] === 1;
  }

  /** Is all of the set at least as strong as b? */
  allAbove(set: SetId, b: number): boolean {
    return this.above[set]![b] === 1;
  }

  /** The set cut in parts: its strongest alone, and the rest by what each of the rest's strongest covers. One that is single is whole. */
  parts(set: SetId): readonly SetId[] {
    const known = this.split[set];
    if (known !== undefined) return known;
    const members = this.members(set);
    const top = members.length === 1 ? undefined : this.topOf(set);
    let rest = members.filter((a) => a !== top);
    const parts = top === undefined ? [] : [this.setOf([top])];
    for (const strong of this.strongest(rest)) {
      const own = rest.filter((a) => this.le(a, strong));
      rest = rest.filter((a) => !own.includes(a));
      if (own.length > 0) parts.push(this.setOf(own));
    }
    this.split[set] = parts;
    return parts;
  }
}
