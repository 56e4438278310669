/**
 * An assembler for the few A64 instructions that injected code is made of (DDI 0487, C6.2): each method puts one word (`imm` as
 * many as it takes) at the place that comes next, with its text. What the words come to is known when all labels are: {@link link}.
 */
import { BARRIERS } from "./barrier.js";
import { encodeTlbi, TLBI_OPS } from "./tlbi.js";

/** Register 31, where it is the stack pointer and where it is zero. */
export const SP = 31;
export const XZR = 31;

/** Conditions by their field (C1.2.4). */
const CONDITIONS = { eq: 0, ne: 1, hs: 2, lo: 3, hi: 8, ls: 9 } as const;
type ConditionName = keyof typeof CONDITIONS;

/** System registers that are read or written here: the word of their MRS with Rt = 0. MSR is it without bit 21. */
const MRS_WORDS = { tpidr_el2: 0xd53c_d040, nzcv: 0xd53b_4200 } as const;
type MrsRegister = keyof typeof MRS_WORDS;
const READS = 0x20_0000;

/** A label, or an address. */
type Target = string | number;

/** One word where it stands. `text`: as LLVM's and GNU's assemblers write it; `note`: whatever its author said of it. */
export interface AssembledWord<Note> {
  readonly address: number;
  readonly word: number;
  readonly text: string;
  readonly note: Note;
}

interface Pending<Note> {
  readonly make: (here: number) => readonly [word: number, text: string];
  readonly note: Note;
}

const x = (n: number): string => (n === 31 ? "xzr" : `x${n}`);
const w = (n: number): string => (n === 31 ? "wzr" : `w${n}`);
const sp = (n: number): string => (n === SP ? "sp" : x(n));
const hex = (n: number): string => `0x${n.toString(16)}`;
const at = (base: number, offset: number): string => (offset === 0 ? `[${sp(base)}]` : `[${sp(base)}, #${offset}]`);

/** Throws a RangeError for what the field of an instruction cannot hold. */
function fits(what: string, value: number, least: number, most: number, unit = 1): number {
  if (!(value >= least && value <= most) || value % unit !== 0)
    throw new RangeError(`${what} ${value}, expected ${least} to ${most} in steps of ${unit}`);
  return value / unit;
}

/** Code from an address on. Each word gets the note that is set when it is put. */
export class Assembler<Note> {
  private readonly list: Pending<Note>[] = [];

  /** `labels`: shared by pieces of code that name each other's. */
  constructor(
    readonly base: number,
    public note: Note,
    private readonly labels = new Map<string, number>(),
  ) {}

  /** Where the next word goes. */
  get here(): number {
    return this.base + 4 * this.list.length;
  }

  /** Names the next word's place. */
  label(name: string): this {
    if (this.labels.has(name)) throw new RangeError(`label ${name} stands twice`);
    this.labels.set(name, this.here);
    return this;
  }

  /** The address of a label; throws a RangeError where there is none. */
  addressOf(target: Target): number {
    const found = typeof target === "number" ? target : this.labels.get(target);
    if (found === undefined) throw new RangeError(`no label ${target}`);
    return found;
  }

  has(label: string): boolean {
    return this.labels.has(label);
  }

  /** All words. Throws a RangeError for a label that is missing or too far. */
  link(): AssembledWord<Note>[] {
    return this.list.map(({ make, note }, i) => {
      const address = this.base + 4 * i;
      const [word, text] = make(address);
      return { address, word: word >>> 0, text, note };
    });
  }

  private later(make: Pending<Note>["make"]): this {
    this.list.push({ make, note: this.note });
    return this;
  }

  private put(word: number, text: string): this {
    return this.later(() => [word, text]);
  }

  /** A word that stood elsewhere, as it is. */
  word(word: number, text: string): this {
    return this.put(word, text);
  }

  private branch(opcode: number, bits: number, low: number, name: string, target: Target): this {
    return this.later((here) => {
      const to = this.addressOf(target);
      const most = 2 ** (bits + 1);
      const offset = fits(`${name.trim()}: a way of`, to - here, -most, most - 4, 4);
      return [opcode | ((offset & (2 ** bits - 1)) << low), `${name} ${hex(to)}`];
    });
  }

  b(target: Target): this {
    return this.branch(0x1400_0000, 26, 0, "b", target);
  }

  bl(target: Target): this {
    return this.branch(0x9400_0000, 26, 0, "bl", target);
  }

  bc(condition: ConditionName, target: Target): this {
    return this.branch(0x5400_0000 | CONDITIONS[condition], 19, 5, `b.${condition}`, target);
  }

  cbz(rt: number, target: Target): this {
    return this.branch(0xb400_0000 | rt, 19, 5, `cbz ${x(rt)},`, target);
  }

  cbnz(rt: number, target: Target): this {
    return this.branch(0xb500_0000 | rt, 19, 5, `cbnz ${x(rt)},`, target);
  }

  ret(): this {
    return this.put(0xd65f_03c0, "ret");
  }

  nop(): this {
    return this.put(0xd503_201f, "nop");
  }

  adr(rd: number, target: Target): this {
    return this.later((here) => {
      const to = this.addressOf(target);
      const offset = fits("adr: a way of", to - here, -(2 ** 20), 2 ** 20 - 1);
      return [0x1000_0000 | ((offset & 3) << 29) | (((offset >> 2) & 0x7_ffff) << 5) | rd, `adr ${x(rd)}, ${hex(to)}`];
    });
  }

  /** rd := the 4 KiB page of an address. */
  adrp(rd: number, address: number): this {
    return this.later((here) => {
      const page = Math.floor(address / 4096);
      const offset = fits("adrp: a way of pages", page - Math.floor(here / 4096), -(2 ** 20), 2 ** 20 - 1);
      const word = 0x9000_0000 | ((offset & 3) << 29) | (((offset >> 2) & 0x7_ffff) << 5) | rd;
      return [word, `adrp ${x(rd)}, ${hex(page * 4096)}`];
    });
  }

  private pair(opcode: number, a: number, c: number, base: number, offset: number, text: string): this {
    const scaled = fits("a pair's offset", offset, -512, 504, 8) & 0x7f;
    return this.put(opcode | (scaled << 15) | (c << 10) | (base << 5) | a, text);
  }

  /** STP with SP moved down by `size` bytes before. */
  push(a: number, c: number, size: number): this {
    return this.pair(0xa980_0000, a, c, SP, -size, `stp ${x(a)}, ${x(c)}, [sp, #${-size}]!`);
  }

  /** LDP with SP moved up by `size` bytes behind. */
  pop(a: number, c: number, size: number): this {
    return this.pair(0xa8c0_0000, a, c, SP, size, `ldp ${x(a)}, ${x(c)}, [sp], #${size}`);
  }

  stp(a: number, c: number, base: number, offset: number): this {
    return this.pair(0xa900_0000, a, c, base, offset, `stp ${x(a)}, ${x(c)}, ${at(base, offset)}`);
  }

  ldp(a: number, c: number, base: number, offset: number): this {
    return this.pair(0xa940_0000, a, c, base, offset, `ldp ${x(a)}, ${x(c)}, ${at(base, offset)}`);
  }

  private access(opcode: number, name: string, reg: string, rt: number, base: number, offset: number, size: number) {
    const scaled = fits(`${name}: an offset of`, offset, 0, 4095 * size, size);
    return this.put(opcode | (scaled << 10) | (base << 5) | rt, `${name} ${reg}, ${at(base, offset)}`);
  }

  str(rt: number, base: number, offset: number): this {
    return this.access(0xf900_0000, "str", x(rt), rt, base, offset, 8);
  }

  ldr(rt: number, base: number, offset: number): this {
    return this.access(0xf940_0000, "ldr", x(rt), rt, base, offset, 8);
  }

  strw(rt: number, base: number, offset: number): this {
    return this.access(0xb900_0000, "str", w(rt), rt, base, offset, 4);
  }

  ldrw(rt: number, base: number, offset: number): this {
    return this.access(0xb940_0000, "ldr", w(rt), rt, base, offset, 4);
  }

  strb(rt: number, base: number, offset: number): this {
    return this.access(0x3900_0000, "strb", w(rt), rt, base, offset, 1);
  }

  ldrb(rt: number, base: number, offset: number): this {
    return this.access(0x3940_0000, "ldrb", w(rt), rt, base, offset, 1);
  }

  /** LDR, the base register moved on by `step` bytes behind. */
  ldrPost(rt: number, base: number, step: number): this {
    const moved = fits("a step of", step, -256, 255) & 0x1ff;
    return this.put(0xf840_0400 | (moved << 12) | (base << 5) | rt, `ldr ${x(rt)}, [${sp(base)}], #${step}`);
  }

  mov(rd: number, rm: number): this {
    return this.put(0xaa00_03e0 | (rm << 16) | rd, `mov ${x(rd)}, ${x(rm)}`);
  }

  /** rd := a constant, in as many words as it has 16-bit parts. */
  imm(rd: number, value: bigint): this {
    const parts = [0, 1, 2, 3].map((i) => Number((value >> BigInt(16 * i)) & 0xffffn));
    const used = [0, 1, 2, 3].filter((i) => parts[i] !== 0);
    (used.length === 0 ? [0] : used).forEach((i, nth) => {
      const [part, shift] = [parts[i]!, i === 0 ? "" : `, lsl #${16 * i}`];
      const word = (nth === 0 ? 0xd280_0000 : 0xf280_0000) | (i << 21) | (part << 5) | rd;
      const first = `mov ${x(rd)}, #0x${(BigInt(part) << BigInt(16 * i)).toString(16)}`;
      this.put(word, nth === 0 ? first : `movk ${x(rd)}, #${hex(part)}${shift}`);
    });
    return this;
  }

  addi(rd: number, rn: number, value: number): this {
    const field = fits("add: an immediate of", value, 0, 4095);
    return this.put(0x9100_0000 | (field << 10) | (rn << 5) | rd, `add ${sp(rd)}, ${sp(rn)}, #${value}`);
  }

  subi(rd: number, rn: number, value: number): this {
    const field = fits("sub: an immediate of", value, 0, 4095);
    return this.put(0xd100_0000 | (field << 10) | (rn << 5) | rd, `sub ${sp(rd)}, ${sp(rn)}, #${value}`);
  }

  private registers(opcode: number, name: string, rd: number, rn: number, rm: number, shift: number): this {
    const amount = fits("a shift of", shift, 0, 63);
    const shifted = shift === 0 ? "" : `, lsl #${shift}`;
    const text = `${name} ${x(rd)}, ${x(rn)}, ${x(rm)}${shifted}`;
    return this.put(opcode | (rm << 16) | (amount << 10) | (rn << 5) | rd, text);
  }

  /** rd := rn + (rm << shift) */
  add(rd: number, rn: number, rm: number, shift = 0): this {
    return this.registers(0x8b00_0000, "add", rd, rn, rm, shift);
  }

  sub(rd: number, rn: number, rm: number): this {
    return this.registers(0xcb00_0000, "sub", rd, rn, rm, 0);
  }

  /** rd := rn | (rm << shift). `mov` is what others call it with rn = 31 and no shift. */
  orr(rd: number, rn: number, rm: number, shift = 0): this {
    return rn === XZR && shift === 0 ? this.mov(rd, rm) : this.registers(0xaa00_0000, "orr", rd, rn, rm, shift);
  }

  lsl(rd: number, rn: number, rm: number): this {
    return this.put(0x9ac0_2000 | (rm << 16) | (rn << 5) | rd, `lsl ${x(rd)}, ${x(rn)}, ${x(rm)}`);
  }

  lsr(rd: number, rn: number, rm: number): this {
    return this.put(0x9ac0_2400 | (rm << 16) | (rn << 5) | rd, `lsr ${x(rd)}, ${x(rn)}, ${x(rm)}`);
  }

  /** rd := `count` bits of rn from bit `from` on; up to bit 63 is what others call LSR. */
  ubfx(rd: number, rn: number, from: number, count: number): this {
    const last = fits("ubfx: a last bit of", from + count - 1, from, 63);
    const text = last === 63 ? `lsr ${x(rd)}, ${x(rn)}, #${from}` : `ubfx ${x(rd)}, ${x(rn)}, #${from}, #${count}`;
    return this.put(0xd340_0000 | (fits("ubfx: a bit", from, 0, 63) << 16) | (last << 10) | (rn << 5) | rd, text);
  }

  cmpi(rn: number, value: number): this {
    const field = fits("cmp: an immediate of", value, 0, 4095);
    return this.put(0xf100_001f | (field << 10) | (rn << 5), `cmp ${sp(rn)}, #${value}`);
  }

  cmp(rn: number, rm: number): this {
    return this.put(0xeb00_001f | (rm << 16) | (rn << 5), `cmp ${x(rn)}, ${x(rm)}`);
  }

  /** The same of the low 32 bits. */
  cmpw(rn: number, rm: number): this {
    return this.put(0x6b00_001f | (rm << 16) | (rn << 5), `cmp ${w(rn)}, ${w(rm)}`);
  }

  mrs(rt: number, register: MrsRegister): this {
    return this.put(MRS_WORDS[register] | rt, `mrs ${x(rt)}, ${register}`);
  }

  msr(register: MrsRegister, rt: number): this {
    return this.put((MRS_WORDS[register] & ~READS) | rt, `msr ${register}, ${x(rt)}`);
  }

  /** A barrier, by its index in BARRIERS. */
  barrier(index: number): this {
    const { word, name } = BARRIERS[index]!;
    return this.put(word, name.toLowerCase());
  }

  /** A TLBI, by its index in TLBI_OPS; rt 31 = no operand. */
  tlbi(index: number, rt: number): this {
    const op = TLBI_OPS[index]!;
    const name = `tlbi ${op.name.toLowerCase()}`;
    return this.put(encodeTlbi(op, rt), op.operand === "none" ? name : `${name}, ${x(rt)}`);
  }
}
