/**
 * Stage-2 tables out of a log that has every store: memory is kept as it is written, and what is a table is learnt from
 * VTTBR_EL2, from the descriptors that link on from there, and from the walks of the hardware.
 */
import { descriptorKind, outputPage, pagesAtLevel, stage2Geometry } from "../arch/index.js";

export interface Halves {
  readonly lo: number;
  readonly hi: number;
}

const PAGE_BYTES = 4096;
const WORD_BYTES = 8;
const SLOTS = 512;
/** Pages that are remembered though nothing says yet that they are tables: 256 MiB. */
const MOST_PAGES = 65_536;
/** Start level, by VTCR_EL2.SL0 with the 4 KiB granule (DDI 0487, VTCR_EL2). */
const START_LEVEL = [2, 1, 0, 3];

interface Table {
  readonly level: number;
  /** page of the input address of its first descriptor; undefined where nothing that is known links to it */
  readonly base: number | undefined;
}

/** A descriptor of a table was written: its old and its new value. */
type Written = (page: number, slot: number, level: number, before: Halves, after: Halves) => void;

export class WrittenTables {
  /** by page: its 512 words as interleaved halves */
  private readonly memory = new Map<number, Uint32Array>();
  private readonly tables = new Map<number, Table>();
  private startLevel: number | undefined;
  private rootPages = 1;
  private rootsWithoutLevel = 0;
  private forgotten = 0;

  constructor(private readonly written: Written) {}

  setVtcr(lo: number): void {
    this.startLevel = START_LEVEL[(lo >>> 6) & 3]!;
    try {
      this.rootPages = stage2Geometry(64 - (lo & 63), 12, this.startLevel).concatenated;
    } catch {
      this.rootPages = 1;
    }
  }

  /** VTTBR_EL2 has this value. */
  root({ lo, hi }: Halves): void {
    const page = outputPage(lo, hi & 0xffff);
    if (page === 0) return;
    if (this.startLevel === undefined) {
      this.rootsWithoutLevel++;
      return;
    }
    for (let i = 0; i < this.rootPages; i++)
      this.adopt(page + i, this.startLevel, i * SLOTS * pagesAtLevel(this.startLevel));
  }

  private page(page: number): Uint32Array {
    let words = this.memory.get(page);
    if (words === undefined) {
      if (this.memory.size - this.tables.size >= MOST_PAGES) this.forget();
      words = new Uint32Array(2 * SLOTS);
      this.memory.set(page, words);
    }
    return words;
  }

  /** What is no table is forgotten: there is too much of it. */
  private forget(): void {
    this.forgotten++;
    for (const page of this.memory.keys()) if (!this.tables.has(page)) this.memory.delete(page);
  }

  /** A page is a table from now on; what it holds was written into it, and the tables below are tables too. */
  private adopt(page: number, level: number, base: number | undefined): void {
    const known = this.tables.get(page);
    if (known?.level === level && known.base === base) return;
    const isNew = known?.level !== level;
    this.tables.set(page, { level, base });
    const words = this.page(page);
    for (let slot = 0; slot < SLOTS; slot++) {
      const after = { lo: words[2 * slot]!, hi: words[2 * slot + 1]! };
      if (after.lo === 0 && after.hi === 0) continue;
      this.links(level, base, slot, after);
      if (isNew) this.written(page, slot, level, NOTHING, after);
    }
  }

  /** A descriptor may link to a table below. */
  private links(level: number, base: number | undefined, slot: number, { lo, hi }: Halves): void {
    if (level < 3 && descriptorKind(lo, level) === "table")
      this.adopt(outputPage(lo, hi), level + 1, base === undefined ? undefined : base + slot * pagesAtLevel(level));
  }

  /** A store of so many hexadecimal digits, the last ones at the lowest address. */
  store(address: number, digits: string): void {
    let at = address;
    for (let end = digits.length; end > 0; ) {
      const room = 2 * (WORD_BYTES - (at % WORD_BYTES));
      const from = Math.max(0, end - room);
      this.storeWord(at, digits.slice(from, end));
      at += (end - from) / 2;
      end = from;
    }
  }

  /** A store within one word. */
  private storeWord(at: number, digits: string): void {
    const page = Math.floor(at / PAGE_BYTES);
    const slot = Math.floor((at % PAGE_BYTES) / WORD_BYTES);
    const words = this.page(page);
    const before = { lo: words[2 * slot]!, hi: words[2 * slot + 1]! };
    const whole = before.hi.toString(16).padStart(8, "0") + before.lo.toString(16).padStart(8, "0");
    const tail = 2 * (at % WORD_BYTES);
    const now = whole.slice(0, 16 - tail - digits.length) + digits + whole.slice(16 - tail);
    const after = { lo: Number.parseInt(now.slice(8), 16), hi: Number.parseInt(now.slice(0, 8), 16) };
    words[2 * slot] = after.lo;
    words[2 * slot + 1] = after.hi;
    const table = this.tables.get(page);
    if (table === undefined || (before.lo === after.lo && before.hi === after.hi)) return;
    this.links(table.level, table.base, slot, after);
    this.written(page, slot, table.level, before, after);
  }

  /**
   * The hardware has read a descriptor at an address, in a table of this level. Returns the pages of IPA and PA of what it maps
   * or would map; undefined where nothing says which IPA that is.
   */
  walked(address: number, level: number, value: Halves): { input: number; output: number } | undefined {
    const page = Math.floor(address / PAGE_BYTES);
    const slot = Math.floor((address % PAGE_BYTES) / WORD_BYTES);
    const words = this.page(page);
    // Older than the log, or written by what is not in it.
    words[2 * slot] = value.lo;
    words[2 * slot + 1] = value.hi;
    if (this.tables.get(page)?.level !== level) this.adopt(page, level, undefined);
    const { base } = this.tables.get(page)!;
    this.links(level, base, slot, value);
    return base === undefined
      ? undefined
      : { input: base + slot * pagesAtLevel(level), output: outputPage(value.lo, value.hi) };
  }

  /** What could not be told, in sentences. */
  unknown(): string[] {
    return [
      ...(this.rootsWithoutLevel > 0
        ? ["stage-2 tables under VTTBR_EL2: VTCR_EL2 is not written before it, which says the level of their root"]
        : []),
      ...(this.forgotten > 0
        ? [`what tables held when they were linked: more than ${MOST_PAGES * PAGE_BYTES} bytes were written before`]
        : []),
    ];
  }
}

const NOTHING: Halves = { lo: 0, hi: 0 };
