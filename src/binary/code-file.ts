/**
 * A file with people's code in it, whatever its kind: an ELF file, a Linux arm64 Image, or what objdump -d printed. What stands
 * at an address, what it is called, and what may be put in its place at boot.
 */
import { gunzipSync } from "node:zlib";
import { noteBytes } from "../files/index.js";
import { InputError } from "../input/index.js";
import type { CodeContents, CodePart, CodeReader, TableAt } from "./code-contents.js";
import { Elf, type ElfSymbol, isElf } from "./elf.js";
import { readKallsyms } from "./kallsyms.js";
import { readObjdump } from "./objdump.js";
import { layOut } from "./object-file.js";
import { type Alternative, type JumpLabel, readAlternatives, readJumpLabels } from "./patch-sites.js";
import { readInput } from "./xen-image.js";

/** Addresses are bits [51:0], as in elf.ts. */
export class CodeFile implements CodeReader {
  readonly what: string;
  readonly functions: readonly ElfSymbol[];
  /** what may be put in place of words, by the address of the first */
  readonly alternatives: ReadonlyMap<number, Alternative>;
  /** branches that a static key switches */
  readonly jumpLabels: ReadonlyMap<number, JumpLabel>;
  private readonly parts: readonly (CodePart & { readonly view: DataView })[];
  private readonly objects: readonly ElfSymbol[];

  constructor(
    readonly file: string,
    private readonly contents: CodeContents,
  ) {
    this.what = contents.what;
    this.parts = contents.parts.map((part) => ({
      ...part,
      view: new DataView(part.bytes.buffer, part.bytes.byteOffset, part.bytes.byteLength),
    }));
    const sorted = [...contents.symbols].sort((a, b) => a.address - b.address);
    this.functions = sorted.filter(({ kind }) => kind === "function").map((symbol, i, all) => sized(symbol, i, all));
    this.objects = sorted.filter(({ kind }) => kind === "object").map((symbol, i, all) => sized(symbol, i, all));
    this.alternatives = readAlternatives(this, contents.table);
    this.jumpLabels = readJumpLabels(this, contents.table);
  }

  /** The instruction word at an address; undefined where no code stands. */
  word(address: number): number | undefined {
    return this.u32(address, true);
  }

  /** 32 bits of data or code at an address; undefined outside the file's contents. */
  u32(address: number, code = false): number | undefined {
    for (const { address: first, bytes, view, executable } of this.parts)
      if (address >= first && address + 4 <= first + bytes.length && (executable || !code))
        return view.getUint32(address - first, true);
    return undefined;
  }

  /** A string that ends in NUL; undefined where none of printable characters stands. */
  stringAt(address: number): string | undefined {
    const part = this.parts.find(({ address: at, bytes }) => address >= at && address < at + bytes.length);
    if (part === undefined) return undefined;
    const from = address - part.address;
    const end = part.bytes.indexOf(0, from);
    if (end < from + 4 || end - from > 120) return undefined;
    const text = Buffer.from(part.bytes.subarray(from, end)).toString("latin1");
    return /^[ -~]+$/.test(text) ? text : undefined;
  }

  /** Assembly as the file itself has it. */
  textAt(address: number): string | undefined {
    return this.contents.texts?.get(address);
  }

  /** The name of what is called at an address, where the file says it there. */
  callAt(address: number): string | undefined {
    return this.contents.calls?.get(address);
  }

  /** Functions of that name; several where static ones share it. */
  named(name: string): readonly ElfSymbol[] {
    return this.functions.filter((f) => f.name === name);
  }

  /** The data of that name. */
  object(name: string): ElfSymbol | undefined {
    return this.objects.find((one) => one.name === name);
  }

  /** The function that holds an address, or begins there. */
  functionAt(address: number): ElfSymbol | undefined {
    return within(this.functions, address);
  }

  /** "NAME", or "NAME+0x8": what data an address lies in; undefined far from any. */
  dataName(address: number): string | undefined {
    const found = within(this.objects, address);
    if (found === undefined) return undefined;
    return found.address === address ? found.name : `${found.name}+0x${(address - found.address).toString(16)}`;
  }
}

/** Files without sizes: a symbol goes as far as the next. */
function sized(symbol: ElfSymbol, i: number, all: readonly ElfSymbol[]): ElfSymbol {
  if (symbol.size > 0) return symbol;
  let next = i + 1;
  while (next < all.length && all[next]!.address === symbol.address) next++;
  return next < all.length ? { ...symbol, size: all[next]!.address - symbol.address } : { ...symbol, size: 4 };
}

/** The symbol that holds an address, of a sorted list; the first of several at one address. */
function within(list: readonly ElfSymbol[], address: number): ElfSymbol | undefined {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  let at = low - 1;
  while (at > 0 && list[at - 1]!.address === list[at]!.address) at--;
  const found = list[at];
  return found && address < found.address + found.size ? found : undefined;
}

/** "0xffff800080096f50": an address in full. */
export const fullAddress = (address: number): string =>
  `0x${address >= 2 ** 51 ? `fff${address.toString(16)}` : address.toString(16)}`;

/** "ARM\x64" at byte 56 of a Linux boot executable Image (Documentation/arch/arm64/booting.rst). */
const IMAGE_MAGIC = 0x644d5241;

/** Opens a file, its kind told by its content. Throws an InputError that names what was expected. */
export function openCode(path: string): CodeFile {
  const bytes = readInput(path);
  noteBytes(path, bytes);
  return codeOf(path, bytes);
}

/** A file's bytes as code; `what` says what they are in place of what their kind is called. Throws an InputError. */
export function codeOf(path: string, contents: Uint8Array, what?: string): CodeFile {
  let bytes = contents;
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: 1 << 30 });
    } catch {
      throw InputError.at(path, 0, "is damaged: gzip cannot unpack it");
    }
  const found = contentsOf(path, bytes, what !== undefined);
  return new CodeFile(path, what === undefined ? found : { ...found, what });
}

/** `compiled`: out of a source, just now. */
function contentsOf(path: string, bytes: Uint8Array, compiled: boolean): CodeContents {
  if (isElf(bytes)) return elfContents(new Elf(bytes, path), compiled);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 64 && view.getUint32(56, true) === IMAGE_MAGIC) return imageContents(bytes, path);
  if (bytes.length >= 8 && bytes[0] === 0x4d && bytes[1] === 0x5a)
    throw InputError.at(path, 0, "is an EFI program (a zboot image?), expected the Image that it unpacks");
  if (bytes.length === 0)
    throw InputError.at(path, 0, "is empty, expected an ELF file, an arm64 Image or text of objdump -d");
  return readObjdump(bytes, path);
}

function elfContents(elf: Elf, compiled: boolean): CodeContents {
  const object = elf.relocatable ? layOut(elf) : undefined;
  const symbols = object?.symbols ?? elf.symbols();
  if (!symbols.some(({ kind }) => kind === "function"))
    throw InputError.at(
      elf.file,
      0,
      compiled
        ? "has no function in what the compiler makes of it: a static one that nobody calls is left out"
        : "has no function symbols: it was stripped; expected the file that was not (vmlinux, xen-syms, an object file)",
    );
  if (object)
    return { what: "an object file", parts: object.parts, symbols, table: (_, __, section) => object.section(section) };
  const image = elf.image();
  const code = elf.texts().map(({ address, bytes }) => ({ address, bytes, executable: true }));
  const end = image.address + image.bytes.length;
  const parts = [...code, { ...image, executable: false }];
  if (code.some(({ address, bytes }) => bytes.length > 0 && (address < image.address || address + bytes.length > end)))
    throw InputError.at(elf.file, 0, "the ELF file ends too early");
  return { what: "an ELF file", parts, symbols, table: between(symbols) };
}

/** A table between two symbols. */
const between =
  (symbols: readonly ElfSymbol[]): TableAt =>
  (name, end) => {
    const [first, last] = [name, end].map((wanted) => symbols.find((symbol) => symbol.name === wanted)?.address);
    return first === undefined || last === undefined || last < first
      ? undefined
      : { address: first, size: last - first };
  };

function imageContents(bytes: Uint8Array, path: string): CodeContents {
  const kallsyms = readKallsyms(bytes);
  if (kallsyms === undefined)
    throw InputError.at(
      path,
      0,
      "is an arm64 Image without symbols of its own that could be read (CONFIG_KALLSYMS), expected a Linux Image with them, or an ELF file (vmlinux, xen-syms)",
    );
  const { base, symbols } = kallsyms;
  const parts = [{ address: base, bytes, executable: true }];
  return { what: "a Linux arm64 Image", parts, symbols, table: between(symbols) };
}
