/** A map from page numbers to small numbers that grows with what is in it: open addressing, nothing allocated for a look-up. */

const EMPTY = -1;
/** Slots of a new map; those beyond which an emptied one begins anew, if it has more than {@link SPARSE} for each key. */
const SMALL = 64;
const LARGE = 16_384;
const SPARSE = 16;

/** Keys are page numbers (0 or more), values whole numbers of 32 bits. */
export class PageMap {
  /** keys in it */
  size = 0;
  private keys: Float64Array;
  private values: Int32Array;

  constructor(capacity = SMALL) {
    this.keys = new Float64Array(capacity).fill(EMPTY);
    this.values = new Int32Array(capacity);
  }

  /** The value of a key; -1 where it has none. */
  get(key: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    for (let i = homeOf(key) & mask; ; i = (i + 1) & mask) {
      const at = keys[i]!;
      if (at === key) return this.values[i]!;
      if (at === EMPTY) return -1;
    }
  }

  set(key: number, value: number): void {
    const { keys } = this;
    const mask = keys.length - 1;
    let i = homeOf(key) & mask;
    for (; keys[i] !== EMPTY; i = (i + 1) & mask)
      if (keys[i] === key) {
        this.values[i] = value;
        return;
      }
    keys[i] = key;
    this.values[i] = value;
    if (2 * ++this.size > keys.length) this.grow();
  }

  /** Removes a key, and moves those behind it that would not be found past the gap. */
  delete(key: number): void {
    const { keys, values } = this;
    const mask = keys.length - 1;
    let gap = homeOf(key) & mask;
    for (; keys[gap] !== key; gap = (gap + 1) & mask) if (keys[gap] === EMPTY) return;
    for (let i = (gap + 1) & mask; keys[i] !== EMPTY; i = (i + 1) & mask) {
      const home = homeOf(keys[i]!) & mask;
      if (((i - home) & mask) < ((i - gap) & mask)) continue;
      keys[gap] = keys[i]!;
      values[gap] = values[i]!;
      gap = i;
    }
    keys[gap] = EMPTY;
    this.size--;
  }

  /** True when some key is one of `pages` from `first` on. */
  hasIn(first: number, pages: number): boolean {
    if (pages <= this.keys.length) {
      for (let page = first; page < first + pages; page++) if (this.get(page) >= 0) return true;
      return false;
    }
    return this.keys.some((key) => key >= first && key < first + pages);
  }

  clear(): void {
    if (this.size === 0) return;
    // What is emptied was paid for by what is in it; one that has become too large for that begins anew.
    const { length } = this.keys;
    if (length > LARGE && length > SPARSE * this.size) {
      this.keys = new Float64Array(SMALL);
      this.values = new Int32Array(SMALL);
    }
    this.keys.fill(EMPTY);
    this.size = 0;
  }

  private grow(): void {
    const { keys, values } = this;
    this.keys = new Float64Array(2 * keys.length).fill(EMPTY);
    this.values = new Int32Array(2 * keys.length);
    this.size = 0;
    for (let i = 0; i < keys.length; i++) if (keys[i]! >= 0) this.set(keys[i]!, values[i]!);
  }
}

/** Where a key goes: pages come one after the other, and eight of them share a line of the CPU's cache. */
const homeOf = (key: number): number => (hash(Math.floor(key / 8)) << 3) | (key & 7);

/** A number of up to 53 bits, mixed into 24. */
function hash(key: number): number {
  const high = Math.floor(key / 0x1_0000_0000);
  let h = Math.imul(key | 0, 0x9e37_79b1) ^ Math.imul(high + 0x7f4a_7c15, 0x85eb_ca6b);
  h ^= h >>> 15;
  return Math.imul(h, 0xc2b2_ae35) >>> 8;
}
