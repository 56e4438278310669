/** A set of pages of an IPA space, as bitmaps of 2^18 pages each (1 GiB of 4 KiB pages), made where something is in it. */
const SPAN_BITS = 18;
const SPAN = 2 ** SPAN_BITS;
/** exact, and faster than a division */
const SPANS_PER_PAGE = 1 / SPAN;

export class PageSet {
  private readonly spans = new Map<number, Uint32Array>();
  private lastSpan = -1;
  private lastWords: Uint32Array = new Uint32Array(0);

  private words(span: number): Uint32Array {
    if (span === this.lastSpan) return this.lastWords;
    let words = this.spans.get(span);
    if (words === undefined) {
      words = new Uint32Array(SPAN / 32);
      this.spans.set(span, words);
    }
    this.lastSpan = span;
    this.lastWords = words;
    return words;
  }

  /** Adds one page; true when it was in the set before. */
  addOne(page: number): boolean {
    const span = Math.floor(page * SPANS_PER_PAGE);
    const bit = page - span * SPAN;
    const words = this.words(span);
    const before = words[bit >> 5]!;
    words[bit >> 5] = before | (1 << (bit & 31));
    return ((before >>> (bit & 31)) & 1) === 1;
  }

  /** Adds `count` pages from a multiple of `count`; `count` is a power of two. */
  add(first: number, count: number): void {
    for (let at = first; at < first + count; at += SPAN) {
      const span = Math.floor(at * SPANS_PER_PAGE);
      const bit = at - span * SPAN;
      const words = this.words(span);
      if (count < 32) words[bit >> 5]! |= (0xffff_ffff >>> (32 - count)) << (bit & 31);
      else words.fill(0xffff_ffff, bit >> 5, (bit + Math.min(count, SPAN)) >> 5);
    }
  }
}
