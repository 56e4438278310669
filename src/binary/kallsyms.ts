/**
 * The symbols that a Linux Image carries of itself (CONFIG_KALLSYMS; scripts/kallsyms.c, kernel/kallsyms.c): names packed with
 * 256 tokens, and addresses as 32-bit offsets from one base. Nothing in the Image says where the tables lie, so they are
 * recognised by what they must be to each other.
 */
import type { ElfSymbol } from "./elf.js";

/** Symbols by address, and the address at which the Image's first byte is linked; addresses as in elf.ts. */
interface Kallsyms {
  readonly base: number;
  readonly symbols: readonly ElfSymbol[];
}

/** Names between two of the markers (kernel/kallsyms.c). */
const MARKED = 256;
/** Longest name, with its type (KSYM_NAME_LEN, include/linux/kallsyms.h). */
const LONGEST = 512;

/** Reads the table; undefined when the Image has none, or one that is laid out in a way that is not known here. */
export function readKallsyms(image: Uint8Array): Kallsyms | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const buffer = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  // Digits stand in many names, so each is a token of its own, at its own code.
  const digits = Buffer.from([..."0123456789"].map((digit) => `${digit}\0`).join(""), "latin1");
  for (let at = buffer.indexOf(digits); at >= 0; at = buffer.indexOf(digits, at + 1)) {
    const tokens = tokensAround(buffer, at);
    const found = tokens && tablesBeside(view, tokens);
    if (found) return found;
  }
  return undefined;
}

interface Tokens {
  readonly first: number;
  /** where kallsyms_token_index ends */
  readonly end: number;
  readonly texts: readonly string[];
}

/** kallsyms_token_table with its digits at an offset, and kallsyms_token_index behind it, which must agree. */
function tokensAround(buffer: Buffer, digits: number): Tokens | undefined {
  let first = digits;
  for (let token = "0".charCodeAt(0); token > 0; token--) {
    first--;
    while (first > 0 && buffer[first - 1] !== 0) first--;
    if (first <= 0) return undefined;
  }
  const texts: string[] = [];
  const starts: number[] = [];
  let at = first;
  while (texts.length < 256) {
    const end = buffer.indexOf(0, at);
    if (end < 0 || end - at > LONGEST) return undefined;
    starts.push(at - first);
    texts.push(buffer.toString("latin1", at, end));
    at = end + 1;
  }
  const index = aligned(at);
  if (index + 512 > buffer.length || starts.some((start, i) => buffer.readUInt16LE(index + 2 * i) !== start))
    return undefined;
  return { first, end: index + 512, texts };
}

const aligned = (at: number): number => Math.ceil(at / 8) * 8;

/** kallsyms_markers before the tokens, names before these, and the offsets where this layout has them. */
function tablesBeside(view: DataView, tokens: Tokens): Kallsyms | undefined {
  const u32 = (at: number): number => (at >= 0 && at + 4 <= view.byteLength ? view.getUint32(at, true) : -1);
  let last = tokens.first - 4;
  if (u32(last) === 0) last -= 4; // padding
  let markers = last;
  while (u32(markers - 4) >= 0 && u32(markers - 4) < u32(markers)) markers -= 4;
  if (u32(markers) !== 0) return undefined;
  const blocks = (last - markers) / 4 + 1;
  // Names end where the markers begin; the last block of them has at most 256.
  const highest = markers - u32(last) - 2;
  for (let names = Math.floor(highest / 8) * 8; names >= 8 && names > highest - MARKED * LONGEST; names -= 8) {
    const count = u32(names - 8);
    if (Math.ceil(count / MARKED) !== blocks) continue;
    const packed = unpack(view, names, count, markers, (block) => u32(markers + 4 * block));
    if (packed) return withAddresses(view, tokens, names, packed);
  }
  return undefined;
}

/** Where each name's tokens begin and how many they are; undefined where the markers say otherwise. */
function unpack(
  view: DataView,
  names: number,
  count: number,
  end: number,
  marker: (block: number) => number,
): readonly (readonly [at: number, length: number])[] | undefined {
  const list: [number, number][] = [];
  let at = names;
  for (let i = 0; i < count; i++) {
    if (at + 1 >= end || (i % MARKED === 0 && marker(i / MARKED) !== at - names)) return undefined;
    let length = view.getUint8(at++);
    // Since Linux 6.1 a long name has its length in two bytes of seven bits.
    if (length >= 128) length = (length & 127) | (view.getUint8(at++) << 7);
    list.push([at, length]);
    at += length;
  }
  return at <= end && end - at < 8 ? list : undefined;
}

function withAddresses(
  view: DataView,
  tokens: Tokens,
  names: number,
  packed: readonly (readonly [number, number])[],
): Kallsyms | undefined {
  const count = packed.length;
  const size = aligned(4 * count);
  // Since Linux 6.4 the offsets follow the tokens; before, the offsets and the base stand before the number of names.
  const layouts = [
    { offsets: aligned(tokens.end), base: aligned(tokens.end) + size },
    { offsets: names - 16 - size, base: names - 16 },
  ];
  for (const { offsets, base } of layouts) {
    if (offsets < 0 || base + 8 > view.byteLength) continue;
    let ascending = true;
    for (let i = 1; i < count && ascending; i++)
      ascending = view.getUint32(offsets + 4 * i, true) >= view.getUint32(offsets + 4 * i - 4, true);
    if (!ascending) continue;
    const first = view.getUint32(base, true) + (view.getUint32(base + 4, true) & 0xf_ffff) * 2 ** 32;
    return {
      base: first,
      symbols: symbolsOf(view, tokens, packed, (i) => first + view.getUint32(offsets + 4 * i, true)),
    };
  }
  return undefined;
}

function symbolsOf(
  view: DataView,
  { texts }: Tokens,
  packed: readonly (readonly [number, number])[],
  addressOf: (i: number) => number,
): ElfSymbol[] {
  const list: ElfSymbol[] = [];
  for (let i = 0; i < packed.length; i++) {
    const [at, length] = packed[i]!;
    let text = "";
    for (let k = 0; k < length; k++) text += texts[view.getUint8(at + k)]!;
    const address = addressOf(i);
    let next = i + 1;
    while (next < packed.length && addressOf(next) === address) next++;
    const size = next < packed.length ? addressOf(next) - address : 0;
    const kind = /^[tw]/i.test(text) ? "function" : "object";
    list.push({ name: text.slice(1), address, size, kind });
  }
  return list;
}
