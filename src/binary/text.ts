/** Xen's code, decoded: its functions by name, and who calls whom. */
import { type Branch, decodeBranch, decodeTlbi } from "../arch/index.js";
import { InputError } from "../input/index.js";
import type { Elf, ElfSymbol, ElfText } from "./elf.js";

/** A function of the symbol table. Addresses are link addresses, sizes bytes. */
export type XenFunction = ElfSymbol;

/** A direct branch out of an instruction. */
interface DirectBranch {
  readonly from: number;
  readonly to: number;
  readonly call: boolean;
}

/** Code from an address to before another. */
export interface Stretch {
  readonly first: number;
  readonly end: number;
}

/** A stretch of code that is not Xen's own. It runs in a function's place, with its return address: `within` is that. */
export interface InjectedPart extends Stretch {
  /** what it is, where it is a policy's: "policy kvm-ipa, revoke" */
  readonly code: string | undefined;
  readonly within: XenFunction;
}

/** Words that may replace those at an address (struct alt_instr, asm/alternative.h). */
interface Alternative {
  readonly address: number;
  readonly words: readonly number[];
}

/** Bytes of a struct alt_instr: two offsets of 32 bits from themselves, a 16-bit feature, two 8-bit lengths. */
const ALT_INSTR = 12;

/** Xen's code with its functions. */
export class XenText {
  readonly functions: readonly XenFunction[];
  readonly branches: DirectBranch[] = [];
  /** code that Xen may put in place of other code at boot, by the CPU's errata and features: what has a TLBI in it */
  readonly alternatives: readonly Alternative[];
  /** all that Xen may write over at boot, whatever with */
  readonly patchedAtBoot: readonly Stretch[];
  /** code that a policy was made into, and what else was put in with it */
  readonly injected: readonly InjectedPart[];
  private readonly parts: readonly { readonly first: number; readonly end: number; readonly words: Uint32Array }[];
  private readonly named = new Map<string, XenFunction>();
  private readonly variables = new Map<string, ElfSymbol>();
  private readonly incoming = new Map<number, DirectBranch[]>();

  /**
   * `injected`: what was put into it, which is told by these and not by the symbols. Throws an InputError when the file has no
   * function symbols.
   */
  constructor(elf: Elf, injected: readonly InjectedPart[] = []) {
    const symbols = elf.symbols();
    for (const symbol of symbols) if (symbol.kind === "object") this.variables.set(symbol.name, symbol);
    this.functions = symbols
      .filter(({ kind, size }) => kind === "function" && size > 0)
      .sort((a, b) => a.address - b.address || b.size - a.size);
    if (this.functions.length === 0)
      throw InputError.at(
        elf.file,
        0,
        "has no function symbols: a capture needs Xen's xen-syms, with its symbol table",
      );
    for (const f of this.functions) if (!this.named.has(f.name)) this.named.set(f.name, f);
    this.injected = injected.map((part) => ({ ...part, within: this.named.get(part.within.name) ?? part.within }));
    this.parts = elf.texts().map(partOf);
    const all = this.readAlternatives(elf);
    this.patchedAtBoot = all.map(({ address, words }) => ({ first: address, end: address + 4 * words.length }));
    this.alternatives = all.filter(({ words }) => words.some((word) => decodeTlbi(word)));
    this.forEachWord((word, from) => {
      const branch = decodeBranch(word, from);
      if (branch?.target !== undefined) this.addBranch({ from, to: branch.target, call: branch.call });
    });
  }

  private readAlternatives(elf: Elf): Alternative[] {
    const symbols = elf.symbols();
    const at = (name: string): number | undefined => symbols.find((symbol) => symbol.name === name)?.address;
    const [first, end] = [at("__alt_instructions"), at("__alt_instructions_end")];
    if (first === undefined || end === undefined) return [];
    const { address, bytes } = elf.image();
    const view = new DataView(bytes.buffer);
    const list: Alternative[] = [];
    for (let entry = first; entry + ALT_INSTR <= end; entry += ALT_INSTR) {
      const offset = entry - address;
      const replacement = entry + 4 + view.getInt32(offset + 4, true);
      const words = Array.from(
        { length: view.getUint8(offset + 11) / 4 },
        (_, i) => this.word(replacement + 4 * i) ?? 0,
      );
      list.push({ address: entry + view.getInt32(offset, true), words });
    }
    return list;
  }

  /** Puts words in place of others, as Xen's alternatives do at boot. */
  patch(address: number, words: readonly number[]): void {
    const part = this.parts.find(({ first, end }) => address >= first && address < end);
    words.forEach((word, i) => {
      const at = address + 4 * i;
      if (!part || word === this.word(at)) return;
      this.dropBranch(at);
      part.words[(at - part.first) / 4] = word;
      const branch = decodeBranch(word, at);
      if (branch?.target !== undefined) this.addBranch({ from: at, to: branch.target, call: branch.call });
    });
  }

  private addBranch(branch: DirectBranch): void {
    this.branches.push(branch);
    const list = this.incoming.get(branch.to);
    if (list) list.push(branch);
    else this.incoming.set(branch.to, [branch]);
  }

  private dropBranch(from: number): void {
    const to = this.branchAt(from)?.target;
    const list = to === undefined ? undefined : this.incoming.get(to);
    if (!list) return;
    const [gone] = list.splice(
      list.findIndex((branch) => branch.from === from),
      1,
    );
    this.branches.splice(this.branches.indexOf(gone!), 1);
  }

  /** Visits each instruction word with its address, in order. */
  forEachWord(visit: (word: number, address: number) => void): void {
    for (const { first, words } of this.parts) for (let i = 0; i < words.length; i++) visit(words[i]!, first + 4 * i);
  }

  /** The word at an address; undefined outside the code. */
  word(address: number): number | undefined {
    const part = this.parts.find(({ first, end }) => address >= first && address < end);
    return part?.words[(address - part.first) / 4];
  }

  /** The branch at an address, if its word is one. */
  branchAt(address: number): Branch | undefined {
    const word = this.word(address);
    return word === undefined ? undefined : decodeBranch(word, address);
  }

  /** What was put in at an address; undefined where Xen's own code stands. */
  injectedAt(address: number): InjectedPart | undefined {
    return this.injected.find(({ first, end }) => address >= first && address < end);
  }

  /** The function that holds an address, or in whose place it runs; undefined where no symbol's extent does. */
  functionAt(address: number): XenFunction | undefined {
    const part = this.injected.length === 0 ? undefined : this.injectedAt(address);
    if (part) return part.within;
    let low = 0;
    let high = this.functions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.functions[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.functions[low - 1];
    return found && address < found.address + found.size ? found : undefined;
  }

  /** The function of that name, or undefined. */
  functionNamed(name: string): XenFunction | undefined {
    return this.named.get(name);
  }

  /** The variable of that name, or undefined. */
  variableNamed(name: string): ElfSymbol | undefined {
    return this.variables.get(name);
  }

  /** Direct branches to an address. */
  branchesTo(address: number): readonly DirectBranch[] {
    return this.incoming.get(address) ?? [];
  }

  /** Functions that call a function directly, or end in a jump to it. */
  callersOf(f: XenFunction): XenFunction[] {
    const callers = this.branchesTo(f.address).map(({ from }) => this.functionAt(from));
    return [...new Set(callers)].filter((caller): caller is XenFunction => caller !== undefined && caller !== f);
  }

  /** True when a function calls no other, so that X30 is its return address throughout. */
  isLeaf(f: XenFunction): boolean {
    for (let address = f.address; address < f.address + f.size; address += 4)
      if (this.branchAt(address)?.call) return false;
    return true;
  }
}

function partOf({ address, bytes }: ElfText): { first: number; end: number; words: Uint32Array } {
  const words = new Uint32Array(bytes.length >>> 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(4 * i, true);
  return { first: address, end: address + 4 * words.length, words };
}
