/**
 * What may still be held though the tables do not give it any more: one entry for each translation that was removed or
 * changed and not yet flushed, in typed arrays. There are as many as were changed since, whatever the length of the trace.
 */
import { PageMap } from "./page-map.js";

/** Nothing: the end of a list, no entry. */
export const NIL = -1;
/** Every PE, in a mask of them. PEs from 31 on share a bit, which only broadcasts cover. */
export const EVERY_PE = -1;
const SHARED_BIT = 31;

/** The bit of a PE in masks. */
export const bitOf = (pcpu: number): number => 1 << Math.min(pcpu, SHARED_BIT);
/** What an instruction without a broadcast covers. */
export const coveredBy = (pcpu: number): number => (pcpu < SHARED_BIT ? 1 << pcpu : 0);

/** Address spaces: VMIDs, and the EL2 regime behind them. */
export const EL2_SPACE = 0x1_0000;
const SPACES = EL2_SPACE + 1;

/** What an entry is of; its fields are the columns of {@link StaleEntries}. */
export interface StaleEntry {
  readonly space: number;
  /** page of the input address; -1: only the slot of the descriptor is known */
  readonly input: number;
  /** level of the descriptor; -1: not known */
  readonly level: number;
  readonly slot: number;
  /** the table in which it stood, NIL */
  readonly table: number;
  /** it was a table descriptor */
  readonly step: boolean;
  /** first page of what it gave: the leaf's pages, or the next table; -1: nothing that could be reused */
  readonly frame: number;
  /** pages from there */
  readonly frames: number;
  /** pages of input address that a flush by address must name one by one (a table whose contents are not known); 1 else */
  readonly span: number;
  readonly lo: number;
  readonly hi: number;
  readonly born: number;
  readonly pcpu: number;
  readonly site: number;
  /** PEs on which it may be held */
  readonly held: number;
  /** it only gave more rights than the tables give now */
  readonly rights: boolean;
  /** PEs on which no stage-2 entry can be left from the start */
  readonly gone: number;
}

/** An entry of which nothing is said yet: it stands for all of a space, gives no page, and is held nowhere. */
export const BLANK: StaleEntry = {
  space: EL2_SPACE,
  input: -1,
  level: -1,
  slot: 0,
  table: NIL,
  step: false,
  frame: -1,
  frames: 1,
  span: 1,
  lo: 0,
  hi: 0,
  born: 0,
  pcpu: 0,
  site: 0,
  held: 0,
  rights: false,
  gone: 0,
};

/** Pages of leaves of levels 3 to 0. */
const SIZES = [1, 2 ** 9, 2 ** 18, 2 ** 27];

const key = (input: number, level: number): number => input * 4 + level;

/** The entries, in lists by space, by input address and by frame. */
export class StaleEntries {
  count = 0;
  private used = 0;
  private free = NIL;
  private capacity = 64;
  // An entry is told from a later one with its number by its serial.
  serial = new Float64Array(64);
  space = new Int32Array(64);
  input = new Float64Array(64);
  level = new Int8Array(64);
  slot = new Uint16Array(64);
  table = new Int32Array(64);
  step = new Uint8Array(64);
  frame = new Float64Array(64);
  frames = new Float64Array(64);
  span = new Float64Array(64);
  lo = new Uint32Array(64);
  hi = new Uint32Array(64);
  born = new Float64Array(64);
  pcpu = new Uint8Array(64);
  site = new Uint16Array(64);
  held = new Int32Array(64);
  rights = new Uint8Array(64);
  /** event behind which every PE's walks see the change; 0: not yet. The same for the walks of the PE that made it */
  visible = new Float64Array(64);
  visibleHere = new Float64Array(64);
  gone = new Int32Array(64);
  /** PEs whose stage-2 entries are gone, and when the last of them went; the same of all that is combined */
  stage2 = new Int32Array(64);
  stage2At = new Float64Array(64);
  combined = new Int32Array(64);
  /** pages of `span` that flushes by address have named so far */
  named = new Float64Array(64);
  /** it is flushed but for the erratum's repeat, since then; 0: no */
  repeatFrom = new Float64Array(64);
  /** since when the guest runs on with it, or the page is back in the allocator; 0: not */
  exposed = new Float64Array(64);
  freed = new Float64Array(64);
  /** since when the reference that kept the page its owner's is dropped; 0: it is not, or nobody says so */
  dropped = new Float64Array(64);
  /** why no flush counted when it was exposed: a number of a reason + 1; 0 where that was not asked */
  why = new Uint8Array(64);
  /** 1: a finding has been made of it */
  told = new Uint8Array(64);
  next = new Int32Array(64);
  private previous = new Int32Array(64);
  private nextKey = new Int32Array(64);
  private nextFrame = new Int32Array(64);
  private serials = 0;
  /** by space: first entry of its list, and how many */
  readonly head = new Int32Array(SPACES).fill(NIL);
  readonly of = new Int32Array(SPACES);
  /** by space: those whose input address is not known, or which must be named page by page */
  readonly odd = new Int32Array(SPACES);
  private readonly byKey = new PageMap();
  private readonly byFrame = new PageMap();
  /** how many entries are of so many pages: of each of {@link SIZES} */
  private readonly sizes = new Int32Array(SIZES.length);

  add(e: StaleEntry): number {
    const id = this.take();
    this.serial[id] = ++this.serials;
    this.space[id] = e.space;
    this.input[id] = e.input;
    this.level[id] = e.level;
    this.slot[id] = e.slot;
    this.table[id] = e.table;
    this.step[id] = e.step ? 1 : 0;
    this.frame[id] = e.frame;
    this.frames[id] = e.frames;
    this.span[id] = e.span;
    this.lo[id] = e.lo;
    this.hi[id] = e.hi;
    this.born[id] = e.born;
    this.pcpu[id] = e.pcpu;
    this.site[id] = e.site;
    this.held[id] = e.held;
    this.rights[id] = e.rights ? 1 : 0;
    for (const column of [this.visible, this.visibleHere, this.stage2At, this.named, this.repeatFrom]) column[id] = 0;
    this.exposed[id] = 0;
    this.freed[id] = 0;
    this.dropped[id] = 0;
    this.told[id] = 0;
    this.why[id] = 0;
    this.gone[id] = e.gone;
    this.stage2[id] = e.gone;
    this.combined[id] = 0;
    this.listIn(id);
    this.count++;
    return id;
  }

  private listIn(id: number): void {
    const space = this.space[id]!;
    const head = this.head[space]!;
    this.next[id] = head;
    this.previous[id] = NIL;
    if (head !== NIL) this.previous[head] = id;
    this.head[space] = id;
    this.of[space]!++;
    if (this.isOdd(id)) this.odd[space]!++;
    if (this.input[id]! >= 0 && this.level[id]! >= 0) {
      const at = key(this.input[id]!, this.level[id]!);
      this.nextKey[id] = this.byKey.get(at);
      this.byKey.set(at, id);
    }
    if (this.frame[id]! >= 0) {
      this.nextFrame[id] = this.byFrame.get(this.frame[id]!);
      this.byFrame.set(this.frame[id]!, id);
      this.sizes[SIZES.indexOf(this.frames[id]!)]!++;
    }
  }

  private isOdd(id: number): boolean {
    return this.input[id]! < 0 || this.level[id]! < 0 || this.span[id]! > 1;
  }

  private take(): number {
    if (this.free !== NIL) {
      const id = this.free;
      this.free = this.next[id]!;
      return id;
    }
    if (this.used === this.capacity) this.grow();
    return this.used++;
  }

  private grow(): void {
    const before = this.capacity;
    this.capacity = 2 * before;
    const fields = this as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(this)) {
      if (!ArrayBuffer.isView(value) || (value as Int32Array).length !== before) continue;
      const wider = new (value.constructor as new (n: number) => Float64Array)(this.capacity);
      wider.set(value as unknown as Float64Array);
      fields[name] = wider;
    }
  }

  /** The entry is flushed, or the tables give it again. */
  remove(id: number): void {
    const space = this.space[id]!;
    const next = this.next[id]!;
    const previous = this.previous[id]!;
    if (previous === NIL) this.head[space] = next;
    else this.next[previous] = next;
    if (next !== NIL) this.previous[next] = previous;
    this.of[space]!--;
    if (this.isOdd(id)) this.odd[space]!--;
    if (this.input[id]! >= 0 && this.level[id]! >= 0)
      unchain(this.byKey, key(this.input[id]!, this.level[id]!), this.nextKey, id);
    if (this.frame[id]! >= 0) {
      unchain(this.byFrame, this.frame[id]!, this.nextFrame, id);
      this.sizes[SIZES.indexOf(this.frames[id]!)]!--;
    }
    this.serial[id] = 0;
    this.next[id] = this.free;
    this.free = id;
    this.count--;
  }

  /** First entry for an input address at a level, in any space; further ones by {@link nextAt}. NIL: none. */
  at(input: number, level: number): number {
    return this.byKey.get(key(input, level));
  }
  nextAt(id: number): number {
    return this.nextKey[id]!;
  }

  /** Calls `visit` for each entry that gave a page of `first` to `first + pages`. It may remove the entry that it gets. */
  eachOfFrames(first: number, pages: number, visit: (id: number) => void): void {
    if (this.byFrame.size === 0) return;
    if (pages > this.count) {
      for (let id = 0; id < this.used; id++)
        if (this.serial[id] !== 0 && this.frame[id]! >= 0 && this.frame[id]! < first + pages)
          if (this.frame[id]! + this.frames[id]! > first) visit(id);
      return;
    }
    for (let page = first; page < first + pages; page++) this.chain(page, visit);
    // Larger ones that begin before.
    for (let i = 1; i < SIZES.length; i++) {
      const size = SIZES[i]!;
      const start = Math.floor(first / size) * size;
      if (this.sizes[i]! > 0 && start < first) this.chain(start, (id) => this.frames[id] === size && visit(id));
    }
  }

  private chain(page: number, visit: (id: number) => void): void {
    for (let id = this.byFrame.get(page); id !== NIL; ) {
      const after = this.nextFrame[id]!;
      visit(id);
      id = after;
    }
  }
}

function unchain(map: PageMap, at: number, next: Int32Array, id: number): void {
  let before = map.get(at);
  if (before === id) {
    if (next[id] === NIL) map.delete(at);
    else map.set(at, next[id]!);
    return;
  }
  while (next[before] !== id) before = next[before]!;
  next[before] = next[id]!;
}
