/**
 * What each PE may hold at each time: everything that hardware may have walked and filled by then, for the contexts that
 * were live, minus what invalidations removed. A function of the timeline alone, so it is computed once and shared by all
 * executions of all threads over that timeline.
 */
import { AF, outputPage, TABLE_OR_PAGE, VALID } from "../arch/index.js";
import {
  C_LEAF,
  C_STEP,
  type Catalogue,
  type Context,
  EL2,
  EL10,
  type Leaf,
  type Regime,
  S1_LEAF,
  S1_STEP,
  S2_LEAF,
  S2_STEP,
  type WalkFault,
} from "./entry.js";
import type { Rule } from "./rules.js";
import { type Cells, CONTEXT, INVALIDATE, type Timeline, Unsupported, WRITE } from "./timeline.js";
import type { Values } from "./values.js";

/** Capacity in entries; more is answered by Unsupported. */
const WORDS = 48;
const NG = 1n << 11n;

/** What a PE may hold at one time, and what translations may come of it. */
interface Held {
  readonly bits: Uint32Array;
  readonly results: Map<number, Result>;
}

/** The outcomes that the translation of a VA may have at a time: ids of combined leaf entries, and faults. */
export interface Result {
  readonly entries: readonly number[];
  readonly faults: readonly WalkFault[];
}

/** Where the translation of a VA ends when nothing on its walk is ever written. */
export type Fixed = { readonly leaf: Leaf } | { readonly fault: WalkFault };

/** Something that was taken for constant is not: the exploration starts again, knowing more. */
export class Learned extends Error {}

/** A descriptor, decoded once for each value id. */
interface Decoded {
  readonly valid: boolean;
  /** bit 1: a table or, at level 3, a page */
  readonly table: boolean;
  readonly page: number;
  readonly ap: number;
  readonly af: boolean;
  readonly global: boolean;
}

/** What the exploration has learned so far about which translations can change; survives a new start. */
export class Knowledge {
  /** PAs of descriptors that a thread writes */
  readonly written = new Set<number>();
  /** VA pages, by PE and regime, whose translation can change */
  readonly changing = new Map<number, number[]>();
  /** contexts by PE and regime: their names, and the VMID of each */
  readonly contexts = new Map<number, Map<string, number>>();

  /** PEs that write through translations of EL1&0 that can change */
  readonly writers = new Set<number>();

  /** PEs that a broadcast TLBI reaches which may remove entries there */
  readonly struck = new Set<number>();

  /** True when the PE has a context of the regime with this VMID. */
  has(key: number, vmid: number): boolean {
    for (const other of this.contexts.get(key)?.values() ?? []) if (other === vmid) return true;
    return false;
  }

  /** stage-2 roots by VMID */
  private readonly roots = new Map<number, Set<number>>();

  /** True when a VMID has had several stage-2 tables. */
  stage2Shared(context: Context): boolean {
    return (this.roots.get(context.vmid)?.size ?? 0) > 1;
  }

  /** Notes a context's stage-2 root. */
  noteRoot(context: Context): void {
    if (!context.stage2) return;
    const roots = this.roots.get(context.vmid) ?? new Set();
    this.roots.set(context.vmid, roots.add(context.stage2Root));
  }

  /** True when entries of one of the PE's contexts may be used in another: they share the VMID. */
  shared(key: number, vmid: number): boolean {
    let n = 0;
    for (const other of this.contexts.get(key)?.values() ?? []) if (other === vmid) n++;
    return n > 1;
  }
}

export const peKey = (pe: number, regime: Regime): number => pe * 2 + regime;

export class MayCache {
  /** by PE: what it may hold at times 0 to the present */
  private readonly held: Held[][] = [];
  private readonly decoded: Decoded[] = [];
  private readonly fixed = new Map<string, Fixed>();
  /** stage-2 outcomes that nothing changes, by context and IPA; null = not constant */
  private readonly fixedStage2 = new Map<number, Stage2Leaf | WalkFault | null>();
  /** descriptors on walks that were taken for constant */
  private readonly relied = new Set<number>();
  /** contexts that were live at the start, by PE, and the live set of each */
  private readonly initialLive: number[] = [];
  private readonly liveSets: (readonly Context[])[] = [];
  private readonly liveIds = new Map<string, number>();
  /** contexts by id and PE that {@link know} has seen */
  private readonly known = new Set<number>();

  constructor(
    private readonly timeline: Timeline,
    private readonly cells: Cells,
    private readonly values: Values,
    private readonly catalogue: Catalogue,
    readonly knowledge: Knowledge,
    private readonly physicalCaches: boolean,
    private readonly without: ReadonlySet<Rule>,
    /** false: every translation counts as one that can change */
    private readonly reduces: boolean,
  ) {}

  /** The id of a set of live contexts, for a CONTEXT event. */
  liveSet(contexts: readonly Context[]): number {
    const sorted = [...new Set(contexts)].sort((a, b) => a.id - b.id);
    const key = sorted.map((c) => c.id).join();
    let id = this.liveIds.get(key);
    if (id === undefined) {
      id = this.liveSets.length;
      this.liveIds.set(key, id);
      this.liveSets.push(sorted);
    }
    return id;
  }

  live(id: number): readonly Context[] {
    return this.liveSets[id]!;
  }

  /**
   * Begins with PE `pe`: `former` are all contexts that were live before the story and `live` those at time 0 (a PE that
   * starts at EL2 has no EL1&0 one).
   */
  begin(pe: number, former: readonly Context[], live: readonly Context[]): void {
    this.initialLive[pe] = this.liveSet(live);
    const bits = new Uint32Array(WORDS);
    this.close(pe, 0, bits, [...former, ...live]);
    this.held[pe] = [{ bits, results: new Map() }];
  }

  /** A context that the PE may use is known from now on; throws {@link Learned} when it was not known at the beginning. */
  know(pe: number, context: Context, beginning = false): void {
    if (this.known.has(context.id * PES + pe)) return;
    this.known.add(context.id * PES + pe);
    const key = peKey(pe, context.regime);
    let known = this.knowledge.contexts.get(key);
    if (!known) {
      known = new Map();
      this.knowledge.contexts.set(key, known);
    }
    const name = `${context.root0}.${context.root1}.${context.asid}.${context.stage2Root}.${context.vmid}`;
    if (known.has(name)) return;
    known.set(name, context.vmid);
    this.knowledge.noteRoot(context);
    if (!beginning) throw new Learned();
  }

  /** A broadcast TLBI may remove entries of the PE; throws {@link Learned} when that is new. */
  strikes(pe: number): void {
    if (this.knowledge.struck.has(pe)) return;
    this.knowledge.struck.add(pe);
    throw new Learned();
  }

  /** The PE writes through a translation that can change; throws {@link Learned} when that is new. */
  writesThrough(pe: number): void {
    if (this.knowledge.writers.has(pe)) return;
    this.knowledge.writers.add(pe);
    throw new Learned();
  }

  /** A thread writes this cell; throws {@link Learned} when a walk was taken for constant that reads it. */
  write(cell: number): void {
    const pa = this.cells.pa[cell]!;
    if (this.knowledge.written.has(pa)) return;
    this.knowledge.written.add(pa);
    if (this.relied.has(pa)) throw new Learned();
  }

  /** True when some translation of either regime can change on this PE. */
  changes(pe: number): boolean {
    return this.matters(pe, EL10) || this.matters(pe, EL2);
  }

  /** True when what may be cached matters on this PE: some translation of the regime can change there. */
  matters(pe: number, regime: Regime): boolean {
    return (this.knowledge.changing.get(peKey(pe, regime))?.length ?? 0) > 0;
  }

  /**
   * The constant outcome of a translation, or undefined when it can change; then the VA is among those whose entries are
   * tracked (the first time {@link Learned} is thrown).
   */
  constant(pe: number, context: Context, vaPage: number): Fixed | undefined {
    const key = peKey(pe, context.regime);
    const changing = this.knowledge.changing.get(key);
    if (changing?.includes(vaPage)) return undefined;
    const name = `${pe}.${context.id}.${vaPage}`;
    let fixed = this.fixed.get(name);
    if (fixed === undefined) {
      const touched: number[] = [];
      const outcome = this.knowledge.shared(key, context.vmid)
        ? undefined
        : this.walkConstant(context, vaPage, touched);
      if (outcome === undefined || touched.some((pa) => this.knowledge.written.has(pa))) {
        if (changing) changing.push(vaPage);
        else this.knowledge.changing.set(key, [vaPage]);
        throw new Learned();
      }
      for (const pa of touched) this.relied.add(pa);
      fixed = outcome;
      this.fixed.set(name, fixed);
    }
    return fixed;
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
        af: (lo & AF) !== 0,
        global: (big & NG) === 0n,
      };
      this.decoded[value] = d;
    }
    return d;
  }

  /** The cell of a descriptor in the table at a page. */
  private slot(table: number, page: number, level: number): number {
    const index = Math.floor(page / 2 ** (9 * (3 - level))) % 512;
    return this.cells.at(table * 4096 + index * 8);
  }

  /** Descriptor of `page` in a table, as it is at the beginning; its address goes to `touched`. */
  private initial(table: number, page: number, level: number, touched: number[]): Decoded {
    const cell = this.slot(table, page, level);
    touched.push(this.cells.pa[cell]!);
    return this.decode(this.cells.initial[cell]!);
  }

  private walkStage2(context: Context, ipa: number, onWalk: boolean, touched: number[]): Stage2Leaf | WalkFault {
    if (!context.stage2) return { page: ipa, ap: 3, level: 3 };
    let table = context.stage2Root;
    for (let level = 0; level < 4; level++) {
      const d = this.initial(table, ipa, level, touched);
      if (isUsable(d, level) && isTable(d, level)) table = d.page;
      else if (isUsable(d, level) && d.af) return { page: within(d.page, ipa, level), ap: d.ap, level };
      else
        return this.catalogue.fault({
          type: isUsable(d, level) ? "access-flag" : "translation",
          stage: 2,
          level,
          onWalk,
          ipa,
        });
    }
    throw new Error("a level-3 descriptor is no table");
  }

  /** A walk through memory as it is at the beginning. */
  private walkConstant(context: Context, vaPage: number, touched: number[]): Fixed {
    let [ipa, ap, level1] = [vaPage, 1, 3];
    let table = context.stage1 ? rootOf(context, vaPage) : -1;
    for (let level = 0; table >= 0; level++) {
      const at = this.walkStage2(context, table, true, touched);
      if ("type" in at) return { fault: at };
      const d = this.initial(at.page, vaPage, level, touched);
      if (isUsable(d, level) && isTable(d, level)) table = d.page;
      else if (isUsable(d, level) && d.af) {
        [ipa, ap, level1] = [within(d.page, vaPage, level), d.ap, level];
        table = -1;
      } else
        return {
          fault: this.catalogue.fault({
            type: isUsable(d, level) ? "access-flag" : "translation",
            stage: 1,
            level,
            onWalk: false,
            ipa: -1,
          }),
        };
    }
    const end = this.walkStage2(context, ipa, false, touched);
    if ("type" in end) return { fault: end };
    return { leaf: this.catalogue.leaf({ page: end.page, ipa, ap, s2ap: end.ap, level: level1, level2: end.level }) };
  }

  /** What stage 2 gives for an IPA when nothing on the walk is ever written and nobody else has the VMID; null when it can change. */
  constantStage2(context: Context, ipa: number, onWalk: boolean): Stage2Leaf | WalkFault | null {
    const key = (context.id * 2 + (onWalk ? 1 : 0)) * PAGES + ipa;
    let fixed = this.fixedStage2.get(key);
    if (fixed === undefined) {
      const touched: number[] = [];
      fixed =
        !this.reduces || this.knowledge.stage2Shared(context) ? null : this.walkStage2(context, ipa, onWalk, touched);
      if (touched.some((pa) => this.knowledge.written.has(pa))) fixed = null;
      if (fixed !== null) for (const pa of touched) this.relied.add(pa);
      this.fixedStage2.set(key, fixed);
    }
    return fixed;
  }

  /** Forgets what was computed for times after `t`. */
  truncate(t: number): void {
    for (const list of this.held) if (list !== undefined && list.length > t + 1) list.length = t + 1;
  }

  private at(pe: number, t: number): Held {
    const list = this.held[pe]!;
    while (list.length <= t) list.push(this.next(pe, list.length, list[list.length - 1]!));
    return list[t]!;
  }

  /** The EL1&0 and EL2 contexts live on a PE at a time. */
  liveAt(pe: number, t: number): readonly Context[] {
    const { timeline } = this;
    for (let i = t; i > 0; i--)
      if (timeline.kind[i] === CONTEXT && timeline.pe[i] === pe) return this.live(timeline.what[i]!);
    return this.live(this.initialLive[pe]!);
  }

  private next(pe: number, t: number, before: Held): Held {
    const { timeline } = this;
    const kind = timeline.kind[t]!;
    const concerns =
      kind === WRITE
        ? this.knowledge.written.has(this.cells.pa[timeline.what[t]!]!) && this.isDescriptor(timeline.what[t]!)
        : timeline.pe[t] === pe;
    if (!concerns) return before;
    const fresh = this.without.has("speculative-fill");
    const bits = fresh ? new Uint32Array(WORDS) : before.bits.slice();
    if (kind === INVALIDATE) this.drop(bits, timeline.what[t]!);
    if (this.without.has("walk-caches")) this.dropSteps(bits);
    this.close(pe, t, bits, this.liveAt(pe, t));
    return { bits, results: new Map() };
  }

  /** Descriptors are known once a walk has read them. */
  private readonly descriptors = new Set<number>();
  /** True when a walk has read the cell as a descriptor. */
  isDescriptor(cell: number): boolean {
    return this.descriptors.has(cell);
  }

  private drop(bits: Uint32Array, invalidation: number): void {
    this.forEach(bits, (entry) => {
      if (this.catalogue.matches(invalidation, entry)) bits[entry >>> 5]! &= ~(1 << (entry & 31));
    });
  }

  private dropSteps(bits: Uint32Array): void {
    this.forEach(bits, (entry) => {
      const { kind } = this.catalogue.entries[entry]!;
      if (kind === S1_STEP || kind === S2_STEP || kind === C_STEP) bits[entry >>> 5]! &= ~(1 << (entry & 31));
    });
  }

  private forEach(bits: Uint32Array, each: (entry: number) => void): void {
    for (let w = 0; w < WORDS; w++)
      for (let word = bits[w]!; word !== 0; word &= word - 1) each(w * 32 + 31 - Math.clz32(word & -word));
  }

  /** Ids of the entries that a PE may hold at a time. */
  entriesAt(pe: number, t: number): number[] {
    const list: number[] = [];
    this.forEach(this.at(pe, t).bits, (entry) => list.push(entry));
    return list;
  }

  /** Adds every entry that walks for the contexts may fill, until nothing is new. */
  private close(pe: number, t: number, bits: Uint32Array, contexts: readonly Context[]): void {
    let changed = true;
    while (changed) {
      changed = false;
      for (const context of contexts)
        for (const va of this.knowledge.changing.get(peKey(pe, context.regime)) ?? [])
          if (new Walk(this, this.catalogue, pe, context, t, bits).fill(va)) changed = true;
    }
  }

  /** What the translation of a VA in a context may give at a time. */
  results(pe: number, context: Context, vaPage: number, t: number): Result {
    const { bits, results } = this.at(pe, t);
    const key = context.id * PAGES + vaPage;
    let result = results.get(key);
    if (result === undefined) {
      const walk = new Walk(this, this.catalogue, pe, context, t, bits.slice());
      walk.fill(vaPage);
      result = { entries: walk.leaves(vaPage), faults: walk.faults };
      results.set(key, result);
    }
    return result;
  }

  /** The combined leaf entries that a walk from the root gives at a time, when nothing is cached. */
  fresh(pe: number, context: Context, vaPage: number, t: number): number[] {
    const walk = new Walk(this, this.catalogue, pe, context, t, new Uint32Array(WORDS), undefined, true);
    walk.fill(vaPage);
    return walk.leaves(vaPage);
  }

  /**
   * Further faults that a translation may give at a time when the walk need not see the PE's own writes of descriptors that
   * came after `completed` and that no DSB has completed: of each cell all of them or none.
   */
  faultsBefore(pe: number, context: Context, vaPage: number, t: number, completed: number): WalkFault[] {
    const { timeline } = this;
    const own: number[] = [];
    for (let i = completed + 1; i <= t; i++) {
      const cell = timeline.what[i]!;
      if (timeline.kind[i] === WRITE && timeline.thread[i] === pe && this.isDescriptor(cell) && !own.includes(cell))
        own.push(cell);
    }
    const faults: WalkFault[] = [];
    for (let subset = 1; subset < 1 << Math.min(own.length, 4); subset++) {
      const hidden = new Map(own.filter((_, i) => (subset & (1 << i)) !== 0).map((cell) => [cell, completed]));
      const walk = new Walk(this, this.catalogue, pe, context, t, this.at(pe, t).bits.slice(), hidden);
      walk.fill(vaPage);
      for (const fault of walk.faults) if (!faults.includes(fault)) faults.push(fault);
    }
    return faults;
  }

  /**
   * The values that a walk may take for the descriptor of `page` in a table: memory's, and former valid ones out of physical
   * translation caches. Those hold what was valid since the last TLBI that applies to the translation, reachable or not.
   * `walk` says whose translation it is; `hidden` are own writes that the walk need not see yet.
   */
  readDescriptor(table: number, page: number, level: number, t: number, walk: Walker): DescriptorRead {
    const cell = this.slot(table, page, level);
    this.descriptors.add(cell);
    const { timeline } = this;
    const at = walk.hidden?.has(cell)
      ? timeline.lastWriteBut(cell, t, walk.pe, walk.hidden.get(cell)!)
      : timeline.lastWrite(cell, t);
    const memory = this.decode(at === 0 ? this.cells.initial[cell]! : timeline.value[at]!);
    if (!this.physicalCaches || walk.memoryOnly || !this.knowledge.written.has(this.cells.pa[cell]!))
      return { memory, cached: NOTHING };
    const cached: Decoded[] = [];
    for (let w = at; w > 0; ) {
      const before = timeline.lastWrite(cell, w - 1);
      const former = this.decode(before === 0 ? this.cells.initial[cell]! : timeline.value[before]!);
      if (isUsable(former, level) && (isTable(former, level) || former.af)) {
        const probe = this.probe(walk, former, page, level);
        if (this.invalidated(walk.pe, probe, w, t)) break;
        if (former !== memory && !cached.includes(former)) cached.push(former);
      }
      w = before;
    }
    return { memory, cached };
  }

  /** An entry as this walk would fill it from the descriptor: what removes that, empties physical caches of the descriptor too. */
  private probe({ context, stage }: Walker, d: Decoded, page: number, level: number): number {
    const kind = isTable(d, level) ? (stage === 1 ? C_STEP : S2_STEP) : stage === 1 ? C_LEAF : S2_LEAF;
    const asid = stage === 2 || (d.global && !isTable(d, level)) ? -1 : context.asid;
    return this.catalogue.entry(kind, context.regime, context.vmid, asid, page, level, PROBE, -1);
  }

  /** True when a TLBI that removes the entry reaches the PE at a time from `from` to `to`. */
  private invalidated(pe: number, entry: number, from: number, to: number): boolean {
    const { timeline } = this;
    for (let i = from; i <= to; i++)
      if (timeline.kind[i] === INVALIDATE && timeline.pe[i] === pe && this.catalogue.matches(timeline.what[i]!, entry))
        return true;
    return false;
  }
}

/** A walk as the reading of descriptors sees it. */
interface Walker {
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

interface DescriptorRead {
  readonly memory: Decoded;
  /** former valid values, other than memory's */
  readonly cached: readonly Decoded[];
}

const PAGES = 2 ** 36;
/** More PEs than any program has. */
const PES = 64;
const NOTHING: readonly Decoded[] = [];

const has = (bits: Uint32Array, entry: number): boolean => (bits[entry >>> 5]! & (1 << (entry & 31))) !== 0;

/** Sets a bit; true when it was not set. */
function set(bits: Uint32Array, entry: number): boolean {
  if (entry >= WORDS * 32) throw new Unsupported(`more than ${WORDS * 32} different cached entries`);
  if (has(bits, entry)) return false;
  bits[entry >>> 5]! |= 1 << (entry & 31);
  return true;
}

const isTable = (d: Decoded, level: number): boolean => d.table && level < 3;
/** Valid, and not a reserved encoding: no block at level 0, no block at level 3. */
const isUsable = (d: Decoded, level: number): boolean => d.valid && (d.table || level === 1 || level === 2);
/** The page of an output address: the leaf's base and the rest of the input page. */
const within = (base: number, page: number, level: number): number => {
  const size = 2 ** (9 * (3 - level));
  return Math.floor(base / size) * size + (page % size);
};
const rootOf = (context: Context, vaPage: number): number => (vaPage >= PAGES / 2 ? context.root1 : context.root0);

/** Where stage 2 ends: output page, S2AP, level of the descriptor. */
interface Stage2Leaf {
  readonly page: number;
  readonly ap: number;
  readonly level: number;
}

/** The walks that a PE may do for one context at one time: they fill `bits` and note the faults that they meet. */
class Walk implements Walker {
  readonly faults: WalkFault[] = [];
  stage: 1 | 2 = 1;
  private changed = false;

  constructor(
    private readonly cache: MayCache,
    private readonly catalogue: Catalogue,
    readonly pe: number,
    readonly context: Context,
    private readonly t: number,
    private readonly bits: Uint32Array,
    readonly hidden: ReadonlyMap<number, number> | undefined = undefined,
    readonly memoryOnly = false,
  ) {}

  /** Adds all entries that a walk for a VA may fill; true when any was new. */
  fill(va: number): boolean {
    this.changed = false;
    const { context } = this;
    if (!context.stage1) this.combine(va, -1, 3, va, 1);
    else {
      this.table(rootOf(context, va), va, -1, false);
      for (let level = 0; level <= 3; level++) this.level(va, level);
    }
    return this.changed;
  }

  /** The combined leaf entries for a VA that this context may use. */
  leaves(va: number): number[] {
    const list: number[] = [];
    for (let level = 1; level <= 3; level++)
      for (const id of this.catalogue.group(C_LEAF, this.context.regime, this.context.vmid, va, level))
        if (has(this.bits, id) && this.mine(id)) list.push(id);
    return list;
  }

  private mine(id: number): boolean {
    const { asid } = this.catalogue.entries[id]!;
    return asid === -1 || asid === this.context.asid;
  }

  private add(kind: number, asid: number, page: number, level: number, payload: number, ipa: number): void {
    const { regime, vmid } = this.context;
    if (set(this.bits, this.catalogue.entry(kind, regime, vmid, asid, page, level, payload, ipa))) this.changed = true;
  }

  private fault(stage: 1 | 2, level: number, type: WalkFault["type"], onWalk: boolean, ipa: number): void {
    const fault = this.catalogue.fault({ type, stage, level, onWalk, ipa });
    if (!this.faults.includes(fault)) this.faults.push(fault);
  }

  /** The next table of a walk is at an IPA: a stage-1 step, and a combined one for each PA that stage 2 may give it. */
  private table(ipa: number, va: number, level: number, cached: boolean): void {
    const { context } = this;
    if (!cached && level >= 0 && context.stage2) this.add(S1_STEP, context.asid, va, level, ipa, ipa);
    if (!context.stage2) this.add(C_STEP, context.asid, va, level, ipa, ipa);
    else for (const { page } of this.stage2(ipa, true)) this.add(C_STEP, context.asid, va, level, page, ipa);
  }

  /** All reads of descriptors of one level: from every table that may be reached. */
  private level(va: number, level: number): void {
    const { catalogue, context, bits } = this;
    const { regime, vmid } = context;
    if (level > 0)
      for (const id of catalogue.group(S1_STEP, regime, vmid, va, level - 1))
        if (has(bits, id) && this.mine(id)) this.table(catalogue.entries[id]!.payload, va, level - 1, true);
    for (const id of [...catalogue.group(C_STEP, regime, vmid, va, level - 1)])
      if (has(bits, id) && this.mine(id)) this.descriptor(catalogue.entries[id]!.payload, va, level);
    for (const id of [...catalogue.group(S1_LEAF, regime, vmid, va, level)])
      if (has(bits, id) && this.mine(id)) {
        const { ipa, payload, asid } = catalogue.entries[id]!;
        this.combine(va, asid, level, ipa, payload);
      }
  }

  private descriptor(table: number, va: number, level: number): void {
    this.stage = 1;
    const { memory, cached } = this.cache.readDescriptor(table, va, level, this.t, this);
    this.step(memory, va, level, true);
    for (const d of cached) this.step(d, va, level, false);
  }

  private step(d: Decoded, va: number, level: number, memory: boolean): void {
    const { context } = this;
    if (!isUsable(d, level)) {
      if (memory) this.fault(1, level, "translation", false, -1);
    } else if (isTable(d, level)) this.table(d.page, va, level, false);
    else if (!d.af) {
      if (memory) this.fault(1, level, "access-flag", false, -1);
    } else {
      const ipa = within(d.page, va, level);
      const asid = d.global ? -1 : context.asid;
      // The payload of a stage-1 leaf is its AP: all that counts of it besides the IPA.
      if (context.stage2) this.add(S1_LEAF, asid, va, level, d.ap, ipa);
      this.combine(va, asid, level, ipa, d.ap);
    }
  }

  /** A combined entry for each PA that stage 2 may give an IPA. */
  private combine(va: number, asid: number, level: number, ipa: number, ap: number): void {
    const { catalogue, context } = this;
    if (!context.stage2) {
      this.add(C_LEAF, asid, va, level, catalogue.leaf({ page: ipa, ipa, ap, s2ap: 3, level, level2: 3 }).id, ipa);
      return;
    }
    for (const s2 of this.stage2(ipa, false)) {
      const leaf = catalogue.leaf({ page: s2.page, ipa, ap, s2ap: s2.ap, level, level2: s2.level });
      this.add(C_LEAF, asid, va, level, leaf.id, ipa);
    }
  }

  /** What stage 2 may give for an IPA: from cached entries and from walks, which are cached in turn. */
  private stage2(ipa: number, onWalk: boolean): readonly Stage2Leaf[] {
    const { catalogue, context, bits } = this;
    const constant = this.cache.constantStage2(context, ipa, onWalk);
    if (constant !== null) {
      if (!("type" in constant)) return [constant];
      if (!this.faults.includes(constant)) this.faults.push(constant);
      return [];
    }
    const leaves: Stage2Leaf[] = [];
    const reads = (table: number, level: number): void => {
      this.stage = 2;
      const { memory, cached } = this.cache.readDescriptor(table, ipa, level, this.t, this);
      for (const d of [memory, ...cached]) {
        if (!isUsable(d, level)) this.fault(2, level, "translation", onWalk, ipa);
        else if (isTable(d, level)) this.add(S2_STEP, -1, ipa, level, d.page, -1);
        else if (!d.af) this.fault(2, level, "access-flag", onWalk, ipa);
        else this.add(S2_LEAF, -1, ipa, level, within(d.page, ipa, level) * 4 + d.ap, -1);
      }
    };
    reads(context.stage2Root, 0);
    for (let level = 1; level <= 3; level++) {
      for (const id of [...catalogue.group(S2_STEP, EL10, context.vmid, ipa, level - 1)])
        if (has(bits, id)) reads(catalogue.entries[id]!.payload, level);
    }
    for (let level = 1; level <= 3; level++)
      for (const id of catalogue.group(S2_LEAF, EL10, context.vmid, ipa, level))
        if (has(bits, id)) {
          const { payload } = catalogue.entries[id]!;
          leaves.push({ page: Math.floor(payload / 4), ap: payload % 4, level });
        }
    return leaves;
  }
}
