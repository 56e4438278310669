/** A set of pages of an IPA space, as bitmaps of 2^18 pages each (1 GiB of 4 KiB pages), made where something is in it. */
const SPAN_BITS = 18;
const SPAN = 2 ** SPAN_BITS;

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

  has(page: number): boolean {
    const span = Math.floor(page / SPAN);
    const bit = page - span * SPAN;
    return ((this.words(span)[bit >> 5]! >>> (bit & 31)) & 1) === 1;
  }

  /** Adds `count` pages from a multiple of `count`; `count` is a power of two. */
  add(first: number, count: number): void {
    for (let at = first; at < first + count; at += SPAN) {
      const span = Math.floor(at / SPAN);
      const bit = at - span * SPAN;
      const words = this.words(span);
      if (count < 32) words[bit >> 5]! |= (0xffff_ffff >>> (32 - count)) << (bit & 31);
      else words.fill(0xffff_ffff, bit >> 5, (bit + Math.min(count, SPAN)) >> 5);
    }
  }
}
