/** Room in a build of Xen: for code a function that nothing calls but a debug key, for data a hole between per-CPU variables. */
import { decodeA64 } from "../arch/index.js";
import type { Elf, ElfSymbol, Stretch, XenFunction, XenText } from "../binary/index.js";
import { refuseXen } from "./refusal.js";

/** Handlers of debug keys that only print something. */
const PRINTS = /dump|debug|show|print|read_clocks/;
/** A table of symbols lists all functions in ascending order: so far its neighbours are from each other, at most. */
const NEIGHBOURS = 65_536;

/** Xen as it is loaded: pointers in it by address. */
class Loaded {
  private readonly view: DataView;
  readonly first: number;
  readonly end: number;

  constructor(elf: Elf) {
    const { address, bytes } = elf.image();
    this.first = address;
    this.end = address + bytes.length;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The 64-bit number at an address; 0 outside, and in what is not in the file. */
  pointer(address: number): number {
    const offset = address - this.first;
    if (offset < 0 || offset + 8 > this.view.byteLength) return 0;
    return this.view.getUint32(offset, true) + this.view.getUint32(offset + 4, true) * 2 ** 32;
  }
}

/**
 * Handlers of debug keys that nothing else reaches, the largest first: no branch from elsewhere, the address in no other table than
 * that of the keys, nothing that is patched at boot.
 */
export function findCaves(text: XenText, elf: Elf): XenFunction[] {
  const loaded = new Loaded(elf);
  const keys =
    text.variableNamed("key_table") ?? refuseXen("it has no key_table, of whose handlers one would give room for code");
  const handlers = new Set<number>();
  for (let at = keys.address; at + 8 <= keys.address + keys.size; at += 8) handlers.add(loaded.pointer(at));
  const found = new Map<number, number>();
  for (let at = Math.ceil(loaded.first / 8) * 8; at + 8 <= loaded.end; at += 8) {
    const value = loaded.pointer(at);
    if (handlers.has(value) && !amidSymbols(loaded, at, value)) found.set(value, (found.get(value) ?? 0) + 1);
  }
  const free = text.functions.filter(
    (f) => PRINTS.test(f.name) && found.get(f.address) === 1 && !reached(text, f) && !patched(text, f),
  );
  if (free.length === 0) refuseXen("no handler of a debug key gives room for code");
  return free.sort((a, b) => b.size - a.size);
}

/** In a table of ascending addresses, as Xen's own table of its symbols is. */
function amidSymbols(loaded: Loaded, at: number, value: number): boolean {
  const [before, behind] = [loaded.pointer(at - 8), loaded.pointer(at + 8)];
  return before <= value && before > value - NEIGHBOURS && behind >= value && behind < value + NEIGHBOURS;
}

const within = (f: XenFunction, address: number): boolean => address >= f.address && address < f.address + f.size;

/** A branch from another function, or an address in it that code computes. */
function reached(text: XenText, f: XenFunction): boolean {
  if (text.branches.some(({ from, to }) => within(f, to) && !within(f, from))) return true;
  return addressesIn(text, { first: f.address, end: f.address + f.size }).some((at) => !within(f, at));
}

const patched = (text: XenText, f: XenFunction): boolean =>
  text.patchedAtBoot.some(({ first, end }) => first < f.address + f.size && end > f.address);

/** Words behind an ADRP in which its register becomes an address. */
const REACH = 6;

/** Instructions that compute an address within a stretch: ADR, and ADRP with an ADD, a load or a store soon behind it. */
function addressesIn(text: XenText, { first, end }: Stretch): number[] {
  const inside = (address: number): boolean => address >= first && address < end;
  const list: number[] = [];
  const [firstPage, lastPage] = [Math.floor(first / 4096), Math.floor((end - 1) / 4096)];
  text.forEachWord((word, at) => {
    if ((word & 0x1f000000) >>> 0 !== 0x10000000) return;
    const a64 = decodeA64(word, at);
    const value = a64?.kind === "compute" ? a64.sets[0]?.value : undefined;
    if (value === undefined || !("imm" in value)) return;
    const base = Number(value.imm);
    if (word >>> 31 === 0) {
      if (inside(base)) list.push(at);
      return;
    }
    const page = Math.floor(base / 4096);
    if (page < firstPage || page > lastPage) return;
    const register = word & 31;
    for (let i = 1; i <= REACH; i++) {
      const next = text.word(at + 4 * i);
      if (next === undefined) return;
      const offset = offsetFrom(next, register);
      if (offset !== undefined && inside(base + offset)) list.push(at + 4 * i);
      if (sets(next, at + 4 * i, register)) return;
    }
  });
  return list;
}

/** True where a register may be another one behind a word. */
function sets(word: number, at: number, register: number): boolean {
  const a64 = decodeA64(word, at);
  switch (a64?.kind) {
    case "compute":
      return a64.sets.some(({ rd }) => rd === register);
    case "load":
      return a64.registers.includes(register);
    case "store":
    case "nothing":
      return false;
    case "select":
      return a64.rd === register;
    case "branch":
      return true;
    default:
      return (word & 31) === register;
  }
}

/** The immediate that an ADD, a load or a store adds to a register; undefined for another word. */
function offsetFrom(word: number, register: number): number | undefined {
  if (((word >>> 5) & 31) !== register) return undefined;
  const field = (word >>> 10) & 0xfff;
  if ((word & 0xffc00000) >>> 0 === 0x91000000) return field;
  if ((word & 0x3b000000) >>> 0 === 0x39000000) return field * 2 ** (word >>> 30);
  return undefined;
}

/**
 * The largest hole between per-CPU variables, which Xen allocates and clears for each pCPU with them: nothing is named there,
 * nothing stands there in the file, no code computes an address in it. At least `bytes` long.
 */
export function findSpareData(text: XenText, elf: Elf, bytes: number): Stretch {
  const symbols = elf.symbols();
  const limit = (name: string): number =>
    symbols.find((s) => s.name === name)?.address ??
    refuseXen(`it has no symbol ${name}, which bounds its per-CPU data`);
  const [start, end] = [limit("__per_cpu_start"), limit("__per_cpu_data_end")];
  const inside = symbols
    .filter(({ kind, address }) => kind === "object" && address >= start && address < end)
    .sort((a, b) => a.address - b.address);
  const holes = inside
    .slice(1)
    .map((next, i) => hole(inside[i]!, next))
    .filter((stretch) => stretch.end - stretch.first >= bytes)
    .sort((a, b) => b.end - b.first - (a.end - a.first));
  const loaded = new Loaded(elf);
  const free = holes.find((stretch) => isSpare(text, symbols, loaded, stretch));
  return free ?? refuseXen(`no hole of ${bytes} bytes stands between its per-CPU variables`);
}

/** From behind a variable, 8-byte aligned, to the next one; none behind one of which the size is not known. */
function hole(before: ElfSymbol, next: ElfSymbol): Stretch {
  const first = Math.ceil((before.address + before.size) / 8) * 8;
  return { first, end: before.size === 0 ? first : next.address };
}

function isSpare(text: XenText, symbols: readonly ElfSymbol[], loaded: Loaded, stretch: Stretch): boolean {
  const { first, end } = stretch;
  if (symbols.some(({ address, size }) => address < end && address + Math.max(size, 1) > first)) return false;
  for (let at = first; at < end; at += 8) if (loaded.pointer(at) !== 0) return false;
  for (let at = Math.ceil(loaded.first / 8) * 8; at + 8 <= loaded.end; at += 8) {
    const value = loaded.pointer(at);
    if (value >= first && value < end) return false;
  }
  return addressesIn(text, stretch).length === 0;
}
