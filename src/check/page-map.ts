/** A map from page numbers to small numbers that grows with what is in it: open addressing, nothing allocated for a look-up. */

const EMPTY = -1;
const GONE = -2;

/** Keys are page numbers (0 or more), values whole numbers of 32 bits. */
export class PageMap {
  /** keys in it */
  size = 0;
  /** slots in use, those of removed keys too */
  private used = 0;
  private keys: Float64Array;
  private values: Int32Array;

  constructor(capacity = 64) {
    this.keys = new Float64Array(capacity).fill(EMPTY);
    this.values = new Int32Array(capacity);
  }

  /** The value of a key; -1 where it has none. */
  get(key: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    for (let i = hash(key) & mask; ; i = (i + 1) & mask) {
      const at = keys[i]!;
      if (at === key) return this.values[i]!;
      if (at === EMPTY) return -1;
    }
  }

  set(key: number, value: number): void {
    const { keys } = this;
    const mask = keys.length - 1;
    let free = -1;
    let i = hash(key) & mask;
    for (; keys[i] !== EMPTY; i = (i + 1) & mask) {
      if (keys[i] === key) {
        this.values[i] = value;
        return;
      }
      if (free < 0 && keys[i] === GONE) free = i;
    }
    if (free < 0) {
      free = i;
      this.used++;
    }
    keys[free] = key;
    this.values[free] = value;
    this.size++;
    if (2 * this.used > keys.length) this.grow();
  }

  delete(key: number): void {
    const { keys } = this;
    const mask = keys.length - 1;
    for (let i = hash(key) & mask; keys[i] !== EMPTY; i = (i + 1) & mask) {
      if (keys[i] !== key) continue;
      keys[i] = GONE;
      this.size--;
      return;
    }
  }

  clear(): void {
    if (this.used === 0) return;
    if (this.keys.length > 4096) {
      this.keys = new Float64Array(64);
      this.values = new Int32Array(64);
    }
    this.keys.fill(EMPTY);
    this.size = 0;
    this.used = 0;
  }

  private grow(): void {
    const { keys, values } = this;
    const capacity = 4 * this.size > keys.length ? 2 * keys.length : keys.length;
    this.keys = new Float64Array(capacity).fill(EMPTY);
    this.values = new Int32Array(capacity);
    this.size = 0;
    this.used = 0;
    for (let i = 0; i < keys.length; i++) if (keys[i]! >= 0) this.set(keys[i]!, values[i]!);
  }
}

/** A number of up to 53 bits, mixed into 32. */
function hash(key: number): number {
  const high = Math.floor(key / 0x1_0000_0000);
  let h = Math.imul(key | 0, 0x9e37_79b1) ^ Math.imul(high + 0x7f4a_7c15, 0x85eb_ca6b);
  h ^= h >>> 15;
  return Math.imul(h, 0xc2b2_ae35) >>> 8;
}
