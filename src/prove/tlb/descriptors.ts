/** Translation table descriptors in the timeline's memory, as walks read them (DDI 0487, D8.3). */
import { AF, CONTIG_HI, type Granule, outputPage, TABLE_OR_PAGE, VALID } from "../../arch/index.js";
import { Unsupported } from "../program.js";
import type { Catalogue } from "./catalogue.js";
import type { Cells } from "./cells.js";
import { C_LEAF, C_STEP, type Context, type Regime, S2_LEAF, S2_STEP } from "./entry.js";
import type { Knowledge } from "./knowledge.js";
import { INVALIDATE, type Timeline, WRITE } from "./timeline.js";
import type { Values } from "./values.js";

const NG = 1n << 11n;
const AP_RO = 1n << 7n;
const DBM = 1n << 51n;

/** A descriptor, decoded once for each value id. */
export interface Decoded {
  readonly valid: boolean;
  /** bit 1: a table or, at level 3, a page */
  readonly table: boolean;
  readonly page: number;
  readonly ap: number;
  /** AttrIndx of stage 1 */
  readonly attributes: number;
  /** MemAttr of stage 2 */
  readonly memory2: number;
  /** APTable is not 0, if this is a table descriptor */
  readonly apTable: boolean;
  readonly af: boolean;
  /** the Contiguous bit of a leaf */
  readonly contiguous: boolean;
  readonly global: boolean;
  /** Dirty Bit Modifier */
  readonly dbm: boolean;
}

/** True for a table descriptor. Throws {@link Unsupported} where it limits what the descriptors below it permit. */
export function isTable(d: Decoded, level: number): boolean {
  if (d.table && level < 3 && d.apTable) throw new Unsupported("a table descriptor with APTable");
  return d.table && level < 3;
}
/** A leaf of stage 1 that is read-only until the first write makes it writable (D8.5). */
export const isClean = (d: Decoded, { hd }: Context): boolean => hd && d.dbm && (d.ap & 2) !== 0;

/** What counts of a leaf of stage 1 besides its output address: AP + 4 * clean + 8 * XS + 16 * contiguous + 32 * memory type. */
export const payloadOf = (ap: number, clean: boolean, d: LeafBits, context: Context): number =>
  ap +
  (clean ? 4 : 0) +
  (hasXs(d.attributes, context) ? 8 : 0) +
  (d.contiguous ? 16 : 0) +
  32 * memoryType(d.attributes, context);
type LeafBits = Pick<Decoded, "attributes" | "contiguous">;
/** Of a regime whose stage 1 is off. */
export const NO_DESCRIPTOR: LeafBits = { attributes: 0, contiguous: false };
/** The XS attribute that MAIR_ELx gives a leaf of stage 1. */
const hasXs = (attributes: number, { xs }: Context): boolean => ((xs >> attributes) & 1) !== 0;
/** The memory type that MAIR_ELx gives it: the field of its AttrIndx. */
const memoryType = (attributes: number, { memoryTypes }: Context): number => memoryTypes[attributes]!;

/** The page of an output address: the leaf's base and the rest of the input page; of `size` pages. */
const within = (base: number, page: number, size: number): number => Math.floor(base / size) * size + (page % size);

/** A walk as the reading of descriptors sees it. */
export interface Walker {
  readonly pe: number;
  readonly context: Context;
  stage: 1 | 2;
  /** cells of which the walk need not see the PE's own writes after a time */
  readonly hidden: ReadonlyMap<number, number> | undefined;
  /** true when no physical translation cache plays a part */
  readonly memoryOnly: boolean;
}

/** The payload of an entry that is only asked about. */
const PROBE = -1;

/** What a walk may take for one descriptor. */
export interface DescriptorRead {
  readonly memory: Decoded;
  /** former valid values, other than memory's */
  readonly cached: readonly Decoded[];
  /** where memory's stands, and the time of the write that gave it, 0 = initial */
  readonly cell: number;
  readonly at: number;
}

const NOTHING: readonly Decoded[] = [];
const NO_PAGES: readonly number[] = [];

/** The descriptors of one exploration. */
export class Descriptors {
  private readonly decoded: Decoded[] = [];
  /** cells that a walk has read */
  private readonly known = new Set<number>();

  constructor(
    private readonly timeline: Timeline,
    private readonly cells: Cells,
    private readonly values: Values,
    private readonly catalogue: Catalogue,
    private readonly knowledge: Knowledge,
    private readonly physicalCaches: boolean,
    readonly granule: Granule,
    /** a TLB may hold one entry for a contiguous group */
    private readonly groups: boolean,
    /** whether a PE could walk for a regime at one of the times from `from` to `to` */
    private readonly walks: (pe: number, regime: Regime, from: number, to: number) => boolean,
  ) {}

  /** True when a walk has read the cell as a descriptor. */
  has(cell: number): boolean {
    return this.known.has(cell);
  }

  /** True when walks read the cell, and a thread writes it. */
  changes(cell: number): boolean {
    return this.known.has(cell) && this.knowledge.written.has(this.cells.pa[cell]!);
  }

  /** The time of the last write by then of a valid descriptor where another was; 0 = there is none. */
  replaced(t: number): number {
    const { timeline, cells } = this;
    for (let i = t; i > 0; i--) {
      const cell = timeline.what[i]!;
      if (timeline.kind[i] !== WRITE || !this.known.has(cell) || !this.decode(timeline.value[i]!).valid) continue;
      for (let k = i - 1; k >= 0; k--) {
        if (k > 0 && (timeline.kind[k] !== WRITE || timeline.what[k] !== cell)) continue;
        const former = k > 0 ? timeline.value[k]! : cells.initial[cell]!;
        if (former !== timeline.value[i] && this.decode(former).valid) return i;
      }
    }
    return 0;
  }

  /** The id of a descriptor's value with its access flag set, and, if `dirty`, writable. */
  updated(cell: number, at: number, dirty: boolean): number {
    const value = this.values.big(at === 0 ? this.cells.initial[cell]! : this.timeline.value[at]!) | BigInt(AF);
    return this.values.id(dirty ? value & ~AP_RO : value);
  }

  private decode(value: number): Decoded {
    let d = this.decoded[value];
    if (d === undefined) {
      const big = this.values.big(value);
      const [lo, hi] = [Number(big & 0xffff_ffffn), Number(big >> 32n)];
      d = {
        valid: (lo & VALID) !== 0,
        table: (lo & TABLE_OR_PAGE) !== 0,
        page: outputPage(lo, hi),
        ap: (lo >>> 6) & 3,
        attributes: (lo >>> 2) & 7,
        memory2: (lo >>> 2) & 15,
        apTable: ((hi >>> 29) & 3) !== 0,
        af: (lo & AF) !== 0,
        contiguous: (hi & CONTIG_HI) !== 0,
        global: (big & NG) === 0n,
        dbm: (big & DBM) !== 0n,
      };
      this.decoded[value] = d;
    }
    return d;
  }

  /**
   * Valid, and not a reserved encoding: no block above the granule's block level, no block at level 3. Throws {@link Learned} for the
   * first leaf with the Contiguous bit.
   */
  isUsable(d: Decoded, level: number): boolean {
    const usable = d.valid && (d.table || (level >= this.granule.block && level < 3));
    if (this.groups && usable && d.contiguous && !(d.table && level < 3)) this.knowledge.hasContiguous();
    return usable;
  }

  /** The page of a leaf's output address for an input page: that of its own input, or of its contiguous group's. */
  output(d: Decoded, page: number, level: number, group = false): number {
    return within(d.page, page, this.granule.pages[level]! * (group ? this.granule.group[level]! : 1));
  }

  /** Input pages of the other descriptors of a page's contiguous group: none where no leaf anywhere has the Contiguous bit. */
  private members(page: number, level: number): readonly number[] {
    const { granule, knowledge } = this;
    if (!this.groups || !knowledge.contiguous || level < granule.block) return NO_PAGES;
    const [pages, n] = [granule.pages[level]!, granule.group[level]!];
    const first = Math.floor(page / (pages * n)) * n;
    const own = Math.floor(page / pages);
    return Array.from({ length: n }, (_, i) => first + i).flatMap((i) => (i === own ? [] : [i * pages]));
  }

  /** True for a leaf that a TLB may hold for all of its group: it has the Contiguous bit, and no fault. */
  private isShared(d: Decoded, level: number): boolean {
    return this.isUsable(d, level) && d.contiguous && d.af && !isTable(d, level);
  }

  /** Leaves of the other descriptors of a page's group that a TLB may hold for the whole group; see {@link read}. */
  shared(table: number, page: number, level: number, t: number, walk: Walker): readonly Decoded[] {
    const list: Decoded[] = [];
    for (const member of this.members(page, level)) {
      const { memory, cached } = this.read(table, member, level, t, walk);
      for (const d of [memory, ...cached]) if (this.isShared(d, level) && !list.includes(d)) list.push(d);
    }
    return list;
  }

  /** True when a page's group has a leaf with the Contiguous bit at the beginning; the others' addresses go to `touched`. */
  initiallyShared(table: number, page: number, level: number, touched: number[]): boolean {
    let any = false;
    for (const member of this.members(page, level))
      if (this.isShared(this.initial(table, member, level, touched), level)) any = true;
    return any;
  }

  /** The cell of a descriptor in the table at a page. */
  private slot(table: number, page: number, level: number): number {
    const index = Math.floor(page / this.granule.pages[level]!) % this.granule.entries;
    const cell = this.cells.at(table * 4096 + index * 8);
    if (this.cells.mixed(cell)) throw new Unsupported("a descriptor that is accessed by parts");
    return cell;
  }

  /** Descriptor of `page` in a table, as it is at the beginning; its address goes to `touched`. */
  initial(table: number, page: number, level: number, touched: number[]): Decoded {
    const cell = this.slot(table, page, level);
    touched.push(this.cells.pa[cell]!);
    return this.decode(this.cells.initial[cell]!);
  }

  /**
   * The values that a walk may take for the descriptor of `page` in a table: memory's, and former valid ones out of physical
   * translation caches. Those hold what was valid since the last TLBI that applies to the translation, reachable or not.
   * `walk` says whose translation it is; `hidden` are own writes that the walk need not see yet.
   */
  read(table: number, page: number, level: number, t: number, walk: Walker): DescriptorRead {
    const cell = this.slot(table, page, level);
    this.known.add(cell);
    const { timeline } = this;
    const at = walk.hidden?.has(cell)
      ? timeline.lastWriteBut(cell, t, walk.pe, walk.hidden.get(cell)!)
      : timeline.lastWrite(cell, t);
    const memory = this.decode(at === 0 ? this.cells.initial[cell]! : timeline.value[at]!);
    if (!this.physicalCaches || walk.memoryOnly || !this.knowledge.written.has(this.cells.pa[cell]!))
      return { memory, cached: NOTHING, cell, at };
    const cached: Decoded[] = [];
    for (let w = at; w > 0; ) {
      const before = timeline.lastWrite(cell, w - 1);
      const former = this.decode(before === 0 ? this.cells.initial[cell]! : timeline.value[before]!);
      if (this.isUsable(former, level) && (isTable(former, level) || former.af)) {
        const probe = this.probe(walk, former, page, level);
        const emptied = this.invalidated(walk.pe, probe, before, t);
        if (emptied >= w) break;
        const filled = this.walks(walk.pe, walk.context.regime, emptied, w - 1);
        if (filled && former !== memory && !cached.includes(former)) cached.push(former);
      }
      w = before;
    }
    return { memory, cached, cell, at };
  }

  /** An entry as this walk would fill it from the descriptor: what removes that, empties physical caches of the descriptor too. */
  private probe({ context, stage }: Walker, d: Decoded, page: number, level: number): number {
    const kind = isTable(d, level) ? (stage === 1 ? C_STEP : S2_STEP) : stage === 1 ? C_LEAF : S2_LEAF;
    const asid = stage === 2 || (d.global && !isTable(d, level)) ? -1 : context.asid;
    return this.catalogue.entry(kind, context.regime, context.vmid, asid, page, level, PROBE, -1);
  }

  /** When the last TLBI that removes the entry reaches the PE after `from` and not after `to`; `from` where there is none. */
  private invalidated(pe: number, entry: number, from: number, to: number): number {
    const { timeline } = this;
    for (let i = to; i > from; i--)
      if (timeline.kind[i] === INVALIDATE && timeline.pe[i] === pe && this.catalogue.matches(timeline.what[i]!, entry))
        return i;
    return from;
  }
}
