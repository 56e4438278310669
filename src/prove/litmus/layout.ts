/** Where symbolic names lie: pages from 0x600000 on, moved as the test's asserts, alignments and block mappings ask. */
import { InputError } from "../../input/index.js";
import { coverage } from "./descriptor.js";
import { evaluate, type Scope, type Value } from "./evaluate.js";
import { type Expression, namesIn } from "./expression.js";
import { flattened, granuleOf, SPACES, type Space, type Statement } from "./setup-syntax.js";

const FIRST = 0x60_0000;
const PAGE = 0x1000;
const BLOCK = 0x20_0000;
/** Tries before the search gives up; the tests need a few hundred. */
const MAX_TRIES = 300_000;
/** Addresses looked at before it gives up; the published tests need less than 20,000. */
const MAX_LOOKS = 1_000_000;
/** Names of a test; the published ones have at most some twenty. */
const MAX_NAMES = 10_000;
/** With more names than this already placed, the next one is looked for beside the last one first. */
const MANY = 256;

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

/**
 * Chooses an address for every name; throws an InputError when the asserts cannot hold together. `checkTime` is called now
 * and then, and may throw to end it.
 */
export function layOut(
  symbolic: readonly string[],
  setup: readonly Statement[],
  file: string,
  checkTime: () => void = () => {},
): readonly Symbolic[] {
  const wishes = wishesOf(symbolic, setup, file);
  const asserts = [...flattened(setup)]
    .filter((one) => one.kind === "assert")
    .map(({ that }) => ({ that, names: new Set(namesIn(that)) }));
  return new Search(
    ordered(wishes, asserts),
    asserts,
    file,
    checkTime,
    startsAlike(setup),
    2 ** granuleOf(setup, file),
  ).found();
}

interface Assert {
  readonly that: Expression;
  readonly names: ReadonlySet<string>;
}

function wishesOf(symbolic: readonly string[], setup: readonly Statement[], file: string): Wish[] {
  const wishes = new Map<string, Wish>();
  const all = [...flattened(setup)];
  const granule = granuleOf(setup, file);
  const page = 2 ** granule;
  const declared = all.filter((one) => one.kind === "declare");
  const elsewhere = new Set(declared.filter(({ space }) => space !== "virtual").flatMap(({ names }) => names));
  const wish = (name: string, space: Space): Wish => {
    const made: Wish = wishes.get(name) ?? { name, space, align: page, reserve: page, sources: [] };
    wishes.set(name, made);
    return made;
  };
  for (const name of symbolic) if (!elsewhere.has(name)) wish(name, "virtual");
  for (const { names, space, aligned, line } of declared) {
    const align = aligned === undefined ? page : Number(evaluate(aligned, nothing(file)).value);
    if (align < 1 || (align & (align - 1)) !== 0 || align > coverage(1))
      throw InputError.at(file, line, `aligned ${align}, expected a power of two up to ${coverage(1)}`);
    if (wishes.size + names.length > MAX_NAMES)
      throw InputError.at(file, line, `more than ${MAX_NAMES} names, expected fewer`);
    for (const name of names) {
      const made = wish(name, space);
      if (made.space !== space)
        throw InputError.at(file, line, `'${name}' is ${made.space} already, it cannot be ${space} too`);
      made.align = Math.max(made.align, align);
      made.reserve = Math.max(made.reserve, align);
    }
  }
  for (const name of undeclared(symbolic, all)) wish(name, "physical");
  for (const one of all) {
    if (one.kind !== "mapping" || one.level === 3 || one.from.kind !== "name") continue;
    const source = wishes.get(one.from.name);
    const target = one.target.kind === "address" && one.target.value.kind === "name" ? one.target.value.name : "";
    if (source && one.initial) source.reserve = Math.max(source.reserve, coverage(one.level, granule));
    const block = wishes.get(target);
    if (!source || !block) continue;
    block.sources.push({ name: source.name, size: coverage(one.level, granule) });
    block.reserve = Math.max(block.reserve, coverage(one.level, granule));
  }
  return [...wishes.values()];
}

/**
 * Virtual and intermediate names start at one number where isla's default tables are used: tests of the published suite count on
 * it. A test that says all of its tables has different numbers, so that a VA that is used as an IPA is one that nothing maps.
 */
const startsAlike = (setup: readonly Statement[]): boolean =>
  !setup.some((one) => one.kind === "option" && one.name === "default_tables" && one.value === "false");

/** Where a test declares no physical name, as ArchSem's do not, a name that it maps to and that is nothing else is one. */
function undeclared(symbolic: readonly string[], all: readonly Statement[]): ReadonlySet<string> {
  const declared = all.flatMap((one) => (one.kind === "declare" ? one.names : one.kind === "table" ? [one.name] : []));
  if (all.some((one) => one.kind === "declare" && one.space === "physical")) return new Set();
  const known = new Set([...symbolic, ...declared]);
  const targets = all.flatMap((one) =>
    one.kind === "mapping" && one.target.kind === "address" ? [one.target.value] : [],
  );
  return new Set(targets.flatMap((value) => (value.kind === "name" && !known.has(value.name) ? [value.name] : [])));
}

/** Targets of blocks come last, since they follow their sources; names that an assert binds come one after another. */
function ordered(wishes: readonly Wish[], asserts: readonly Assert[]): readonly Wish[] {
  const plain = [...wishes.filter((w) => w.sources.length === 0), ...wishes.filter((w) => w.sources.length > 0)];
  /** the names of each assert in the order of `plain`; `at` is the first of them that may be missing in the list */
  const groups = asserts.map(() => ({ of: [] as Wish[], at: 0 }));
  const rank = new Map(plain.map((wish, i) => [wish.name, i]));
  const groupsOf = new Map<string, (typeof groups)[number][]>(plain.map(({ name }) => [name, []]));
  asserts.forEach(({ names }, i) => {
    const ranks = [...names].flatMap((name) => rank.get(name) ?? []).sort((a, b) => a - b);
    groups[i]!.of.push(...ranks.map((r) => plain[r]!));
    for (const { name } of groups[i]!.of) groupsOf.get(name)!.push(groups[i]!);
  });
  const list = new Set<Wish>();
  for (const first of plain) {
    if (list.has(first)) continue;
    // Depth first, without the stack: a chain of asserts may bind all names.
    const open = [{ groups: groupsOf.get(first.name)!, at: 0 }];
    list.add(first);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const group = top.groups[top.at];
      const wish = group?.of[group.at];
      if (group === undefined) open.pop();
      else if (wish === undefined) top.at++;
      else {
        group.at++;
        if (list.has(wish)) continue;
        list.add(wish);
        open.push({ groups: groupsOf.get(wish.name)!, at: 0 });
      }
    }
  }
  return [...list];
}

const nothing = (file: string): Scope => ({ file, name: () => undefined });

class Search {
  private readonly chosen = new Map<string, number>();
  private readonly due = new Map<string, Expression[]>();
  private readonly scope: Scope;
  private readonly occupied: Occupied;
  private tries = 0;
  private looks = 0;

  constructor(
    private readonly wishes: readonly Wish[],
    private readonly asserts: readonly Assert[],
    private readonly file: string,
    private readonly checkTime: () => void,
    startsAlike: boolean,
    /** bytes of a page of the tables */
    private readonly page: number,
  ) {
    const spaces = new Map(wishes.map(({ name, space }) => [name, space]));
    this.occupied = new Occupied(wishes, startsAlike);
    this.scope = {
      file,
      name: (name): Value | undefined => {
        const address = this.chosen.get(name);
        return address === undefined ? undefined : { value: BigInt(address), width: 64, space: spaces.get(name)! };
      },
    };
    // An assert is due once the last of its names has an address.
    const rank = new Map(wishes.map(({ name }, i) => [name, i]));
    for (const { that, names } of asserts) {
      const last = wishes[[...names].reduce((most, name) => Math.max(most, rank.get(name) ?? -1), -1)];
      if (last) {
        const due = this.due.get(last.name) ?? [];
        due.push(that);
        this.due.set(last.name, due);
      } else if (evaluate(that, this.scope).value === 0n)
        throw InputError.at(file, that.line, "this assert never holds");
    }
  }

  found(): readonly Symbolic[] {
    if (!this.placed()) {
      const given = this.tries > MAX_TRIES || this.looks > MAX_LOOKS;
      const why = given ? `none was found in ${this.tries} tries` : "there are none among those tried";
      throw InputError.at(this.file, this.asserts[0]?.that.line, `expected addresses for which every assert holds; ${why}`); // biome-ignore format: one row
    }
    return this.wishes.map(({ name, space }) => ({ name, space, address: this.chosen.get(name)! }));
  }

  /** Places one name after the other, and goes back where none is left for one; without the stack, as there may be many. */
  private placed(): boolean {
    const open: Generator<number>[] = [];
    while (open.length < this.wishes.length) {
      open.push(this.candidates(open.length));
      while (!this.next(open.at(-1)!, this.wishes[open.length - 1]!)) {
        open.pop();
        const before = this.wishes[open.length - 1];
        if (before === undefined || this.tries > MAX_TRIES || this.looks > MAX_LOOKS) return false;
        this.take(before);
      }
    }
    return true;
  }

  /** Gives a name its next candidate with which the asserts hold; false when there is none. */
  private next(candidates: Generator<number>, wish: Wish): boolean {
    // By hand, as a `for` would end the generator when it is left.
    for (let step = candidates.next(); !step.done; step = candidates.next()) {
      if (++this.tries > MAX_TRIES) return false;
      this.chosen.set(wish.name, step.value);
      this.occupied.add(wish, step.value, 1);
      if ((this.due.get(wish.name) ?? []).every((one) => evaluate(one, this.scope).value !== 0n)) return true;
      this.take(wish);
    }
    return false;
  }

  /** Takes a name's address away. */
  private take(wish: Wish): void {
    this.occupied.add(wish, this.chosen.get(wish.name)!, -1);
    this.chosen.delete(wish.name);
  }

  /** Addresses for the name of an index, those that meet its wishes best first; two names of one space never share a page. */
  private *candidates(index: number): Generator<number> {
    const wish = this.wishes[index]!;
    const cost = (address: number): number => {
      let sum = this.occupied.cost(wish, address);
      for (const { name, size } of wish.sources) {
        const source = this.chosen.get(name);
        if (source !== undefined && source % size !== address % size) sum += 2;
      }
      return sum;
    };
    // Nearly always one of the first pages meets every wish: the others are not looked at then.
    const rest = new Map<number, number>();
    for (const address of this.places(index)) {
      if (++this.looks > MAX_LOOKS) return;
      if (this.looks % 4096 === 0) this.checkTime();
      const fits = address % wish.align === 0 && address >= FIRST && !this.occupied.has(wish.space, address);
      if (!fits || rest.has(address)) continue;
      const price = cost(address);
      rest.set(address, price);
      if (price === 0) yield address;
    }
    const dear = [...rest].filter(([, price]) => price > 0).sort(([, a], [, b]) => a - b);
    for (const [address] of dear) yield address;
  }

  /** Where to look: the first pages, those around the names before, and around the blocks that map to this one. */
  private *places(index: number): Generator<number> {
    const placed = (i: number): number => this.chosen.get(this.wishes[i]!.name)!;
    if (index > MANY) yield* around(placed(index - 1), this.page);
    yield* PAGES;
    for (let i = 0; i < index; i++) yield* around(placed(index > MANY ? index - 1 - i : i), this.page);
    for (const { name } of this.wishes[index]!.sources) {
      const source = this.chosen.get(name);
      if (source !== undefined) yield* around(source, this.page);
    }
  }
}

/** What lies where: how many names of a space lie in the same block as an address, without going through all of them. */
class Occupied {
  /** sizes of what the names reserve, powers of two */
  private readonly sizes: readonly number[];
  /** names by space, by what they reserve, by a block at least as large, and by that block's number */
  private readonly blocks = new Map<string, Map<number, number>>();
  /** names by their address and whether they are physical */
  private readonly at = new Map<string, number>();

  constructor(
    wishes: readonly Wish[],
    private readonly startsAlike: boolean,
  ) {
    this.sizes = [...new Set([PAGE, ...wishes.map(({ reserve }) => reserve)])];
    for (const space of SPACES)
      for (const own of this.sizes)
        for (const block of this.sizes) if (block >= own) this.blocks.set(`${space} ${own} ${block}`, new Map());
  }

  /** A name comes (1) or goes (-1). */
  add({ space, reserve }: Wish, address: number, by: 1 | -1): void {
    const count = (map: Map<number, number>, key: number): unknown => map.set(key, (map.get(key) ?? 0) + by);
    const key = `${address} ${space === "physical"}`;
    this.at.set(key, (this.at.get(key) ?? 0) + by);
    for (const block of this.sizes)
      if (block >= reserve) count(this.blocks.get(`${space} ${reserve} ${block}`)!, Math.floor(address / block));
    if (reserve > PAGE) count(this.blocks.get(`${space} ${PAGE} ${PAGE}`)!, Math.floor(address / PAGE));
  }

  /** True when a name of the space has this page. */
  has(space: Space, address: number): boolean {
    return (this.blocks.get(`${space} ${PAGE} ${PAGE}`)!.get(Math.floor(address / PAGE)) ?? 0) > 0;
  }

  /**
   * 2 for each name of the space in whose block it would lie, or which would lie in its own; 1 for each other at the address,
   * unless virtual and intermediate names start alike and both are not physical.
   */
  cost({ space, reserve }: Wish, address: number): number {
    const others = (physical: boolean): number => this.at.get(`${address} ${physical}`) ?? 0;
    let sum = space === "physical" ? others(false) : others(true) + (this.startsAlike ? 0 : others(false));
    for (const own of this.sizes) {
      const block = Math.max(own, reserve);
      if (block > PAGE) sum += 2 * (this.blocks.get(`${space} ${own} ${block}`)!.get(Math.floor(address / block)) ?? 0);
    }
    return sum;
  }
}

/** Pages in 2 MiB regions from 0x600000 on, and some far away, for asserts about bits of higher levels. */
const PAGES: readonly number[] = [
  ...Array.from({ length: 16 }, (_, region) => Array.from({ length: 32 }, (_, i) => FIRST + region * BLOCK + i * PAGE)),
  ...[1, 2, 3, 4].map((i) => [i * coverage(1), i * coverage(1) + FIRST]),
  ...[1, 2, 3].map((i) => [i * coverage(0), i * coverage(0) + FIRST]),
].flat();

/** Pages of so many bytes next to an address, and those with its offset in the following blocks. */
const around = (address: number, page: number): number[] => [
  address,
  address + page,
  address - page,
  ...[1, 2, 3, 4, 5, 6].map((i) => address + i * BLOCK),
];
