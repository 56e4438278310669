/** Where symbolic names lie: pages from 0x600000 on, moved as the test's asserts, alignments and block mappings ask. */
import { InputError } from "../../input/index.js";
import { coverage } from "./descriptor.js";
import { evaluate, type Scope, type Value } from "./evaluate.js";
import { type Expression, namesIn } from "./expression.js";
import { flattened, type Space, type Statement } from "./setup-syntax.js";

const FIRST = 0x60_0000;
const PAGE = 0x1000;
const BLOCK = 0x20_0000;
/** Tries before the search gives up; the tests need a few hundred. */
const MAX_TRIES = 300_000;

/** A name and its address. */
export interface Symbolic {
  readonly name: string;
  readonly space: Space;
  readonly address: number;
}

interface Wish {
  readonly name: string;
  readonly space: Space;
  /** a multiple of this */
  align: number;
  /** bytes that no other name of its space should lie in */
  reserve: number;
  /** names that map to this one by a block: their offsets in it should be the same */
  readonly sources: { readonly name: string; readonly size: number }[];
}

/** Chooses an address for every name; throws an InputError when the asserts cannot hold together. */
export function layOut(symbolic: readonly string[], setup: readonly Statement[], file: string): readonly Symbolic[] {
  const wishes = wishesOf(symbolic, setup, file);
  const asserts = [...flattened(setup)].filter((one) => one.kind === "assert").map((one) => one.that);
  return new Search(ordered(wishes, asserts), asserts, file).found();
}

function wishesOf(symbolic: readonly string[], setup: readonly Statement[], file: string): Wish[] {
  const wishes = new Map<string, Wish>();
  const all = [...flattened(setup)];
  const declared = all.filter((one) => one.kind === "declare");
  const elsewhere = new Set(declared.filter(({ space }) => space !== "virtual").flatMap(({ names }) => names));
  const wish = (name: string, space: Space): Wish => {
    const made: Wish = wishes.get(name) ?? { name, space, align: PAGE, reserve: PAGE, sources: [] };
    wishes.set(name, made);
    return made;
  };
  for (const name of symbolic) if (!elsewhere.has(name)) wish(name, "virtual");
  for (const { names, space, aligned, line } of declared) {
    const align = aligned === undefined ? PAGE : Number(evaluate(aligned, nothing(file)).value);
    if (align < 1 || (align & (align - 1)) !== 0 || align > coverage(1))
      throw InputError.at(file, line, `aligned ${align}, expected a power of two up to ${coverage(1)}`);
    for (const name of names) {
      const made = wish(name, space);
      if (made.space !== space)
        throw InputError.at(file, line, `'${name}' is ${made.space} already, it cannot be ${space} too`);
      made.align = Math.max(made.align, align);
      made.reserve = Math.max(made.reserve, align);
    }
  }
  for (const one of all) {
    if (one.kind !== "mapping" || one.level === 3 || one.from.kind !== "name") continue;
    const source = wishes.get(one.from.name);
    const target = one.target.kind === "address" && one.target.value.kind === "name" ? one.target.value.name : "";
    if (source && one.initial) source.reserve = Math.max(source.reserve, coverage(one.level));
    const block = wishes.get(target);
    if (!source || !block) continue;
    block.sources.push({ name: source.name, size: coverage(one.level) });
    block.reserve = Math.max(block.reserve, coverage(one.level));
  }
  return [...wishes.values()];
}

/** Targets of blocks come last, since they follow their sources; names that an assert binds come one after another. */
function ordered(wishes: readonly Wish[], asserts: readonly Expression[]): readonly Wish[] {
  const plain = [...wishes.filter((w) => w.sources.length === 0), ...wishes.filter((w) => w.sources.length > 0)];
  const groups = asserts.map((one) => new Set(namesIn(one)));
  const list: Wish[] = [];
  const place = (wish: Wish): void => {
    if (list.includes(wish)) return;
    list.push(wish);
    for (const group of groups) if (group.has(wish.name)) for (const w of plain) if (group.has(w.name)) place(w);
  };
  for (const wish of plain) place(wish);
  return list;
}

const nothing = (file: string): Scope => ({ file, name: () => undefined });

class Search {
  private readonly chosen = new Map<string, number>();
  private readonly due: ReadonlyMap<string, readonly Expression[]>;
  private readonly scope: Scope;
  private tries = 0;

  constructor(
    private readonly wishes: readonly Wish[],
    private readonly asserts: readonly Expression[],
    private readonly file: string,
  ) {
    const spaces = new Map(wishes.map(({ name, space }) => [name, space]));
    this.scope = {
      file,
      name: (name): Value | undefined => {
        const address = this.chosen.get(name);
        return address === undefined ? undefined : { value: BigInt(address), width: 64, space: spaces.get(name)! };
      },
    };
    // An assert is due once the last of its names has an address.
    const due = new Map<string, Expression[]>();
    for (const one of asserts) {
      const names = new Set(namesIn(one));
      const last = wishes.findLast(({ name }) => names.has(name));
      if (last) due.set(last.name, [...(due.get(last.name) ?? []), one]);
    }
    this.due = due;
  }

  found(): readonly Symbolic[] {
    for (const one of this.asserts)
      if (!this.wishes.some(({ name }) => namesIn(one).includes(name)) && evaluate(one, this.scope).value === 0n)
        throw InputError.at(this.file, one.line, "this assert never holds");
    if (!this.place(0)) {
      const why = this.tries > MAX_TRIES ? `none was found in ${MAX_TRIES} tries` : "there are none among those tried";
      throw InputError.at(this.file, this.asserts[0]?.line, `expected addresses for which every assert holds; ${why}`);
    }
    return this.wishes.map(({ name, space }) => ({ name, space, address: this.chosen.get(name)! }));
  }

  private place(index: number): boolean {
    const wish = this.wishes[index];
    if (wish === undefined) return true;
    for (const address of this.candidates(wish)) {
      if (++this.tries > MAX_TRIES) break;
      this.chosen.set(wish.name, address);
      const holds = (this.due.get(wish.name) ?? []).every((one) => evaluate(one, this.scope).value !== 0n);
      if (holds && this.place(index + 1)) return true;
    }
    this.chosen.delete(wish.name);
    return false;
  }

  /** Addresses for a name, those that meet its wishes best first; two names of one space never share a page. */
  private *candidates(wish: Wish): Generator<number> {
    const placed = this.wishes.filter(({ name }) => this.chosen.has(name) && name !== wish.name);
    const at = (other: Wish): number => this.chosen.get(other.name)!;
    const cost = (address: number): number => {
      let sum = 0;
      for (const other of placed) {
        if (other.space !== wish.space) sum += at(other) === address ? 1 : 0;
        else if (within(at(other), address, wish.reserve) || within(address, at(other), other.reserve)) sum += 2;
      }
      for (const { name, size } of wish.sources) {
        const source = this.chosen.get(name);
        if (source !== undefined && source % size !== address % size) sum += 2;
      }
      return sum;
    };
    const sources = wish.sources.flatMap(({ name }) => this.chosen.get(name) ?? []);
    const taken = new Set(placed.filter(({ space }) => space === wish.space).map(at));
    const fits = (address: number): boolean => address % wish.align === 0 && address >= FIRST && !taken.has(address);
    // Nearly always one of the first pages meets every wish: the others are not looked at then.
    const rest = new Map<number, number>();
    for (const address of [...PAGES, ...[...placed.map(at), ...sources].flatMap(around)]) {
      if (!fits(address) || rest.has(address)) continue;
      const price = cost(address);
      rest.set(address, price);
      if (price === 0) yield address;
    }
    const dear = [...rest].filter(([, price]) => price > 0).sort(([, a], [, b]) => a - b);
    for (const [address] of dear) yield address;
  }
}

const within = (address: number, base: number, size: number): boolean =>
  Math.floor(address / size) === Math.floor(base / size);

/** Pages in 2 MiB regions from 0x600000 on, and some far away, for asserts about bits of higher levels. */
const PAGES: readonly number[] = [
  ...Array.from({ length: 16 }, (_, region) => Array.from({ length: 32 }, (_, i) => FIRST + region * BLOCK + i * PAGE)),
  ...[1, 2, 3, 4].map((i) => [i * coverage(1), i * coverage(1) + FIRST]),
  ...[1, 2, 3].map((i) => [i * coverage(0), i * coverage(0) + FIRST]),
].flat();

/** Pages next to an address, and those with its offset in the following blocks. */
const around = (address: number): number[] => [
  address,
  address + PAGE,
  address - PAGE,
  ...[1, 2, 3, 4, 5, 6].map((i) => address + i * BLOCK),
];
