/**
 * The way back of the assembler: a word as text, for the instructions that it makes and their like. It shares nothing with it but
 * the tables of TLBIs and barriers, so that what one has made the other can be held against.
 */
import { BARRIERS, barrierFromWord } from "./barrier.js";
import { decodeTlbi } from "./tlbi.js";

/** Fields of a word. */
interface Fields {
  readonly word: number;
  readonly address: number;
  /** bits [low + n - 1 : low] */
  bits(low: number, n: number): number;
  /** the same, as a signed number */
  signed(low: number, n: number): number;
  /** registers of [4:0], [9:5], [20:16], [14:10] */
  readonly d: number;
  readonly n: number;
  readonly m: number;
  readonly a: number;
}

function fieldsOf(word: number, address: number): Fields {
  const bits = (low: number, n: number): number => Math.floor(word / 2 ** low) % 2 ** n;
  const signed = (low: number, n: number): number => {
    const value = bits(low, n);
    return value >= 2 ** (n - 1) ? value - 2 ** n : value;
  };
  return { word, address, bits, signed, d: bits(0, 5), n: bits(5, 5), m: bits(16, 5), a: bits(10, 5) };
}

const x = (n: number): string => (n === 31 ? "xzr" : `x${n}`);
const w = (n: number): string => (n === 31 ? "wzr" : `w${n}`);
const sp = (n: number): string => (n === 31 ? "sp" : `x${n}`);
const hex = (n: number): string => `0x${n.toString(16)}`;
const place = (n: number, offset: number): string => (offset === 0 ? `[${sp(n)}]` : `[${sp(n)}, #${offset}]`);
const lsl = (amount: number): string => (amount === 0 ? "" : `, lsl #${amount}`);
/** B.AL and B.NV are no conditions. */
const CONDITION = ["eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"] as const;
const SYSTEM: Readonly<Record<number, string>> = { 59010: "tpidr_el2", 55824: "nzcv" };

/** Bits that tell an instruction, their values, and its text; undefined where a field says that it is another one after all. */
type Row = readonly [mask: number, value: number, text: (f: Fields) => string | undefined];

const ROWS: readonly Row[] = [
  [0xffffffff, 0xd65f03c0, () => "ret"],
  [0xffffffff, 0xd503201f, () => "nop"],
  [0xfc000000, 0x14000000, (f) => `b ${hex(f.address + 4 * f.signed(0, 26))}`],
  [0xfc000000, 0x94000000, (f) => `bl ${hex(f.address + 4 * f.signed(0, 26))}`],
  [0xff000010, 0x54000000, (f) => conditional(f)],
  [0x7e000000, 0x34000000, (f) => compareAndBranch(f)],
  [0x9f000000, 0x10000000, (f) => `adr ${x(f.d)}, ${hex(f.address + 4 * f.signed(5, 19) + f.bits(29, 2))}`],
  [0x9f000000, 0x90000000, (f) => pageAddress(f)],
  [0xffc00000, 0xa9800000, (f) => `stp ${x(f.d)}, ${x(f.a)}, [${sp(f.n)}, #${8 * f.signed(15, 7)}]!`],
  [0xffc00000, 0xa8c00000, (f) => `ldp ${x(f.d)}, ${x(f.a)}, [${sp(f.n)}], #${8 * f.signed(15, 7)}`],
  [0xffc00000, 0xa9000000, (f) => `stp ${x(f.d)}, ${x(f.a)}, ${place(f.n, 8 * f.signed(15, 7))}`],
  [0xffc00000, 0xa9400000, (f) => `ldp ${x(f.d)}, ${x(f.a)}, ${place(f.n, 8 * f.signed(15, 7))}`],
  [0xffc00000, 0xf9000000, (f) => `str ${x(f.d)}, ${place(f.n, 8 * f.bits(10, 12))}`],
  [0xffc00000, 0xf9400000, (f) => `ldr ${x(f.d)}, ${place(f.n, 8 * f.bits(10, 12))}`],
  [0xffc00000, 0xb9000000, (f) => `str ${w(f.d)}, ${place(f.n, 4 * f.bits(10, 12))}`],
  [0xffc00000, 0xb9400000, (f) => `ldr ${w(f.d)}, ${place(f.n, 4 * f.bits(10, 12))}`],
  [0xffc00000, 0x39000000, (f) => `strb ${w(f.d)}, ${place(f.n, f.bits(10, 12))}`],
  [0xffc00000, 0x39400000, (f) => `ldrb ${w(f.d)}, ${place(f.n, f.bits(10, 12))}`],
  [0xffe00c00, 0xf8400400, (f) => `ldr ${x(f.d)}, [${sp(f.n)}], #${f.signed(12, 9)}`],
  [0xffe0ffe0, 0xaa0003e0, (f) => `mov ${x(f.d)}, ${x(f.m)}`],
  [
    0xff800000,
    0xd2800000,
    (f) => `mov ${x(f.d)}, #0x${(BigInt(f.bits(5, 16)) << BigInt(16 * f.bits(21, 2))).toString(16)}`,
  ],
  [0xff800000, 0xf2800000, (f) => `movk ${x(f.d)}, #${hex(f.bits(5, 16))}${lsl(16 * f.bits(21, 2))}`],
  [0xffc00000, 0x91000000, (f) => `add ${sp(f.d)}, ${sp(f.n)}, #${f.bits(10, 12)}`],
  [0xffc00000, 0xd1000000, (f) => `sub ${sp(f.d)}, ${sp(f.n)}, #${f.bits(10, 12)}`],
  [0xffe00000, 0x8b000000, (f) => `add ${x(f.d)}, ${x(f.n)}, ${x(f.m)}${lsl(f.bits(10, 6))}`],
  [0xffe0001f, 0xeb00001f, (f) => (f.bits(10, 6) === 0 ? `cmp ${x(f.n)}, ${x(f.m)}` : undefined)],
  [0xffe0001f, 0x6b00001f, (f) => (f.bits(10, 6) === 0 ? `cmp ${w(f.n)}, ${w(f.m)}` : undefined)],
  [0xffe00000, 0xcb000000, (f) => `sub ${x(f.d)}, ${x(f.n)}, ${x(f.m)}${lsl(f.bits(10, 6))}`],
  [0xffe00000, 0xaa000000, (f) => `orr ${x(f.d)}, ${x(f.n)}, ${x(f.m)}${lsl(f.bits(10, 6))}`],
  [0xffe0fc00, 0x9ac02000, (f) => `lsl ${x(f.d)}, ${x(f.n)}, ${x(f.m)}`],
  [0xffe0fc00, 0x9ac02400, (f) => `lsr ${x(f.d)}, ${x(f.n)}, ${x(f.m)}`],
  [0xffc00000, 0xd3400000, (f) => bitfield(f)],
  [0xffc0001f, 0xf100001f, (f) => `cmp ${sp(f.n)}, #${f.bits(10, 12)}`],
  [0xffe00000, 0xd5200000, (f) => system(f, (name) => `mrs ${x(f.d)}, ${name}`)],
  [0xffe00000, 0xd5000000, (f) => system(f, (name) => `msr ${name}, ${x(f.d)}`)],
];

function conditional(f: Fields): string | undefined {
  const condition = CONDITION[f.bits(0, 4)];
  return condition && `b.${condition} ${hex(f.address + 4 * f.signed(5, 19))}`;
}

function compareAndBranch(f: Fields): string {
  const register = f.bits(31, 1) === 1 ? x(f.d) : w(f.d);
  return `cb${f.bits(24, 1) === 1 ? "n" : ""}z ${register}, ${hex(f.address + 4 * f.signed(5, 19))}`;
}

function pageAddress(f: Fields): string {
  const pages = 4 * f.signed(5, 19) + f.bits(29, 2);
  return `adrp ${x(f.d)}, ${hex((Math.floor(f.address / 4096) + pages) * 4096)}`;
}

/** UBFM's forms that take bits down. */
function bitfield(f: Fields): string | undefined {
  const [from, last] = [f.bits(16, 6), f.bits(10, 6)];
  if (last === 63) return `lsr ${x(f.d)}, ${x(f.n)}, #${from}`;
  return last < from ? undefined : `ubfx ${x(f.d)}, ${x(f.n)}, #${from}, #${last - from + 1}`;
}

/** Bits [20:5] of MRS and MSR are the register's name. */
function system(f: Fields, text: (name: string) => string): string | undefined {
  const name = SYSTEM[f.bits(5, 16)];
  return name && text(name);
}

/** The text of a word at an address, as assemblers write it; undefined for an instruction that is none of these. */
export function disassemble(word: number, address: number): string | undefined {
  const tlbi = decodeTlbi(word);
  if (tlbi) {
    const name = `tlbi ${tlbi.op.name.toLowerCase()}`;
    if (tlbi.op.operand === "none") return tlbi.rt === 31 ? name : undefined;
    return `${name}, ${x(tlbi.rt)}`;
  }
  const barrier = barrierFromWord(word);
  if (barrier !== undefined) return BARRIERS[barrier]!.name.toLowerCase();
  const fields = fieldsOf(word >>> 0, address);
  for (const [mask, value, text] of ROWS) if ((word & mask) >>> 0 === value) return text(fields);
  return undefined;
}
