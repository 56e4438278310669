/** Reads what hybrid.ts writes, and what other writers make of the same form. */

/** Widest value: a window of 32 bits holds up to 7 bits before it. */
const MAX_WIDTH = 24;

/**
 * Reads indexes of `width` bits a few at a time, so that a page of any length needs no array of its own. Throws a RangeError
 * when the data are too short, name an entry beyond the dictionary, or hold a run that no writer makes.
 */
export class HybridReader {
  private data: Uint8Array = new Uint8Array(0);
  /** where the next run stands, and where the data end */
  private p = 0;
  private end = 0;
  private width = 0;
  /** values left of the run at hand */
  private left = 0;
  /** the index that a run length repeats; -1: the run is packed */
  private index = -1;
  /** of a packed run: where it begins, and the bit there at which the next value does */
  private base = 0;
  private bit = 0;

  /** Begins with data[start..end). */
  start(data: Uint8Array, start: number, end: number, width: number): void {
    if (!(width <= MAX_WIDTH)) throw new RangeError(`indexes of ${width} bits, expected at most ${MAX_WIDTH}`);
    this.data = data;
    this.p = start;
    this.end = end;
    this.width = width;
    this.left = 0;
  }

  /**
   * Stores the dictionary's entries that the next `n` indexes name in `out`, from entry `at` on; an entry is of `words` elements, of
   * the dictionary as of `out`. Of the dictionary only the first `entries` can be named.
   */
  read(n: number, entries: number, dictionary: Int32Array, words: 1 | 2, out: Int32Array, at: number): void {
    const last = at + n;
    for (let i = at; i < last; ) {
      const some = this.some(last - i, entries);
      if (this.index >= 0) repeat(dictionary, words, this.index, out, i, some);
      else
        for (let done = 0; done < some; done += cuts.length) {
          const now = Math.min(cuts.length, some - done);
          this.cut(now, cuts, 0);
          if (words === 1) look(dictionary, entries, cuts, now, out, i + done);
          else lookPairs(dictionary, entries, cuts, now, out, i + done);
        }
      this.left -= some;
      i += some;
    }
  }

  /** Stores the next `n` indexes, each below `entries`, at the begin of `out`. */
  raw(n: number, entries: number, out: Int32Array): void {
    for (let i = 0; i < n; ) {
      const some = this.some(n - i, entries);
      if (this.index >= 0) out.fill(this.index, i, i + some);
      else {
        this.cut(some, out, i);
        if (1 << this.width > entries) refuseBeyond(entries, out, i, i + some);
      }
      this.left -= some;
      i += some;
    }
  }

  /** The index below `entries` that the next `n` all are, and goes on behind them; -1, and stays, where they may differ or are another. */
  same(n: number, entries: number): number {
    if (n === 0) return -1;
    if (this.left === 0) this.nextRun();
    if (this.index < 0 || this.index >= entries || this.left < n) return -1;
    this.left -= n;
    return this.index;
  }

  /** Stores the next `n` bits, of a width of 1, in `out` from `at` on. Returns how many are ones. */
  bits(n: number, out: Int32Array, at: number): number {
    const last = at + n;
    let ones = 0;
    for (let i = at; i < last; ) {
      const some = this.some(last - i, 2);
      if (this.index >= 0) {
        out.fill(this.index, i, i + some);
        ones += this.index * some;
      } else {
        ones += onesOf(this.data, 8 * this.base + this.bit, some);
        this.cut(some, out, i);
      }
      this.left -= some;
      i += some;
    }
    return ones;
  }

  /** How many of the next `n` bits, of a width of 1, are ones. */
  ones(n: number): number {
    let ones = 0;
    for (let left = n; left > 0; ) {
      const some = this.some(left, 2);
      if (this.index >= 0) ones += this.index * some;
      else ones += onesOf(this.data, 8 * this.base + this.bit, some);
      if (this.index < 0) this.bit += some;
      this.left -= some;
      left -= some;
    }
    return ones;
  }

  /** The values at hand, at most `n`: of the run at hand, or of the next one. What it repeats is below `entries`. */
  private some(n: number, entries: number): number {
    if (this.left === 0) this.nextRun();
    const some = Math.min(this.left, n);
    if (this.index >= entries) throw new RangeError(BEYOND);
    if (this.index < 0 && this.base + Math.ceil((this.bit + some * this.width) / 8) > this.end)
      throw new RangeError(TOO_SHORT);
    return some;
  }

  /** The next `n` values of a packed run. */
  private cut(n: number, out: Int32Array, at: number): void {
    cut(this.data, 8 * this.base + this.bit, this.width, n, out, at);
    this.bit += n * this.width;
  }

  private nextRun(): void {
    const { data, end, width } = this;
    let header = 0;
    let byte: number;
    let shift = 0;
    do {
      if (this.p >= end || shift > 28) throw new RangeError(TOO_SHORT);
      byte = data[this.p++]!;
      header |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte > 0x7f);
    const count = header >>> 1;
    if (count === 0) throw new RangeError("a run of no values");
    if ((header & 1) === 0) {
      this.index = 0;
      for (let bits = 0; bits < width; bits += 8) this.index |= data[this.p++]! << bits;
      if (this.p > end) throw new RangeError(TOO_SHORT);
      this.left = count;
    } else {
      this.index = -1;
      this.base = this.p;
      this.bit = 0;
      this.left = 8 * count;
      this.p += count * width;
    }
  }
}

const TOO_SHORT = "the indexes of a page end too early";
const BEYOND = "an index beyond the dictionary";

/** Throws where one of these indexes names no entry. */
function refuseBeyond(entries: number, indexes: Int32Array, from: number, end: number): void {
  let least = 0; // negative when some index was too large
  for (let i = from; i < end; i++) least |= entries - 1 - indexes[i]!;
  if (least < 0) throw new RangeError(BEYOND);
}

/** Indexes of a packed run, between their bits and their entries. */
const cuts = new Int32Array(1024);

/** Entry `index` of a dictionary `n` times, to out from entry `at` on. */
function repeat(dictionary: Int32Array, words: 1 | 2, index: number, out: Int32Array, at: number, n: number): void {
  if (words === 1) {
    out.fill(dictionary[index]!, at, at + n);
    return;
  }
  const [lo, hi] = [dictionary[2 * index]!, dictionary[2 * index + 1]!];
  for (let i = 2 * at; i < 2 * (at + n); i += 2) {
    out[i] = lo;
    out[i + 1] = hi;
  }
}

/** Entries of one element. */
function look(
  dictionary: Int32Array,
  entries: number,
  indexes: Int32Array,
  n: number,
  out: Int32Array,
  at: number,
): void {
  let beyond = false;
  for (let i = 0; i < n; i++) {
    const index = indexes[i]!;
    if (index < entries) out[at + i] = dictionary[index]!;
    else beyond = true;
  }
  if (beyond) throw new RangeError(BEYOND);
}

/** Entries of two elements. */
function lookPairs(
  dictionary: Int32Array,
  entries: number,
  indexes: Int32Array,
  n: number,
  out: Int32Array,
  at: number,
): void {
  const elements = 2 * entries;
  let beyond = false;
  for (let i = 0, j = 2 * at; i < n; i++, j += 2) {
    const from = 2 * indexes[i]!;
    if (from < elements) {
      out[j] = dictionary[from]!;
      out[j + 1] = dictionary[from + 1]!;
    } else beyond = true;
  }
  if (beyond) throw new RangeError(BEYOND);
}

/** `n` values of `width` bits each from bit `from` of the data on, to out[at..at+n). */
function cut(data: Uint8Array, from: number, width: number, n: number, out: Int32Array, at: number): void {
  const aligned = (from & 7) === 0;
  if (width === 8 && aligned) out.set(data.subarray(from >>> 3, (from >>> 3) + n), at);
  else if (width === 16 && aligned)
    for (let i = 0, q = from >>> 3; i < n; i++, q += 2) out[at + i] = data[q]! | (data[q + 1]! << 8);
  else if (width === 1) cutBits(data, from, n, out, at);
  else cutWindows(data, from, width, n, out, at);
}

/** Values of one bit: all of a byte at a time. */
function cutBits(data: Uint8Array, from: number, n: number, out: Int32Array, at: number): void {
  const last = at + n;
  let i = at;
  let bit = from;
  for (; i < last && (bit & 7) !== 0; bit++) out[i++] = (data[bit >>> 3]! >>> (bit & 7)) & 1;
  let q = bit >>> 3;
  for (; i + 8 <= last; i += 8) {
    const byte = data[q++]!;
    out[i] = byte & 1;
    out[i + 1] = (byte >>> 1) & 1;
    out[i + 2] = (byte >>> 2) & 1;
    out[i + 3] = (byte >>> 3) & 1;
    out[i + 4] = (byte >>> 4) & 1;
    out[i + 5] = (byte >>> 5) & 1;
    out[i + 6] = (byte >>> 6) & 1;
    out[i + 7] = byte >>> 7;
  }
  for (let rest = 0; i < last; rest++) out[i++] = (data[q]! >>> rest) & 1;
}

/** How many of `n` bits from bit `from` on are ones. */
function onesOf(data: Uint8Array, from: number, n: number): number {
  const last = from + n;
  let ones = 0;
  let bit = from;
  for (; bit < last && (bit & 7) !== 0; bit++) ones += (data[bit >>> 3]! >>> (bit & 7)) & 1;
  for (; bit + 8 <= last; bit += 8) ones += ONES[data[bit >>> 3]!]!;
  for (; bit < last; bit++) ones += (data[bit >>> 3]! >>> (bit & 7)) & 1;
  return ones;
}

/** Ones in a byte. */
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);

/** Widest value of which a window of 32 bits holds four, and up to 7 bits before them. */
const FOUR_IN_WINDOW = 6;

/** Each value is cut out of a window of 2 or 4 bytes, so that none waits for the one before it; narrow ones four at a time. */
function cutWindows(data: Uint8Array, from: number, width: number, n: number, out: Int32Array, at: number): void {
  const mask = (1 << width) - 1;
  // Values whose window ends within the data; the few after them take missing bytes for zeros.
  const inside = Math.min(n, Math.max(0, Math.floor(((data.length - 4) * 8 - from) / Math.max(1, width))));
  let bit = from;
  let i = 0;
  if (width <= FOUR_IN_WINDOW)
    for (; i + 4 <= inside; i += 4) {
      const q = bit >>> 3;
      const window = (data[q]! | (data[q + 1]! << 8) | (data[q + 2]! << 16) | (data[q + 3]! << 24)) >>> (bit & 7);
      out[at + i] = window & mask;
      out[at + i + 1] = (window >>> width) & mask;
      out[at + i + 2] = (window >>> (2 * width)) & mask;
      out[at + i + 3] = (window >>> (3 * width)) & mask;
      bit += 4 * width;
    }
  if (width <= 9)
    for (; i < inside; i++) {
      const q = bit >>> 3;
      out[at + i] = ((data[q]! | (data[q + 1]! << 8)) >>> (bit & 7)) & mask;
      bit += width;
    }
  else
    for (; i < inside; i++) {
      const q = bit >>> 3;
      const window = data[q]! | (data[q + 1]! << 8) | (data[q + 2]! << 16) | (data[q + 3]! << 24);
      out[at + i] = (window >>> (bit & 7)) & mask;
      bit += width;
    }
  for (; i < n; i++) {
    const q = bit >>> 3;
    let window = 0;
    for (let k = 3; k >= 0; k--) window = (window << 8) | (data[q + k] ?? 0);
    out[at + i] = (window >>> (bit & 7)) & mask;
    bit += width;
  }
}
