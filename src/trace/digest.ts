/** Tells whether two traces are the same, event for event, without keeping either: a digest of the whole. */
import type { EventBuffer, TraceSink } from "./buffer.js";
import { type Names, nameOf } from "./event.js";

/**
 * A sink that digests every column of every event, in order, into 64 bits. Names count by their text, so that the form of
 * the file, and the order in which its names came up, change nothing. Not for use against an adversary.
 */
export class TraceDigest implements TraceSink {
  private count = 0;
  private a = 0x243f_6a88;
  private b = 0x85a3_08d3;
  /** by kind and code: digest of the name */
  private readonly codes = new Map<number, number>();
  /** by id: digest of the text */
  private readonly texts: number[] = [];

  events(buffer: EventBuffer, names: Names): void {
    const { kind, pcpu, code, domain, vmid, stage, level, slot, site, address, from, to, length } = buffer;
    for (let id = this.texts.length; id < names.list.length; id++) this.texts.push(textDigest(names.list[id]!));
    const { texts } = this;
    for (let i = 0; i < length; i++) {
      this.add(this.code(kind[i]!, code[i]!, names));
      this.add(texts[site[i]!]!);
      this.add(kind[i]! | (pcpu[i]! << 8) | (stage[i]! << 16) | ((level[i]! & 0xff) << 24));
      this.add(domain[i]! | (vmid[i]! << 16));
      this.add(slot[i]!);
      for (let half = 2 * i; half < 2 * i + 2; half++) {
        this.add(address[half]!);
        this.add(from[half]!);
        this.add(to[half]!);
      }
    }
    this.count += length;
  }

  private code(kind: number, code: number, names: Names): number {
    const key = kind * 0x1_0000 + code;
    let digest = this.codes.get(key);
    if (digest === undefined) {
      digest = textDigest(nameOf(kind, code, names));
      this.codes.set(key, digest);
    }
    return digest;
  }

  /** One 32-bit word into two states, each with the steps of MurmurHash3 and constants of its own. */
  private add(word: number): void {
    const k = Math.imul(word, 0xcc9e_2d51);
    this.a = step(this.a ^ Math.imul((k << 15) | (k >>> 17), 0x1b87_3593), 13);
    const m = Math.imul(word ^ this.a, 0x85eb_ca6b);
    this.b = step(this.b ^ Math.imul((m << 16) | (m >>> 16), 0xc2b2_ae35), 17);
  }

  /** Events, and 64 bits in hex: equal for equal traces. */
  digest(): string {
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");
    return `${this.count}:${hex(this.a)}${hex(this.b)}`;
  }
}

const step = (state: number, by: number): number =>
  (Math.imul((state << by) | (state >>> (32 - by)), 5) + 0xe654_6b64) | 0;

/** FNV-1a of the text's UTF-16 units. */
function textDigest(text: string): number {
  let digest = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) digest = Math.imul(digest ^ text.charCodeAt(i), 0x0100_0193);
  return digest;
}
