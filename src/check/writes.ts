/** Descriptor writes: what they take away, and what must not be made while the former may still be held. */
import {
  CONTIG_HI,
  descriptorKind,
  NG,
  outputPage,
  pagesAtLevel,
  S2AP_R,
  S2AP_W,
  SH_INNER,
  VALID,
  XN_HI,
} from "../arch/index.js";
import type { Discipline } from "./discipline.js";
import { BLANK, EL2_SPACE, EVERY_PE, NIL, type StaleEntry } from "./stale.js";
import type { State } from "./state.js";
import { NONE, type Place } from "./tables.js";
import type { Waste } from "./waste.js";

const SLOTS = 512;
const PAGE_BYTES = 4096;
const DESCRIPTOR_BYTES = 8;
const LEVELS = 4;
/** Stage column of the trace, and how the trees call stage 1 of EL2. */
export const EL2_STAGE = 3;
/** MemAttr or AttrIndx, shareability, and of stage 1 nG: what an entry says of memory. */
const ATTRIBUTES = (0xf << 2) | SH_INNER | NG;
/** XN[1:0], or UXN and PXN. */
const EXECUTE_NEVER = XN_HI | (XN_HI >>> 1);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Writes {
  private readonly entry: Mutable<StaleEntry> = { ...BLANK };
  /** stage-1 writes of EL1&0, which are not judged; and stage-2 writes into tables of no known tree */
  stage1 = 0;
  withoutTree = 0;

  constructor(
    private readonly state: State,
    private readonly waste: Waste,
    private readonly discipline: Discipline,
  ) {}

  /** A descriptor at `slot` of the table in `page`; `vmid` is in force, `stage` and `level` as the trace says. */
  write(
    pcpu: number,
    page: number,
    slot: number,
    stage: number,
    level: number,
    oldLo: number,
    oldHi: number,
    newLo: number,
    newHi: number,
    vmid: number,
    site: number,
    release: boolean,
  ): void {
    const { trees, stale } = this.state;
    if (stage === 1) this.stage1++;
    const table = trees.make(page);
    trees.learn(table, level, stage);
    // Cleared in between, as the trace's old value says: what was known of it is of its former use.
    if (oldLo === 0 && trees.parent[table] === NONE && trees.isRoot[table] === 0 && trees.lo(table, slot) !== 0)
      trees.clear(table);
    const place = trees.place(table);
    const address = page * PAGE_BYTES + slot * DESCRIPTOR_BYTES;
    this.discipline.write(pcpu, table, place.root, address, oldLo, newLo, release, site);
    if (stale.count > 0 && ((oldLo | newLo) & VALID) !== 0) this.intoReused(page, (newLo & VALID) !== 0);
    trees.put(table, slot, newLo, newHi, oldLo === 0 && oldHi === 0);
    const at = this.where(pcpu, place, vmid, (oldLo & VALID) !== 0);
    if (at !== NIL) this.change(pcpu, table, slot, place, at, oldLo, oldHi, newLo, newHi, site);
    else if ((oldLo & VALID) !== 0) this.unlinked(table, oldLo, oldHi);
    if ((newLo & VALID) !== 0) this.links(table, slot, newLo, newHi);
  }

  /** A descriptor in a page that was something else, or elsewhere, and may still be taken for it. */
  private intoReused(page: number, valid: boolean): void {
    const { state } = this;
    const { stale } = state;
    stale.eachOfFrames(page, 1, (id) => {
      if (!valid) {
        if (stale.step[id] === 1) this.discipline.belowUnclean(page, stale.site[id]!);
      } else if (stale.step[id] === 1)
        state.accuse("freed-table-walked", id, `the table in page 0x${hex(page)} is written again`);
      else state.accuse("reuse-before-flush", id, `page 0x${hex(page)} is written as a table`);
    });
  }

  /** Whose tables these are: a VMID, EL2's, or NIL where nothing can be held of them; a root's other VMIDs are {@link others}. */
  private where(pcpu: number, place: Place, vmid: number, removes: boolean): number {
    const { state } = this;
    if (place.root !== NONE) {
      if (place.stage === EL2_STAGE) return EL2_SPACE;
      const vmids = state.vmidsOf.get(place.root);
      return place.stage === 2 && vmids !== undefined ? vmids[0]! : NIL;
    }
    if (place.stage !== 2 || !place.older) return NIL;
    // Of a tree older than the trace: of the VMID in force, where else.
    if (removes) this.withoutTree++;
    // Where no root is ever told, nothing else tells that the VMID is in use.
    if (!state.shown.roots) state.makeLive(vmid, pcpu);
    return vmid;
  }

  private change(
    pcpu: number,
    table: number,
    slot: number,
    place: Place,
    space: number,
    oldLo: number,
    oldHi: number,
    newLo: number,
    newHi: number,
    site: number,
  ): void {
    const { level } = place;
    const input = place.base < 0 || level < 0 ? -1 : place.base + slot * pagesAtLevel(level);
    const was = kindOf(oldLo, level);
    const is = kindOf(newLo, level);
    const e = this.entry;
    e.level = level;
    e.slot = slot;
    e.table = table;
    e.input = input;
    e.lo = oldLo;
    e.hi = oldHi;
    e.born = this.state.now;
    e.pcpu = pcpu;
    e.site = site;
    e.rights = false;
    if (is !== "invalid") this.made(table, slot, place.root, space, input, level, newLo, newHi, is);
    if (was === "invalid") return;
    if (is !== "invalid") {
      const change = compare(oldLo, oldHi, newLo, newHi, was, is, place.stage);
      if (change === "same") return;
      if (change === "fewer-rights") {
        e.rights = true;
        e.frame = -1;
        e.step = false;
        this.addIn(place.root, space);
        return;
      }
      const allowed = this.state.cpu.bbmLevel === 2 && was !== is && was === "block";
      this.unlinked(table, oldLo, oldHi);
      const id = this.taken(place, space, oldLo, oldHi, was);
      if (id !== NIL && !allowed)
        this.state.accuse("broken-bbm", id, `${was} to ${is} at level ${level}, with no invalid descriptor in between`);
      return;
    }
    // Before what was below counts as taken away too.
    this.unlinked(table, oldLo, oldHi);
    this.taken(place, space, oldLo, oldHi, was);
  }

  /** A valid descriptor is gone: entries for it, and for all that was below. Returns one of them, NIL where none can be held. */
  private taken(place: Place, space: number, lo: number, hi: number, was: string): number {
    const { root, level } = place;
    const e = this.entry;
    e.step = was === "table";
    e.frame = outputPage(lo, hi);
    e.frames = was === "table" || level < 0 ? 1 : pagesAtLevel(level);
    const child = e.step ? this.state.trees.at(e.frame) : NONE;
    const whole = child !== NONE && this.state.trees.whole[child] === 1;
    e.span = e.step && !whole && level >= 0 ? pagesAtLevel(level) : 1;
    const id = this.addIn(root, space);
    if (whole && id !== NIL) this.below(child, root, space, e.input, level + 1);
    return id;
  }

  /** All that a table gave which nothing links to any more. */
  private below(table: number, root: number, space: number, input: number, level: number): void {
    if (level >= LEVELS) return;
    const { trees } = this.state;
    const e = this.entry;
    for (let slot = 0; slot < SLOTS; slot++) {
      const lo = trees.lo(table, slot);
      const was = kindOf(lo, level);
      if (was === "invalid") continue;
      const hi = trees.hi(table, slot);
      e.input = input < 0 ? -1 : input + slot * pagesAtLevel(level);
      e.level = level;
      e.slot = slot;
      e.table = table;
      e.lo = lo;
      e.hi = hi;
      e.step = was === "table";
      e.frame = outputPage(lo, hi);
      e.frames = e.step ? 1 : pagesAtLevel(level);
      const child = e.step ? trees.at(e.frame) : NONE;
      const whole = child !== NONE && trees.whole[child] === 1;
      e.span = e.step && !whole ? pagesAtLevel(level) : 1;
      const at = e.input;
      this.addIn(root, space);
      if (whole) this.below(child, root, space, at, level + 1);
    }
  }

  /** An entry in a space, or in each VMID of the root. */
  private addIn(root: number, space: number): number {
    const vmids = root === NONE || space === EL2_SPACE ? undefined : this.state.vmidsOf.get(root);
    if (vmids === undefined || vmids.length === 1) return this.add(space);
    let last = NIL;
    for (const vmid of vmids) last = Math.max(last, this.add(vmid));
    return last;
  }

  private add(space: number): number {
    const { stale, live, pes } = this.state;
    const e = this.entry;
    e.space = space;
    e.held = space === EL2_SPACE ? EVERY_PE : live[space]!;
    if (e.held === 0) return NIL;
    e.gone = space === EL2_SPACE ? EVERY_PE : 0;
    const id = stale.add(e);
    pes.fresh(e.pcpu).push(id, stale.serial[id]!);
    // Without a mark or a lock there is nothing at whose end it would be promised.
    if (pes.depth[e.pcpu]! > 0 || this.discipline.on) pes.born(e.pcpu).push(id, stale.serial[id]!);
    return id;
  }

  /** Nothing links from here to the table that the old descriptor named. */
  private unlinked(table: number, oldLo: number, oldHi: number): void {
    const { trees } = this.state;
    const level = trees.level[table]!;
    if (level < 0 || descriptorKind(oldLo, level) !== "table") return;
    const child = trees.at(outputPage(oldLo, oldHi));
    if (child === NONE || trees.parent[child] !== table) return;
    this.discipline.unlink(child);
    trees.unlink(child);
  }

  /** A descriptor is made valid: what was there before must be gone. */
  private made(
    table: number,
    slot: number,
    root: number,
    space: number,
    input: number,
    level: number,
    lo: number,
    hi: number,
    is: string,
  ): void {
    const { state, waste } = this;
    waste.remade(table, slot);
    if (state.stale.count === 0) return;
    const vmids = root === NONE || space === EL2_SPACE ? undefined : state.vmidsOf.get(root);
    if (vmids === undefined) this.meetsIn(space, table, slot, input, level, lo, hi, is);
    else for (const vmid of vmids) this.meetsIn(vmid, table, slot, input, level, lo, hi, is);
  }

  /** The former ones of a space. */
  private meetsIn(
    space: number,
    table: number,
    slot: number,
    input: number,
    level: number,
    lo: number,
    hi: number,
    is: string,
  ): void {
    const { stale } = this.state;
    if (stale.of[space] === 0) return;
    // Above, or the same: at these addresses and levels.
    if (input >= 0)
      for (let l = 0; l <= level; l++) {
        const at = Math.floor(input / pagesAtLevel(l)) * pagesAtLevel(l);
        for (let id = stale.at(at, l); id !== NIL; ) {
          const after = stale.nextAt(id);
          if (stale.space[id] === space) this.meets(id, table, slot, lo, hi, level, is);
          id = after;
        }
      }
    // Below, and what only its slot is known of.
    if (input >= 0 && level === LEVELS - 1 && stale.odd[space] === 0) return;
    for (let id = stale.head[space]!; id !== NIL; ) {
      const after = stale.next[id]!;
      if (this.isInside(id, table, slot, input, level)) this.meets(id, table, slot, lo, hi, level, is);
      id = after;
    }
  }

  /** True for an entry below a descriptor, or of the same one where addresses are not known. */
  private isInside(id: number, table: number, slot: number, input: number, level: number): boolean {
    const { stale } = this.state;
    const its = stale.input[id]!;
    if (its < 0) return stale.table[id] === table && stale.slot[id] === slot;
    return input >= 0 && stale.level[id]! > level && its >= input && its < input + pagesAtLevel(level);
  }

  /** A new descriptor meets a former one that may still be held. */
  private meets(id: number, table: number, slot: number, lo: number, hi: number, level: number, is: string): void {
    const { state } = this;
    const { stale } = state;
    if (stale.level[id] === level && stale.table[id] === table && stale.slot[id] === slot) {
      const was = kindOf(stale.lo[id]!, level);
      const change = compare(stale.lo[id]!, stale.hi[id]!, lo, hi, was, is, state.trees.stage[table]!);
      if (change !== "different") {
        if (change === "same") this.back(id);
        return;
      }
    }
    if (stale.rights[id] === 1) return;
    const where = stale.input[id]! < 0 ? `slot ${slot}` : `input address 0x${hex(stale.input[id]!)}000`;
    state.accuse("broken-bbm", id, `a new ${is} at ${where}, level ${level}`);
  }

  /** The tables give again what an entry says, and all below it. */
  private back(id: number): void {
    const { stale } = this.state;
    if (stale.exposed[id]! > 0 || stale.freed[id]! > 0 || stale.told[id] === 1) return;
    const space = stale.space[id]!;
    const input = stale.input[id]!;
    const level = stale.level[id]!;
    const born = stale.born[id]!;
    const pages = level < 0 ? 1 : pagesAtLevel(level);
    const step = stale.step[id] === 1;
    stale.remove(id);
    if (!step || input < 0) return;
    for (let other = stale.head[space]!; other !== NIL; ) {
      const after = stale.next[other]!;
      const inside = stale.input[other]! >= input && stale.input[other]! < input + pages;
      // What was changed in the table meanwhile is not given again.
      if (inside && stale.born[other] === born && this.isAsBefore(other)) stale.remove(other);
      other = after;
    }
  }

  /** True when an entry's descriptor stands where it stood. */
  private isAsBefore(id: number): boolean {
    const { stale, trees } = this.state;
    const table = stale.table[id]!;
    const slot = stale.slot[id]!;
    return trees.lo(table, slot) === stale.lo[id] && trees.hi(table, slot) === stale.hi[id];
  }

  /** A valid descriptor gives pages, or links to a table: former uses of these must be over. */
  private links(table: number, slot: number, lo: number, hi: number): void {
    const { state } = this;
    const { trees, stale } = state;
    const level = trees.level[table]!;
    if (level < 0) return;
    const is = descriptorKind(lo, level);
    if (is === "invalid") return;
    const page = outputPage(lo, hi);
    const root = trees.place(table).root;
    if (is === "table") {
      this.discipline.link(table, slot, page);
      if (stale.count > 0) this.reused(page, 1, root, true);
      this.waste.reused(page, 1);
      this.retire(page);
      trees.link(table, slot, page);
      return;
    }
    if (stale.count > 0) this.reused(page, pagesAtLevel(level), root, false);
  }

  /** What was a root is a table of another tree from now on. */
  private retire(page: number): void {
    const { trees, vmidsOf, rootOf } = this.state;
    const table = trees.at(page);
    if (table === NONE || trees.isRoot[table] === 0) return;
    trees.isRoot[table] = 0;
    for (const vmid of vmidsOf.get(table) ?? []) if (rootOf[vmid] === table) rootOf[vmid] = NONE;
    vmidsOf.delete(table);
  }

  private reused(page: number, pages: number, root: number, asTable: boolean): void {
    const { state } = this;
    const { stale, trees } = state;
    stale.eachOfFrames(page, pages, (id) => {
      const table = stale.table[id]!;
      const from = table < 0 ? NONE : trees.place(table).root;
      if (stale.step[id] === 1)
        state.accuse("freed-table-walked", id, `the table in page 0x${hex(stale.frame[id]!)} is put to another use`);
      else if (asTable) state.accuse("reuse-before-flush", id, `page 0x${hex(page)} is linked as a table`);
      else if (root !== NONE && from !== NONE && from !== root)
        state.accuse("reuse-before-flush", id, `page 0x${hex(page)} is mapped in another table`);
    });
  }
}

/** As descriptorKind; where the level is not known, whatever is valid counts as a leaf. */
const kindOf = (lo: number, level: number): "invalid" | "table" | "block" | "page" =>
  level >= 0 ? descriptorKind(lo, level) : (lo & VALID) !== 0 ? "page" : "invalid";

/** What a change between two valid descriptors is to somebody who holds the first. */
function compare(
  oldLo: number,
  oldHi: number,
  newLo: number,
  newHi: number,
  was: string,
  is: string,
  stage: number,
): "same" | "fewer-rights" | "different" {
  if (was !== is || outputPage(oldLo, oldHi) !== outputPage(newLo, newHi)) return "different";
  if (was === "table") return "same";
  if (((oldLo ^ newLo) & ATTRIBUTES) !== 0 || ((oldHi ^ newHi) & CONTIG_HI) !== 0) return "different";
  const lessExecute = (newHi & ~oldHi & EXECUTE_NEVER) !== 0;
  // Stage 2: S2AP grants. Stage 1: AP[2] takes away, AP[1] grants.
  const less = stage === 2 ? oldLo & ~newLo & (S2AP_R | S2AP_W) : (newLo & ~oldLo & S2AP_W) | (oldLo & ~newLo & S2AP_R);
  return lessExecute || less !== 0 ? "fewer-rights" : "same";
}

const hex = (page: number): string => page.toString(16);
