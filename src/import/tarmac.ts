/**
 * Tarmac, what Arm's models write of each instruction: Fast Models (FVP) with their Tarmac plugin, and gem5. The forms are those
 * of ARM-software/tarmac-trace-utilities (lib/parser.cpp, tests/parsertest.txt); of table walks, those in islet-project/islet,
 * pull request 56. Sample, in our own words:
 *
 *   271650000000 ps cluster0.cpu0 IT (812) 00265f40 d50c83df O EL2h_n : TLBI     VMALLS12E1IS
 *   271650000000 ps cluster0.cpu0 R TLBI VMALLS12E1IS 00000000:00000000
 *   271650000000 ps cluster0.cpu0 R X3 0001000013ffcc000
 *   271650000000 ps cluster0.cpu0 MW8 80001018:000013fb0018 00000000_400007fd
 *   271650000000 ps cluster0.cpu1 TTW DTLB LPAE 2:3 000013fb0018 00000000400007fd : BLOCK ATTRIDX=3 ADDR=0x0000000040000000
 *
 * TLBIs, barriers and writes of system registers come from the instruction words; their operands are what a register was last
 * said to be, or what an R line behind them says: else unknown. A store becomes an event once its page is a stage-2 table: one
 * that VTTBR_EL2 leads to, or a walk went through. What stood in it before comes with it. A walk says nothing of the address
 * that was translated: the IPA is told by where its table hangs, the VA is unknown. Stage 1 is left out.
 */
import { barrierFromWord, decodeMsr, decodeTlbi, idOf, sysregIndex, TLBI_OPS } from "../arch/index.js";
import type { StreamForm } from "../trace/file.js";
import { Access, codeOf, incomplete, Kind, Unknown } from "../trace/index.js";
import { eachLine, Rows } from "./lines.js";
import { type Halves, WrittenTables } from "./written-tables.js";

/** Time, its unit, perhaps a core, what the line is, and what it says. */
const LINE = /^\s*(\d+)\s*(clk|cs|cyc|ns|ps|tic|us)\s+(?:(\S+)\s+)??(IT|R|MW\d+|TTW)\s+(.*)$/;
/** (count) address, perhaps the physical one, the word, A64, mode: */
const INSTRUCTION =
  /^\((?:[0-9a-f]+:)?[0-9a-f]+\)\s+([0-9a-f]{1,16})(?::[0-9a-f]+(?:_\w+)?)?\s+([0-9a-f]{8})\s+O\s+(\S+)\s*:/i;
const REGISTER = /^([XW])(\d{1,2})\s+([0-9a-f_]{8,17})$/i;
/** A system register, or a TLBI, with 64 bits in halves or at once. */
const SYSTEM = /^(?:TLBI\s+)?(\w+)\s+(?:([0-9a-f]{1,8}):)?([0-9a-f_]{1,17})$/i;
const STORE = /^([0-9a-f]{1,16})(?::([0-9a-f]{1,16})(?:_\w+)?)?\s+([0-9a-f_]+)$/i;
const WALK = /^([ID])\w*\s+LPAE\s+([12]):([0-3])\s+([0-9a-f]{1,16})\s+([0-9a-f]{16})\s*:\s*(\w+)/i;
/** Nanoseconds of the units that say a time. */
const NANOSECONDS: Readonly<Record<string, number>> = { ps: 1e-3, ns: 1, us: 1e3 };
const MOST_CORES = 256;
const XZR = 31;

export const TARMAC: StreamForm = {
  begins(first) {
    const lines = new TextDecoder().decode(first).split("\n");
    return lines.some((line) => {
      const [, , , , what, rest] = LINE.exec(line) ?? [];
      return what === "IT" && INSTRUCTION.test(rest!);
    });
  },
  async stream(source, path, sinks, part) {
    const rows = new Rows(path, sinks, part);
    const log = new TarmacLog(rows);
    await eachLine(source, rows, part, (line) => log.line(line));
    return rows.result(log.finish());
  },
};

/** A core, as far as the log says. */
interface Core {
  readonly pcpu: number;
  readonly registers: (Halves | undefined)[];
  /** undefined: it was written, and the log does not say what */
  vttbr: Halves | undefined;
}

/** A TLBI or a write of a system register whose operand an R line may say yet. */
interface Waiting {
  readonly core: Core;
  readonly kind: number;
  readonly code: number;
  readonly name: string;
  readonly site: string;
  readonly time: number;
  operand: Halves | undefined;
  readonly needsOperand: boolean;
}

class TarmacLog {
  private readonly cores = new Map<string, Core>();
  private readonly tables: WrittenTables;
  private waiting: Waiting | undefined;
  private instructions = 0;
  private time = 0;
  private core: Core | undefined;

  constructor(private readonly rows: Rows) {
    this.tables = new WrittenTables((page, slot, level, before, after) => {
      const i = this.put(Kind.write, 0);
      const b = this.rows.buffer;
      b.stage[i] = 2;
      b.level[i] = level;
      b.slot[i] = slot;
      this.set(b.address, i, { lo: ((page * 4096 + slot * 8) % 2 ** 32) >>> 0, hi: Math.floor(page / 2 ** 20) });
      this.set(b.from, i, before);
      this.set(b.to, i, after);
    });
  }

  line(text: string): void {
    const match = LINE.exec(text);
    if (match === null) return;
    const [, time, unit, name = "", what, rest] = match as unknown as string[];
    const core = this.coreNamed(name);
    if (what !== "R" || this.waiting?.core !== core) this.release();
    this.core = core;
    this.time = Math.round(Number(time) * (NANOSECONDS[unit!] ?? 0));
    if (what === "IT") this.instruction(core, rest!);
    else if (what === "R") this.register(core, rest!);
    else if (what === "TTW") this.walk(rest!);
    else this.store(rest!);
  }

  private coreNamed(name: string): Core {
    let core = this.cores.get(name);
    if (core === undefined) {
      if (this.cores.size === MOST_CORES) throw this.rows.error(`more than ${MOST_CORES} cores`);
      core = { pcpu: this.cores.size, registers: [], vttbr: { lo: 0, hi: 0 } };
      this.cores.set(name, core);
    }
    return core;
  }

  private put(kind: number, code: number): number {
    const { core, rows } = this;
    const i = rows.put(kind, core!.pcpu, code);
    const b = rows.buffer;
    b.vmid[i] = idOf(core!.vttbr?.hi ?? 0);
    b.unknown[i] = core!.vttbr === undefined ? Unknown.vmid : 0;
    rows.times(i, this.time);
    return i;
  }

  private set(column: Uint32Array, i: number, { lo, hi }: Halves): void {
    column[2 * i] = lo;
    column[2 * i + 1] = hi;
  }

  private instruction(core: Core, rest: string): void {
    const match = INSTRUCTION.exec(rest);
    if (match === null) return; // A32, T32
    this.instructions++;
    const word = Number.parseInt(match[2]!, 16);
    const site = `0x${match[1]!.toLowerCase().replace(/^0+(?=.)/, "")}`;
    const barrier = barrierFromWord(word);
    if (barrier !== undefined) {
      this.rows.buffer.site[this.put(Kind.barrier, barrier)] = this.rows.name(site);
      return;
    }
    const tlbi = decodeTlbi(word);
    const msr = tlbi === undefined ? decodeMsr(word) : undefined;
    const register = msr && sysregIndex(msr.register);
    if (tlbi === undefined && register === undefined) return;
    const rt = tlbi?.rt ?? msr!.rt;
    this.waiting = {
      core,
      kind: tlbi ? Kind.tlbi : Kind.sysreg,
      code: tlbi?.index ?? register!,
      name: tlbi?.op.name ?? msr!.register,
      site,
      time: this.time,
      operand: rt === XZR ? { lo: 0, hi: 0 } : core.registers[rt],
      needsOperand: tlbi === undefined || TLBI_OPS[tlbi.index]!.operand !== "none",
    };
  }

  /** A register has a value: a general one, or that of the instruction that waits. */
  private register(core: Core, rest: string): void {
    const general = REGISTER.exec(rest);
    if (general !== null) {
      core.registers[Number(general[2])] = halves(general[3]!);
      return;
    }
    const { waiting } = this;
    const [, name, hi, lo] = SYSTEM.exec(rest) ?? [];
    if (waiting === undefined || name?.toUpperCase() !== waiting.name) return;
    waiting.operand = hi === undefined ? halves(lo!) : { lo: halves(lo!).lo, hi: Number.parseInt(hi, 16) };
  }

  /** What waits has all that it gets. */
  private release(): void {
    const { waiting } = this;
    if (waiting === undefined) return;
    this.waiting = undefined;
    const { core, kind, code, name, site, operand, needsOperand } = waiting;
    const before = core.vttbr;
    [this.core, this.time] = [core, waiting.time];
    if (name === "VTTBR_EL2") core.vttbr = operand;
    const i = this.put(kind, code);
    const b = this.rows.buffer;
    b.site[i] = this.rows.name(site);
    if (needsOperand && operand === undefined) b.unknown[i]! |= Unknown.operand;
    if (needsOperand && operand !== undefined) this.set(b.to, i, operand);
    if (name === "VTTBR_EL2") {
      if (before !== undefined) this.set(b.from, i, before);
      if (operand !== undefined) this.tables.root(operand);
    }
    if (name === "VTCR_EL2" && operand !== undefined) this.tables.setVtcr(operand.lo);
  }

  private store(rest: string): void {
    const match = STORE.exec(rest);
    if (match === null) return;
    const [, va, pa, value] = match as unknown as string[];
    const digits = value!.replaceAll("_", "");
    this.tables.store(Number.parseInt(pa ?? va!, 16), digits);
  }

  /** The hardware has read a descriptor. */
  private walk(rest: string): void {
    const match = WALK.exec(rest);
    if (match === null || match[2] !== "2") return;
    const [, side, , level, address, value, what] = match as unknown as string[];
    const ipa = this.tables.walked(Number.parseInt(address!, 16), Number(level), halves(value!));
    const fault = what!.toUpperCase() === "FAULT";
    if (what!.toUpperCase() === "TABLE" || ipa === undefined) return;
    const i = fault
      ? this.put(Kind.fault, codeOf(Kind.fault, "translation", this.rows.names)!)
      : this.put(Kind.access, side!.toUpperCase() === "I" ? Access.execute : Access.read);
    const b = this.rows.buffer;
    b.stage[i] = 2;
    b.level[i] = Number(level);
    b.unknown[i]! |= Unknown.operand;
    this.set(b.from, i, wide(ipa.input));
    if (!fault) this.set(b.to, i, wide(ipa.output));
  }

  /** The producer's words, with what the log lacks. */
  finish(): string {
    this.release();
    if (this.instructions === 0)
      throw this.rows.error(
        "no A64 instruction in it, expected lines such as '0 clk IT (0) 00008000 d503201f O EL2h_n : NOP'",
      );
    return incomplete("Tarmac trace", this.tables.unknown());
  }
}

function halves(text: string): Halves {
  const digits = text.replaceAll("_", "").padStart(16, "0").slice(-16);
  return { lo: Number.parseInt(digits.slice(8), 16), hi: Number.parseInt(digits.slice(0, 8), 16) };
}

/** A page as an address. */
const wide = (page: number): Halves => ({ lo: (page * 4096) % 2 ** 32, hi: Math.floor(page / 2 ** 20) });
