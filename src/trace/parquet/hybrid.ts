/**
 * Parquet's hybrid of run lengths and bit packing (parquet-format, Encodings.md, "RLE/Bit-Packing Hybrid"), on typed
 * arrays: the indexes of dictionary pages. The libraries' own forms work a value at a time through a DataView.
 */

/** Widest value: the packer's 32-bit accumulator holds up to 7 bits left over and one value. */
const MAX_WIDTH = 24;

/** Bits that hold the numbers 0 to `count` - 1, at least 1: some readers do not take a width of 0. */
export const widthOf = (count: number): number => Math.max(1, 32 - Math.clz32(count - 1));

/** Bytes that grow; `length` are in use. */
export class Bytes {
  data: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.data = new Uint8Array(capacity);
  }

  /** Makes room for `more` bytes; fetch `data` again afterwards. */
  reserve(more: number): void {
    if (this.length + more <= this.data.length) return;
    const grown = new Uint8Array(Math.max(2 * this.data.length, this.length + more));
    grown.set(this.data.subarray(0, this.length));
    this.data = grown;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.data.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** An unsigned LEB128 number below 2^32. */
  varint(value: number): void {
    this.reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.data[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.data[this.length++] = rest;
  }

  /** What is in use; valid until the next append. */
  view(): Uint8Array {
    return this.data.subarray(0, this.length);
  }
}

/** Appends values[0..n) at `width` bits: runs of 8 and more as run lengths, the rest packed in groups of 8. */
export function encodeHybrid(values: Uint32Array, n: number, width: number, out: Bytes): void {
  let packedFrom = 0;
  let i = 0;
  while (i < n) {
    const value = values[i]!;
    let end = i + 1;
    while (end < n && values[end] === value) end++;
    if (end - i < 8) {
      i += 8; // the group joins the packed values before it; only the last one of all may be partial
      continue;
    }
    pack(values, packedFrom, i, width, out);
    out.varint((end - i) * 2);
    out.reserve(4);
    for (let bits = 0; bits < width; bits += 8) out.data[out.length++] = value >>> bits;
    i = end;
    packedFrom = end;
  }
  pack(values, packedFrom, n, width, out);
}

/** Appends zeros and ones at width 1: one run length if they are all the same, else all of them packed, which gzip shortens. */
export function encodeBits(bits: Uint8Array, n: number, out: Bytes): void {
  let ones = 0;
  for (let i = 0; i < n; i++) ones += bits[i]!;
  if (ones === 0 || ones === n) {
    out.varint(n * 2);
    out.append(Uint8Array.of(ones === 0 ? 0 : 1));
    return;
  }
  const bytes = Math.ceil(n / 8);
  out.varint(bytes * 2 + 1);
  out.reserve(bytes);
  const { data } = out;
  for (let i = 0; i < n; i += 8) {
    let byte = 0;
    for (let bit = Math.min(8, n - i) - 1; bit >= 0; bit--) byte = (byte << 1) | bits[i + bit]!;
    data[out.length++] = byte;
  }
}

/** One packed run of values[from..to), its last group filled up with zeros. */
function pack(values: Uint32Array, from: number, to: number, width: number, out: Bytes): void {
  if (from >= to) return;
  const groups = Math.ceil((to - from) / 8);
  out.varint(groups * 2 + 1);
  out.reserve(groups * width);
  const data = out.data;
  let at = out.length;
  const end = at + groups * width;
  let left = 0;
  let bits = 0;
  for (let i = from; i < to; i++) {
    left |= values[i]! << bits;
    bits += width;
    while (bits >= 8) {
      data[at++] = left;
      left >>>= 8;
      bits -= 8;
    }
  }
  if (bits > 0) data[at++] = left;
  data.fill(0, at, end);
  out.length = end;
}

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

  /** Stores the dictionary's entries that the next `n` indexes name in out[at..at+n). */
  read(n: number, dictionary: Int32Array, out: Int32Array, at: number): void {
    const last = at + n;
    for (let i = at; i < last; ) {
      if (this.left === 0) this.nextRun();
      const some = Math.min(this.left, last - i);
      if (this.index >= 0) {
        if (this.index >= dictionary.length) throw new RangeError(BEYOND);
        out.fill(dictionary[this.index]!, i, i + some);
      } else {
        if (this.base + Math.ceil((this.bit + some * this.width) / 8) > this.end) throw new RangeError(TOO_SHORT);
        unpack(this.data, this.base, this.bit, this.width, some, dictionary, out, i);
        this.bit += some * this.width;
      }
      this.left -= some;
      i += some;
    }
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

/** `n` values of a packed run that begins at data[p], from its bit `from` on. Each value is cut out of a window of 2 or 4 bytes, so that none waits for the one before it. */
function unpack(
  data: Uint8Array,
  p: number,
  from: number,
  width: number,
  n: number,
  dictionary: Int32Array,
  out: Int32Array,
  at: number,
): void {
  const mask = 2 ** width - 1;
  const entries = dictionary.length;
  // Values whose window ends within the data; the few after them take missing bytes for zeros.
  const inside = Math.min(n, Math.max(0, Math.floor(((data.length - 4 - p) * 8 - from) / Math.max(1, width))));
  let bit = from;
  let i = 0;
  let beyond = 0;
  if (width <= 9)
    for (; i < inside; i++) {
      const q = p + (bit >>> 3);
      const index = ((data[q]! | (data[q + 1]! << 8)) >>> (bit & 7)) & mask;
      beyond |= index >= entries ? 1 : 0;
      out[at + i] = dictionary[index]!;
      bit += width;
    }
  else
    for (; i < inside; i++) {
      const q = p + (bit >>> 3);
      const window = data[q]! | (data[q + 1]! << 8) | (data[q + 2]! << 16) | (data[q + 3]! << 24);
      const index = (window >>> (bit & 7)) & mask;
      beyond |= index >= entries ? 1 : 0;
      out[at + i] = dictionary[index]!;
      bit += width;
    }
  for (; i < n; i++) {
    const q = p + (bit >>> 3);
    let window = 0;
    for (let k = 3; k >= 0; k--) window = (window << 8) | (data[q + k] ?? 0);
    const index = (window >>> (bit & 7)) & mask;
    beyond |= index >= entries ? 1 : 0;
    out[at + i] = dictionary[index] ?? 0;
    bit += width;
  }
  if (beyond !== 0) throw new RangeError(BEYOND);
}
