/**
 * Parquet's hybrid of run lengths and bit packing (parquet-format, Encodings.md, "RLE/Bit-Packing Hybrid"), on typed
 * arrays: how the indexes of dictionary pages are written (hybrid-reader.ts reads them). The libraries' own forms work a value at
 * a time through a DataView.
 */

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

/** Fewer equal values are packed. */
export const SHORTEST_RUN = 8;

/** Appends `n` times the same value, at least {@link SHORTEST_RUN} times, at `width` bits. */
export function encodeRun(value: number, n: number, width: number, out: Bytes): void {
  out.varint(n * 2);
  out.reserve(4);
  for (let bits = 0; bits < width; bits += 8) out.data[out.length++] = value >>> bits;
}

/** Appends values[0..n) at `width` bits: runs of 8 and more as run lengths, the rest packed in groups of 8. */
export function encodeHybrid(values: Uint32Array, n: number, width: number, out: Bytes): void {
  let packedFrom = 0;
  let i = 0;
  while (i < n) {
    const value = values[i]!;
    let end = i + 1;
    while (end < n && values[end] === value) end++;
    if (end - i < SHORTEST_RUN) {
      i += 8; // the group joins the packed values before it; only the last one of all may be partial
      continue;
    }
    pack(values, packedFrom, i, width, out);
    encodeRun(value, end - i, width, out);
    i = end;
    packedFrom = end;
  }
  pack(values, packedFrom, n, width, out);
}

/**
 * Appends `n` zeros and ones, so many `ones`, at width 1: one run length if they are all the same, else all of them packed, which
 * gzip shortens.
 */
export function encodeBits(bits: Uint8Array, n: number, ones: number, out: Bytes): void {
  if (ones === 0 || ones === n) {
    out.varint(n * 2);
    out.append(Uint8Array.of(ones === 0 ? 0 : 1));
    return;
  }
  const bytes = Math.ceil(n / 8);
  out.varint(bytes * 2 + 1);
  out.reserve(bytes);
  const { data } = out;
  let at = out.length;
  out.length += bytes;
  let i = 0;
  for (; i + 8 <= n; i += 8)
    data[at++] =
      bits[i]! |
      (bits[i + 1]! << 1) |
      (bits[i + 2]! << 2) |
      (bits[i + 3]! << 3) |
      (bits[i + 4]! << 4) |
      (bits[i + 5]! << 5) |
      (bits[i + 6]! << 6) |
      (bits[i + 7]! << 7);
  if (i === n) return;
  data[at] = 0;
  for (let bit = 0; i < n; bit++) data[at]! |= bits[i++]! << bit;
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
  if (width === 8) {
    data.set(values.subarray(from, to), at);
    data.fill(0, at + to - from, end);
    out.length = end;
    return;
  }
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
