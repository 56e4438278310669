/** Small builds of Xen for tests: functions of instruction words, put into an ELF file as a linker would. */
import { Elf } from "./elf.js";
import { XenText } from "./text.js";

/** Where the code of test builds begins. */
export const BASE = 0xa000_0200_000;

export interface BuildSpec {
  /** functions one after another; a number is a word, "call NAME" and "jump NAME" are branches, "page" goes to the next 4 KiB */
  readonly code: Readonly<Record<string, readonly (number | string)[]>>;
  /** variables by name */
  readonly variables?: readonly string[];
  readonly symbols?: boolean;
}

interface Placed {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  readonly type: number;
}

/** The ELF file of a build. */
export function elfFile({ code, variables = [], symbols = true }: BuildSpec): Uint8Array {
  const placed: Placed[] = [];
  let at = BASE;
  for (const [name, words] of Object.entries(code)) {
    if (words[0] === "page") at = Math.ceil(at / 4096) * 4096;
    const size = 4 * words.filter((word) => word !== "page").length;
    placed.push({ name, address: at, size, type: 2 });
    at += size;
  }
  const text = Buffer.alloc(at - BASE);
  for (const { name, address } of placed) {
    let here = address;
    for (const word of code[name]!) {
      if (word === "page") continue;
      text.writeUInt32LE(typeof word === "number" ? word : branch(word, here, placed), here - BASE);
      here += 4;
    }
  }
  for (const name of variables) {
    placed.push({ name, address: at, size: 8, type: 1 });
    at += 8;
  }
  return elfBytes(text, symbols ? placed : []);
}

function branch(text: string, from: number, placed: readonly Placed[]): number {
  const [kind, name] = text.split(" ");
  const to = placed.find((f) => f.name === name)!.address;
  return ((kind === "call" ? 0x94000000 : 0x14000000) | (((to - from) / 4) & 0x3ff_ffff)) >>> 0;
}

function elfBytes(text: Buffer, placed: readonly Placed[]): Uint8Array {
  const names = Buffer.from(`\0${placed.map(({ name }) => name).join("\0")}\0`);
  const sectionNames = Buffer.from("\0.text\0.symtab\0.strtab\0");
  const table = Buffer.alloc(24 * (placed.length + 1));
  let name = 1;
  placed.forEach((symbol, i) => {
    const at = 24 * (i + 1);
    table.writeUInt32LE(name, at);
    table[at + 4] = symbol.type;
    table.writeUInt16LE(1, at + 6);
    table.writeBigUInt64LE(BigInt(symbol.address), at + 8);
    table.writeBigUInt64LE(BigInt(symbol.size), at + 16);
    name += symbol.name.length + 1;
  });
  const parts = [text, table, names, sectionNames];
  const offsets: number[] = [];
  let end = 64 + 56;
  for (const part of parts) {
    offsets.push(end);
    end += part.length;
  }
  const header = Buffer.alloc(64 + 56);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(183, 18);
  header.writeBigUInt64LE(64n, 32);
  header.writeBigUInt64LE(BigInt(end), 40);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(placed.length > 0 ? 5 : 2, 60);
  header.writeUInt16LE(placed.length > 0 ? 4 : 1, 62);
  header.writeUInt32LE(1, 64);
  header.writeBigUInt64LE(BigInt(offsets[0]!), 64 + 8);
  header.writeBigUInt64LE(BigInt(BASE), 64 + 16);
  header.writeBigUInt64LE(BigInt(text.length), 64 + 32);
  const section = (
    nameAt: number,
    type: number,
    flags: number,
    part: number,
    address: number,
    link: number,
  ): Buffer => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32LE(nameAt, 0);
    bytes.writeUInt32LE(type, 4);
    bytes.writeBigUInt64LE(BigInt(flags), 8);
    bytes.writeBigUInt64LE(BigInt(address), 16);
    bytes.writeBigUInt64LE(BigInt(offsets[part]!), 24);
    bytes.writeBigUInt64LE(BigInt(parts[part]!.length), 32);
    bytes.writeUInt32LE(link, 40);
    return bytes;
  };
  const code = section(1, 1, 6, 0, BASE, 0);
  const strings = section(15, 3, 0, 3, 0, 0);
  const sections =
    placed.length > 0
      ? [Buffer.alloc(64), code, section(7, 2, 0, 1, 0, 3), section(15, 3, 0, 2, 0, 0), strings]
      : [code, strings];
  return Buffer.concat([header, ...parts, ...sections]);
}

/** The text of a build. */
export const buildText = (spec: BuildSpec): XenText => new XenText(new Elf(elfFile(spec), "xen-syms"));

// Words that builds are made of, as the LLVM assembler makes them.
export const NOP = 0xd503201f;
export const RET = 0xd65f03c0;
export const ISB = 0xd5033fdf;
export const DSB_SY = 0xd5033f9f;
export const DSB_ISH = 0xd5033b9f;
export const DSB_ISHST = 0xd5033a9f;
/** TLBI VMALLS12E1IS */
export const VMALLS12E1IS = 0xd50c83df;
/** TLBI VAE2IS, Xt */
export const vae2is = (rt: number): number => (0xd50c8320 | rt) >>> 0;
/** MSR VTTBR_EL2, Xt */
export const msrVttbr = (rt: number): number => (0xd51c2100 | rt) >>> 0;
/** MSR VTCR_EL2, Xt */
export const msrVtcr = (rt: number): number => (0xd51c2140 | rt) >>> 0;
/** TST Xn, #7 */
export const tst7 = (rn: number): number => (0xf240081f | (rn << 5)) >>> 0;
/** B.NE, so many words on or back */
export const bNe = (words: number): number => (0x54000001 | ((words & 0x7ffff) << 5)) >>> 0;
/** B */
export const b = (words: number): number => (0x14000000 | (words & 0x3ff_ffff)) >>> 0;
export const BRK = 0xd4200020;
/** STR Xt, [Xn] */
export const str = (rt: number, rn: number): number => (0xf9000000 | (rn << 5) | rt) >>> 0;

/** A program or library that needs others: an ELF file with a dynamic segment alone. */
export function dynamicElf(needed: readonly string[]): Uint8Array {
  const strings = Buffer.from(`\0${needed.join("\0")}\0`);
  const entries = Buffer.alloc(16 * (needed.length + 2));
  const offset = 64 + 56;
  let name = 1;
  needed.forEach((library, i) => {
    entries.writeBigUInt64LE(1n, 16 * i); // DT_NEEDED
    entries.writeBigUInt64LE(BigInt(name), 16 * i + 8);
    name += library.length + 1;
  });
  entries.writeBigUInt64LE(5n, 16 * needed.length); // DT_STRTAB
  entries.writeBigUInt64LE(BigInt(offset + entries.length), 16 * needed.length + 8);
  const header = Buffer.alloc(offset);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(3, 16);
  header.writeUInt16LE(183, 18);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(2, 64); // PT_DYNAMIC
  header.writeBigUInt64LE(BigInt(offset), 64 + 8);
  header.writeBigUInt64LE(BigInt(offset), 64 + 16);
  header.writeBigUInt64LE(BigInt(entries.length), 64 + 32);
  return Buffer.concat([header, entries, strings]);
}
