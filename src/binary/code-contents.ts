/** What readers of code files hand to each other. Addresses are bits [51:0], as in elf.ts. */
import type { ElfSymbol } from "./elf.js";

/** Loaded bytes. */
export interface CodePart {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly executable: boolean;
}

/** Where a table of the file lies: between two symbols, or a section of an object file. */
export type TableAt = (
  name: string,
  end: string,
  section: string,
) => { readonly address: number; readonly size: number } | undefined;

/** What a reader finds in a file of its kind. */
export interface CodeContents {
  /** "an ELF file", ... */
  readonly what: string;
  readonly parts: readonly CodePart[];
  readonly symbols: readonly ElfSymbol[];
  /** assembly by address, where the file has it in words */
  readonly texts?: ReadonlyMap<number, string>;
  /** what a call calls, where the file says it beside the instruction */
  readonly calls?: ReadonlyMap<number, string>;
  readonly table: TableAt;
}

/** What tables about code are read with. */
export interface CodeReader {
  /** 32 bits at an address; undefined outside the file's contents */
  u32(address: number): number | undefined;
  /** a string that ends in NUL; undefined where none of printable characters stands */
  stringAt(address: number): string | undefined;
  /** the data of that name */
  object(name: string): ElfSymbol | undefined;
  /** the function that holds an address */
  functionAt(address: number): ElfSymbol | undefined;
  /** "NAME", or "NAME+0x8": what data an address lies in */
  dataName(address: number): string | undefined;
}
