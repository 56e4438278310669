/** Longest bytes that are compared with those before them: pages in which all rows have the same value have a dozen or two. */
const SHORT = 64;

/**
 * Remembers what came of the last short bytes, for the pages of a column in which nothing changes are all alike: to set zlib up
 * takes far longer than their few bytes.
 */
export class Repeats {
  private last: Uint8Array | undefined;
  private result = new Uint8Array(0);

  /** What `work` makes of these bytes, which is not to be changed. */
  of(bytes: Uint8Array, work: () => Uint8Array): Uint8Array {
    if (bytes.length > SHORT) return work();
    if (this.last === undefined || !isSame(this.last, bytes)) {
      this.last = undefined; // in case that the work fails
      this.result = new Uint8Array(work());
      this.last = new Uint8Array(bytes);
    }
    return this.result;
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
