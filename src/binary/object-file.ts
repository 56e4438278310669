/**
 * Object files (.o) that nothing has linked yet: their sections laid out one behind the other, and the relocations applied that
 * matter to code and to tables about code (AAELF64, 5.7). What is undefined gets an address that nothing stands at, so that a
 * call of it has a name.
 */
import { InputError } from "../input/index.js";
import type { Elf, ElfSection, ElfSymbol } from "./elf.js";

/** A stretch of memory as it is loaded. */
interface LaidOut {
  readonly parts: readonly { readonly address: number; readonly bytes: Uint8Array; readonly executable: boolean }[];
  readonly symbols: readonly ElfSymbol[];
  /** where a named section begins, and its bytes; for tables that have no symbols around them */
  section(name: string): { readonly address: number; readonly size: number } | undefined;
}

const SHT_RELA = 4;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHF_ALLOC = 2;
const SHF_EXECINSTR = 4;
/** Beyond all sections of an object file, and near enough for a branch. */
const UNDEFINED = 0x400_0000;
const STT = ["other", "object", "function"] as const;

// AAELF64's relocations of data and of branches.
const R_ABS64 = 257;
const R_PREL64 = 260;
const R_PREL32 = 261;
const R_TSTBR14 = 279;
const R_CONDBR19 = 280;
const BRANCH26 = [282, 283];

/** Lays an object file out. Throws an InputError for one that is damaged. */
export function layOut(elf: Elf): LaidOut {
  const sections = elf.sectionList();
  const addresses = new Map<ElfSection, number>();
  const parts: { address: number; bytes: Uint8Array; executable: boolean }[] = [];
  let next = 0x1000;
  for (const section of sections) {
    if ((section.flags & SHF_ALLOC) === 0 || section.type === SHT_NOBITS) continue;
    addresses.set(section, next);
    const bytes = elf.contents(section).slice();
    parts.push({ address: next, bytes, executable: (section.flags & SHF_EXECINSTR) !== 0 });
    next = Math.ceil((next + section.size + 64) / 4096) * 4096;
  }
  try {
    const symbols = symbolsOf(elf, sections, addresses);
    for (const section of sections)
      if (section.type === SHT_RELA) {
        const target = sections[section.info];
        const at = target && addresses.get(target);
        if (at !== undefined) relocate(elf.contents(section), parts.find(({ address }) => address === at)!, symbols);
      }
    return {
      parts,
      symbols: symbols.filter(({ name, kind }) => name !== "" && !name.startsWith("$") && kind !== "other"),
      section(name) {
        const found = sections.find((one) => one.name === name && addresses.has(one));
        return found && { address: addresses.get(found)!, size: found.size };
      },
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw InputError.at(elf.file, 0, "is damaged: a relocation or a symbol points out of its section");
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** All of the symbol table, by index: relocations name them so. */
function symbolsOf(elf: Elf, sections: readonly ElfSection[], at: ReadonlyMap<ElfSection, number>): ElfSymbol[] {
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  const names = table && sections[table.link];
  if (!table || !names) return [];
  const [view, strings] = [viewOf(elf.contents(table)), Buffer.from(elf.contents(names))];
  let undefinedNext = UNDEFINED;
  const list: ElfSymbol[] = [];
  for (let entry = 0; entry + 24 <= view.byteLength; entry += 24) {
    const start = view.getUint32(entry, true);
    const end = strings.indexOf(0, start);
    const index = view.getUint16(entry + 6, true);
    const section = sections[index];
    const base = section === undefined ? undefined : at.get(section);
    const outside = index === 0 || base === undefined;
    if (outside) undefinedNext += 16;
    const address = outside ? undefinedNext : base + view.getUint32(entry + 8, true);
    const type = view.getUint8(entry + 4) & 15;
    const name = strings.toString("latin1", start, end < 0 ? start : end);
    list.push({
      name,
      address,
      size: view.getUint32(entry + 16, true),
      kind: index === 0 ? "function" : (STT[type] ?? "other"),
    });
  }
  return list;
}

function relocate(
  table: Uint8Array,
  part: { address: number; bytes: Uint8Array },
  symbols: readonly ElfSymbol[],
): void {
  const [rows, view] = [viewOf(table), viewOf(part.bytes)];
  for (let row = 0; row + 24 <= rows.byteLength; row += 24) {
    const at = rows.getUint32(row, true);
    const type = rows.getUint32(row + 8, true);
    const symbol = symbols[rows.getUint32(row + 12, true)];
    if (symbol === undefined) throw new RangeError("no such symbol");
    const to = symbol.address + rows.getInt32(row + 16, true);
    const words = (to - (part.address + at)) / 4;
    const field = (low: number, bits: number): void => {
      const mask = (2 ** bits - 1) << low;
      view.setUint32(at, (view.getUint32(at, true) & ~mask) | ((words << low) & mask), true);
    };
    if (type === R_PREL32) view.setInt32(at, to - (part.address + at), true);
    else if (type === R_PREL64 || type === R_ABS64)
      view.setBigInt64(at, BigInt(type === R_ABS64 ? to : to - (part.address + at)), true);
    else if (type === R_TSTBR14) field(5, 14);
    else if (type === R_CONDBR19) field(5, 19);
    else if (BRANCH26.includes(type)) {
      field(0, 26);
    }
  }
}
