/** What objdump -d prints, GNU's and LLVM's: functions, addresses, instruction words, assembly; with -r also what calls mean. */
import { InputError } from "../input/index.js";
import type { CodeContents, CodePart } from "./code-contents.js";
import type { ElfSymbol } from "./elf.js";

/** "ffff800080096f50 <name>:" */
const HEAD = /^([0-9a-f]+) <([^>]+)>:\s*$/i;
/** "  96f50:\td503201f \tnop", or bytes in their order: "  96f50: 1f 20 03 d5  \tnop" */
const ROW = /^\s*([0-9a-f]+):\s+(?:([0-9a-f]{8})|((?:[0-9a-f]{2} ){3}[0-9a-f]{2}))(?:\s+(.*))?$/i;
/** "\t\t\t96f9c: R_AARCH64_CALL26\t__kvm_tlb_flush_vmid" */
const RELOCATION = /^\s*([0-9a-f]+):\s+R_AARCH64_(?:CALL26|JUMP26)\s+([^\s+]+)/i;

/** Bytes between sections that objdump has at one address. */
const APART = 0x1000_0000;

/** Reads such text. Throws an InputError with the line where it is not what it should be. */
export function readObjdump(bytes: Uint8Array, file: string): CodeContents {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  if (text.includes("\0") || !/^\s*[0-9a-f]+ <[^>]+>:/im.test(text))
    throw InputError.at(
      file,
      0,
      "is neither an ELF file nor an arm64 Image nor text of objdump -d, expected one of them",
    );
  const machine = /file format (\S+)/.exec(text)?.[1];
  if (machine !== undefined && !/aarch64|arm64/.test(machine))
    throw InputError.at(file, 0, `is of ${machine}, expected AArch64`);
  const words = new Map<number, number>();
  const texts = new Map<number, string>();
  const calls = new Map<number, string>();
  const symbols: ElfSymbol[] = [];
  const lines = text.split(/\r?\n/);
  // Sections of an object file all begin at 0: those behind the first are moved.
  let [moved, sections] = [0, 0];
  const placeOf = (hex: string): number => addressOf(hex) + moved;
  for (const [i, line] of lines.entries()) {
    if (/^Disassembly of section/.test(line)) moved = -1;
    const head = HEAD.exec(line);
    if (head && moved < 0) moved = words.has(addressOf(head[1]!)) ? ++sections * APART : 0;
    if (head && !head[2]!.startsWith("$"))
      symbols.push({ name: head[2]!, address: placeOf(head[1]!), size: 0, kind: "function" });
    const row = ROW.exec(line);
    if (row) {
      const address = placeOf(row[1]!);
      const word = row[2] ?? row[3]!.split(" ").reverse().join("");
      words.set(address, Number.parseInt(word, 16));
      texts.set(
        address,
        (row[4] ?? "")
          .replace(/\s*(\/\/|;).*$/, "")
          .replace(/\s+/g, " ")
          .trim(),
      );
    }
    const relocation = RELOCATION.exec(line);
    if (relocation) calls.set(placeOf(relocation[1]!), relocation[2]!);
    if (/^\s*[0-9a-f]+:\s+[a-z]/i.test(line) && !row && !relocation && !/R_AARCH64/.test(line))
      throw InputError.at(file, i + 1, "has no instruction word, expected objdump -d without --no-show-raw-insn");
  }
  if (words.size === 0) throw InputError.at(file, 0, "has no instructions, expected text of objdump -d");
  return {
    what: "text of objdump",
    parts: partsOf(words),
    symbols: withSizes(symbols, words),
    texts,
    calls,
    table: () => undefined,
  };
}

/** Bits [51:0]. */
const addressOf = (hex: string): number => Number(BigInt.asUintN(52, BigInt(`0x${hex}`)));

/** Words that follow each other, together. */
function partsOf(words: ReadonlyMap<number, number>): CodePart[] {
  const addresses = [...words.keys()].sort((a, b) => a - b);
  const parts: CodePart[] = [];
  for (let i = 0; i < addresses.length; ) {
    let end = i + 1;
    while (end < addresses.length && addresses[end] === addresses[end - 1]! + 4) end++;
    const bytes = new Uint8Array(4 * (end - i));
    const view = new DataView(bytes.buffer);
    for (let k = i; k < end; k++) view.setUint32(4 * (k - i), words.get(addresses[k]!)!, true);
    parts.push({ address: addresses[i]!, bytes, executable: true });
    i = end;
  }
  return parts;
}

/** A function goes as far as the next, or as its last instruction. */
function withSizes(symbols: readonly ElfSymbol[], words: ReadonlyMap<number, number>): ElfSymbol[] {
  const starts = symbols.map(({ address }) => address).sort((a, b) => a - b);
  return symbols.map((symbol) => {
    const next = starts.find((start) => start > symbol.address) ?? Number.POSITIVE_INFINITY;
    let end = symbol.address;
    while (end < next && words.has(end)) end += 4;
    return { ...symbol, size: end - symbol.address };
  });
}
