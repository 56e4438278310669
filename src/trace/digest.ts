/**
 * Tells whether two traces are the same, event for event, without keeping either: a hash over one form of bytes, whatever
 * form the file has and in whatever order its names came up.
 *
 * The bytes are those of chunks of {@link BLOCK_EVENTS} events, the last one as long as the trace has events left. A chunk is
 *   - u32 events, u32 texts that came up in it for the first time
 *   - each of these texts: u32 length in units, UTF-16; in the order of the events, of each its `name` and then its `site`
 *   - the columns in the order of columns.ts, each as its array in the buffer, little-endian; of `name` and `site` u32, the
 *     number of the text in the order in which the texts came up; those of a host's counts only in a chunk that has one
 */
import { BLOCK_EVENTS, EventBuffer, type TraceSink } from "./buffer.js";
import { FIELDS } from "./columns.js";
import { KINDS, type Names, nameOf } from "./event.js";

/** A hash on its way, as node:crypto makes them. */
interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

const CODES = 0x1_0000;

/** A sink that digests every column of every event, in order. file.ts makes one of SHA-256. */
export class TraceDigest implements TraceSink {
  private done: string | undefined;
  private readonly chunk = new EventBuffer(BLOCK_EVENTS);
  /** the number of a text, in the order in which texts came up */
  private readonly texts = new Map<string, number>();
  /** those of the chunk at hand */
  private readonly fresh: string[] = [];
  /** number of a text + 1: by kind and code, and by site */
  private readonly ofCode = new Uint32Array(KINDS.length * CODES);
  private readonly ofSite = new Uint32Array(CODES);
  private readonly names = new Uint32Array(BLOCK_EVENTS);
  private readonly sites = new Uint32Array(BLOCK_EVENTS);

  constructor(private readonly hash: Hash) {}

  events(buffer: EventBuffer, names: Names): void {
    const { chunk } = this;
    for (let i = 0; i < buffer.length; ) {
      const n = Math.min(buffer.length - i, BLOCK_EVENTS - chunk.length);
      this.number(buffer, i, n, names);
      chunk.append(buffer, i, n);
      i += n;
      if (chunk.length === BLOCK_EVENTS) this.flush();
    }
  }

  /** The numbers of the texts of `n` events, for their places in the chunk. */
  private number(b: EventBuffer, first: number, n: number, names: Names): void {
    const { ofCode, ofSite, chunk } = this;
    const { kind, code, site } = b;
    for (let i = first, at = chunk.length; i < first + n; i++, at++) {
      const key = kind[i]! * CODES + code[i]!;
      if (ofCode[key] === 0) ofCode[key] = this.text(nameOf(kind[i]!, code[i]!, names));
      if (ofSite[site[i]!] === 0) ofSite[site[i]!] = this.text(names.list[site[i]!]!);
      this.names[at] = ofCode[key]! - 1;
      this.sites[at] = ofSite[site[i]!]! - 1;
    }
  }

  private text(text: string): number {
    let number = this.texts.get(text);
    if (number === undefined) {
      number = this.texts.size + 1;
      this.texts.set(text, number);
      this.fresh.push(text);
    }
    return number;
  }

  private flush(): void {
    const { chunk, hash, fresh } = this;
    const n = chunk.length;
    if (n === 0) return;
    hash.update(words(n, fresh.length));
    for (const text of fresh) {
      hash.update(words(text.length));
      hash.update(new Uint8Array(Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)).buffer));
    }
    fresh.length = 0;
    const counts = chunk.hasCounts();
    for (const { name, field, words, count } of FIELDS) {
      if (count && !counts) continue;
      const array = name === "name" ? this.names : name === "site" ? this.sites : chunk[field];
      hash.update(new Uint8Array(array.buffer, 0, words * n * array.BYTES_PER_ELEMENT));
    }
    chunk.clear();
  }

  /** The hash in hex: equal for equal traces. Nothing may come after it. */
  digest(): string {
    this.flush();
    this.done ??= this.hash.digest("hex");
    return this.done;
  }
}

const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
