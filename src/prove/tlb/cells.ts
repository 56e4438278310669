/** Memory locations as the threads access them, by several sizes too. */
import { type InitialMemory, Unsupported } from "../program.js";
import { LEARNED } from "./knowledge.js";
import type { Values } from "./values.js";

/**
 * Memory locations, interned: one for each address and size that is accessed. Where accesses of several sizes overlap, a location
 * consists of parts that they share, which are locations in turn.
 */
export class Cells {
  readonly pa: number[] = [];
  readonly size: number[] = [];
  readonly initial: number[] = [];
  /** the parts that a cell consists of; itself alone where nothing of another size overlaps it */
  readonly parts: (readonly number[])[] = [];
  private readonly ids = new Map<number, number>();
  /** cells by the PA of the 8 bytes that they are in */
  private readonly byBase = new Map<number, number[]>();

  constructor(
    private readonly memory: InitialMemory,
    private readonly values: Values,
    /** 8 bytes that are accessed by several sizes, by their PA: bit n is set where an access begins or ends at byte n */
    private readonly cuts: Map<number, number>,
  ) {}

  /** The cell of `size` bytes at a PA. Throws {@link Unsupported} for misaligned accesses, and LEARNED where sizes mix anew. */
  at(pa: number, size = 8): number {
    const known = this.ids.get(pa * 16 + size);
    if (known !== undefined) return known;
    if (pa % size !== 0) throw new Unsupported(`an access of ${size} bytes at 0x${pa.toString(16)} is not aligned`);
    this.cut(pa - (pa % 8), pa % 8, size);
    return this.make(pa, size);
  }

  /** A cell or a part, which may have any size. */
  private make(pa: number, size: number): number {
    const key = pa * 16 + size;
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const base = pa - (pa % 8);
    const id = this.pa.length;
    this.ids.set(key, id);
    const beside = this.byBase.get(base);
    if (beside === undefined) this.byBase.set(base, [id]);
    else beside.push(id);
    this.pa.push(pa);
    this.size.push(size);
    this.initial.push(this.bytes(this.values.id(this.memory.read(base)), pa - base, size));
    this.parts.push([id]);
    const ends = this.ends(base, pa - base, size);
    if (ends.length > 2) this.parts[id] = ends.slice(1).map((end, i) => this.make(base + ends[i]!, end - ends[i]!));
    return id;
  }

  /** Notes where an access of these 8 bytes begins and ends, if another overlaps it. */
  private cut(base: number, from: number, size: number): void {
    const known = this.cuts.get(base);
    let bits = (known ?? 0) | (1 << from) | (1 << (from + size));
    if (bits === known) return;
    if (known === undefined) {
      const others = this.byBase.get(base) ?? [];
      const overlaps = (i: number): boolean =>
        this.pa[i]! < base + from + size && base + from < this.pa[i]! + this.size[i]!;
      if (!others.some(overlaps)) return;
      for (const i of others) bits |= (1 << (this.pa[i]! - base)) | (1 << (this.pa[i]! - base + this.size[i]!));
    }
    this.cuts.set(base, bits);
    throw LEARNED;
  }

  /** Where the parts of an access of 8 bytes begin and end, in bytes. */
  private ends(base: number, from: number, size: number): number[] {
    const bits = this.cuts.get(base) ?? 0;
    const ends = [from];
    for (let n = from + 1; n < from + size; n++) if ((bits & (1 << n)) !== 0) ends.push(n);
    return [...ends, from + size];
  }

  /** True when the 8 bytes of a cell are accessed by several sizes that overlap. */
  mixed(cell: number): boolean {
    return this.cuts.size > 0 && this.cuts.has(this.pa[cell]! - (this.pa[cell]! % 8));
  }

  /** True when two cells have a part in common. */
  overlap(a: number, b: number): boolean {
    return a === b || this.parts[a]!.some((part) => this.parts[b]!.includes(part));
  }

  /** Of what was written to a cell, the value of one of its parts. */
  partOf(value: number, cell: number, part: number): number {
    return cell === part ? value : this.bytes(value, this.pa[part]! - this.pa[cell]!, this.size[part]!);
  }

  /** The value of a cell out of the values of its parts, in their order. */
  composed(cell: number, values: readonly number[]): number {
    let whole = 0n;
    this.parts[cell]!.forEach((part, i) => {
      whole |= this.values.big(values[i]!) << BigInt(8 * (this.pa[part]! - this.pa[cell]!));
    });
    return this.values.id(whole);
  }

  /** `size` bytes of a value, from a byte on. */
  private bytes(value: number, from: number, size: number): number {
    return this.values.id((this.values.big(value) >> BigInt(8 * from)) & ((1n << BigInt(8 * size)) - 1n));
  }
}
