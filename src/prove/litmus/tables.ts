/** Translation tables in memory: roots at their addresses, further pages right after each root in the order of need. */
import { GRANULES, type Granule } from "../../arch/index.js";
import { ATTRIBUTES, addressOf, coverage, isLeaf, isTable, leaf, type Stage, table } from "./descriptor.js";

/** Where the walks of each stage begin. */
const firstLevel = ({ granule, stage }: Pick<Root, "granule" | "stage">): number =>
  stage === 1 ? granule.first1 : granule.first2;

/** A whole table, known by the address of its root. */
export interface Root {
  readonly name: string;
  readonly base: number;
  readonly stage: Stage;
  /** maps every address to itself where the test says nothing else */
  readonly identity: boolean;
  readonly granule: Granule;
}

/** One page of a table: which input addresses its descriptors translate. */
interface TablePage {
  readonly root: Root;
  readonly level: number;
  /** input address of its first descriptor */
  readonly input: number;
}

/** Where a walk ended: the descriptor, its place and its level. */
interface WalkEnd {
  readonly slot: number;
  readonly level: number;
  readonly descriptor: bigint;
  /** output address, when the descriptor is a leaf */
  readonly output: number | undefined;
}

/** Index of `address`'s descriptor in a table of `level`, in bytes. */
export const offsetIn = (address: number, level: number, granule: Granule = GRANULES[12]): number =>
  (Math.floor(address / coverage(level, granule.bits)) % granule.entries) * 8;

export class Tables {
  private readonly words = new Map<number, bigint>();
  private readonly next = new Map<Root, number>();
  private readonly own = new Map<Root, number[]>();
  readonly pages = new Map<number, TablePage>();
  readonly roots = new Map<number, Root>();

  /** bytes of a table */
  readonly size: number;

  /** `taken` are pages that no table may grow into. */
  constructor(
    private readonly taken: ReadonlySet<number>,
    readonly granule: Granule = GRANULES[12],
  ) {
    this.size = 2 ** granule.bits;
  }

  /** A table with its root at `base`; one of the same stage that stands there already is the same table. */
  addRoot(name: string, base: number, stage: Stage, identity = false): Root {
    const there = this.roots.get(base);
    if (there !== undefined && there.stage === stage) return there;
    const root: Root = { name, base, stage, identity, granule: this.granule };
    this.roots.set(base, root);
    this.pages.set(base, { root, level: firstLevel(root), input: 0 });
    this.own.set(root, [base]);
    this.next.set(root, base + this.size);
    if (identity) this.slot(root, 0, firstLevel(root) + 1);
    return root;
  }

  /** The 64-bit value at a physical address. */
  read(pa: number): bigint {
    return this.words.get(pa) ?? this.identityAt(pa);
  }

  write(pa: number, value: bigint): void {
    this.words.set(pa, value);
  }

  /** True when something was said about this place. */
  has(pa: number): boolean {
    return this.words.has(pa);
  }

  private identityAt(pa: number): bigint {
    const page = this.pages.get(pa - (pa % this.size));
    if (page === undefined || !page.root.identity || page.level < this.granule.block) return 0n;
    const input = page.input + ((pa % this.size) / 8) * coverage(page.level, this.granule.bits);
    return leaf(BigInt(input), page.level, ATTRIBUTES.default[page.root.stage], this.granule.bits);
  }

  /**
   * The place of `address`'s descriptor at `level`; tables are made on the way where nothing was said about a place.
   * Undefined when a descriptor on the way was said to be something else than a table.
   */
  slot(root: Root, address: number, level: number): number | undefined {
    let at = root.base;
    const first = firstLevel(root);
    if (level < first) return undefined;
    for (let l = first; l < level; l++) {
      const slot = at + offsetIn(address, l, this.granule);
      if (!this.words.has(slot)) this.words.set(slot, table(BigInt(this.allocate(root, l + 1, address))));
      const descriptor = this.read(slot);
      if (!isTable(descriptor, l)) return undefined;
      at = addressOf(descriptor);
    }
    return at + offsetIn(address, level, this.granule);
  }

  private allocate(root: Root, level: number, address: number): number {
    let page = this.next.get(root)!;
    while (this.pages.has(page) || this.taken.has(page)) page += this.size;
    this.next.set(root, page + this.size);
    this.own.get(root)!.push(page);
    const covers = coverage(level, this.granule.bits) * this.granule.entries;
    this.pages.set(page, { root, level, input: Math.floor(address / covers) * covers });
    return page;
  }

  /** Addresses of a table's pages, in the order in which they were made; grows. */
  pagesOf(root: Root): readonly number[] {
    return this.own.get(root)!;
  }

  /** Walks from a root: what the initial descriptors say of `address`. */
  walk(root: Root, address: number): WalkEnd {
    let at = root.base;
    for (let level = firstLevel(root); ; level++) {
      const slot = at + offsetIn(address, level, this.granule);
      const descriptor = this.read(slot);
      if (isTable(descriptor, level)) at = addressOf(descriptor);
      else {
        const output = isLeaf(descriptor, level)
          ? addressOf(descriptor) + (address % coverage(level, this.granule.bits))
          : undefined;
        return { slot, level, descriptor, output };
      }
    }
  }

  /** Maps a page to itself with default attributes where nothing was said about it; true when it was not mapped before. */
  mapToItself(root: Root, page: number): boolean {
    if (root.identity) return false;
    const slot = this.slot(root, page, 3);
    if (slot === undefined || this.words.has(slot)) return false;
    this.words.set(slot, leaf(BigInt(page), 3, ATTRIBUTES.default[root.stage], this.granule.bits));
    return true;
  }
}
