/** ELF64 files for AArch64, as far as they are needed here: what stands at an address, the symbols, the libraries needed. */
import { InputError } from "../input/index.js";

/** A symbol with an address. Sizes are in bytes; 0 where the file does not say. */
export interface ElfSymbol {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  readonly kind: "function" | "object" | "other";
}

/** A stretch of the file that is executable: its link address and its bytes. */
export interface ElfText {
  readonly name: string;
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

// gABI: e_machine, sh_type, sh_flags, p_type, st_info, d_tag.
const EM_AARCH64 = 183;
const ET_REL = 1;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHF_EXECINSTR = 4;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const STT = ["other", "object", "function"] as const;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/**
 * An ELF file, opened. Addresses are link addresses, as numbers: bits [51:0], which hold AArch64's 48-bit and 52-bit VAs and fit
 * a double. Those of the upper half (Linux's) have bit 51 set.
 */
export class Elf {
  private readonly view: DataView;
  private readonly sections: readonly ElfSection[];
  private readonly segments: readonly Segment[];

  /** `file` names it in errors. Throws an InputError for anything but a little-endian ELF64 file for AArch64. */
  constructor(
    private readonly bytes: Uint8Array,
    readonly file: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!isElf(bytes)) throw InputError.at(file, 0, "not an ELF file");
    if (bytes.length < 64 || bytes[4] !== 2 || bytes[5] !== 1 || this.view.getUint16(18, true) !== EM_AARCH64)
      throw InputError.at(file, 0, "expected a little-endian 64-bit ELF file for AArch64");
    try {
      this.segments = this.readSegments();
      this.sections = this.readSections();
    } catch (error) {
      throw this.broken(error);
    }
  }

  private broken(error: unknown): unknown {
    return error instanceof RangeError ? InputError.at(this.file, 0, "the ELF file ends too early") : error;
  }

  /** Bits [51:0] of a 64-bit number: exact in a double. */
  private wide(at: number): number {
    return this.view.getUint32(at, true) + (this.view.getUint32(at + 4, true) & 0xf_ffff) * 2 ** 32;
  }

  private readSegments(): Segment[] {
    const first = this.wide(32);
    return Array.from({ length: this.view.getUint16(56, true) }, (_, i) => {
      const at = first + i * this.view.getUint16(54, true);
      return {
        type: this.view.getUint32(at, true),
        offset: this.wide(at + 8),
        address: this.wide(at + 16),
        fileSize: this.wide(at + 32),
      };
    });
  }

  private readSections(): ElfSection[] {
    const first = this.wide(40);
    const size = this.view.getUint16(58, true);
    const at = (i: number): number => first + i * size;
    const strings = this.wide(at(this.view.getUint16(62, true)) + 24);
    return Array.from({ length: this.view.getUint16(60, true) }, (_, i) => ({
      name: this.text(strings + this.view.getUint32(at(i), true)),
      type: this.view.getUint32(at(i) + 4, true),
      flags: this.wide(at(i) + 8),
      address: this.wide(at(i) + 16),
      offset: this.wide(at(i) + 24),
      size: this.wide(at(i) + 32),
      link: this.view.getUint32(at(i) + 40, true),
      info: this.view.getUint32(at(i) + 44, true),
    }));
  }

  private text(at: number): string {
    let end = at;
    while (end < this.bytes.length && this.bytes[end] !== 0) end++;
    return Buffer.from(this.bytes.subarray(at, end)).toString("latin1");
  }

  /** Symbols of the symbol table, without those that have no name; empty when the file was stripped. */
  symbols(): ElfSymbol[] {
    const table = this.sections.find(({ type }) => type === SHT_SYMTAB);
    if (!table) return [];
    const strings = this.sections[table.link];
    if (!strings) return [];
    try {
      const list: ElfSymbol[] = [];
      for (let at = table.offset; at < table.offset + table.size; at += 24) {
        const name = this.text(strings.offset + this.view.getUint32(at, true));
        // $x and $d only say where code and data begin (AAELF64, mapping symbols).
        if (name === "" || name.startsWith("$")) continue;
        const kind = STT[this.view.getUint8(at + 4) & 15] ?? "other";
        if (this.view.getUint16(at + 6, true) === 0) continue; // undefined
        list.push({ name, address: this.wide(at + 8), size: this.wide(at + 16), kind });
      }
      return list;
    } catch (error) {
      throw this.broken(error);
    }
  }

  /** True for an object file that is not linked yet (ET_REL): its sections have no addresses. */
  get relocatable(): boolean {
    return this.view.getUint16(16, true) === ET_REL;
  }

  /** All sections, in the file's order; their contents by {@link contents}. */
  sectionList(): readonly ElfSection[] {
    return this.sections;
  }

  /** The bytes of a section; none of one without contents. Throws an InputError where the file ends before. */
  contents({ type, offset, size }: ElfSection): Uint8Array {
    if (type === SHT_NOBITS) return new Uint8Array(0);
    if (offset + size > this.bytes.length) throw this.broken(new RangeError("a section goes beyond the file's end"));
    return this.bytes.subarray(offset, offset + size);
  }

  /** The executable sections that have contents. */
  texts(): ElfText[] {
    return this.sections
      .filter(({ type, flags }) => (flags & SHF_EXECINSTR) !== 0 && type !== SHT_NOBITS)
      .map(({ name, address, offset, size }) => ({ name, address, bytes: this.bytes.subarray(offset, offset + size) }));
  }

  /** Bytes as they are loaded, from the first address to the last one that the file has contents for. */
  image(): { readonly address: number; readonly bytes: Uint8Array } {
    const loads = this.segments.filter(({ type, fileSize }) => type === PT_LOAD && fileSize > 0);
    const first = Math.min(...loads.map(({ address }) => address));
    const last = Math.max(...loads.map(({ address, fileSize }) => address + fileSize));
    if (loads.length === 0 || !(last - first < 2 ** 30))
      throw InputError.at(this.file, 0, "nothing to load, or more than 1 GiB");
    if (loads.some(({ offset, fileSize }) => offset + fileSize > this.bytes.length))
      throw this.broken(new RangeError("a segment goes beyond the file's end"));
    const bytes = new Uint8Array(last - first);
    for (const { address, offset, fileSize } of loads)
      bytes.set(this.bytes.subarray(offset, offset + fileSize), address - first);
    return { address: first, bytes };
  }

  /** The same file with other bytes to load: `image` as {@link image} gives them, as far as it goes. */
  patched(image: Uint8Array): Elf {
    // A Buffer's own slice() would share its bytes.
    const bytes = Uint8Array.from(this.bytes);
    const { address: first } = this.image();
    for (const { type, address, offset, fileSize } of this.segments)
      if (type === PT_LOAD) bytes.set(image.subarray(address - first, address - first + fileSize), offset);
    return new Elf(bytes, this.file);
  }

  /** The build-id in hexadecimal (the note that the linker leaves with --build-id); "" when there is none. */
  buildId(): string {
    const note = this.sections.find(({ name }) => name === ".note.gnu.build-id");
    if (!note) return "";
    try {
      // Elf64_Nhdr: name's size, descriptor's size, type; then the name, padded to four bytes, and the descriptor.
      const [name, size] = [this.view.getUint32(note.offset, true), this.view.getUint32(note.offset + 4, true)];
      const from = note.offset + 12 + ((name + 3) & ~3);
      if (size > MAX_BUILD_ID) return "";
      return Buffer.from(this.bytes.subarray(from, from + size)).toString("hex");
    } catch (error) {
      throw this.broken(error);
    }
  }

  /** Names of the shared libraries that it needs (DT_NEEDED). */
  needed(): string[] {
    const dynamic = this.segments.find(({ type }) => type === PT_DYNAMIC);
    if (!dynamic) return [];
    try {
      const offsets: number[] = [];
      let strings = 0;
      for (let at = dynamic.offset; at < dynamic.offset + dynamic.fileSize; at += 16) {
        const tag = this.wide(at);
        if (tag === 0) break;
        if (tag === DT_NEEDED) offsets.push(this.wide(at + 8));
        if (tag === DT_STRTAB) strings = this.offsetOf(this.wide(at + 8));
      }
      return offsets.map((offset) => this.text(strings + offset));
    } catch (error) {
      throw this.broken(error);
    }
  }

  private offsetOf(address: number): number {
    const segment = this.segments.find(
      (s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.fileSize,
    );
    return segment ? segment.offset + address - segment.address : address;
  }
}

/** Longest build-id that is taken for one, in bytes; SHA-1 has 20. */
const MAX_BUILD_ID = 64;

/** True when the bytes begin as an ELF file's do. */
export const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
