/**
 * Logs of casemate, the run-time checker of page-table code (github.com/rems-project/casemate, src/lib/src/trace.c: one
 * S-expression a line). Sample, in our own words:
 *
 *   (hint (id 2) (tid 0) (kind set_root_lock) (location 0x80000000) (value 0x80004000) (src "mem.c:12"))
 *   (sysreg-write (id 3) (tid 0) (sysreg vttbr_el2) (value 0x1000080000000) (src "mem.c:14"))
 *   (lock (id 4) (tid 0) (address 0x80004000) (src "mem.c:15"))
 *   (mem-write (id 5) (tid 0) (mem-order plain) (address 0x80000000) (value 0x0) (src "mem.c:16"))
 *   (barrier (id 6) (tid 0) dsb (kind ish) (src "mem.c:17"))
 *   (tlbi (id 7) (tid 0) vmalls12e1is (src "mem.c:18"))
 *
 * Ids are decimal, other numbers hexadecimal, with or without 0x. A thread is a pCPU. Which table a word is in is not in the
 * log: rows of writes have no stage and no level, and the old value is what was written there before. A line that begins with
 * "!" is the tool's own verdict, and is not read; neither are reads of memory and registers that no translation depends on.
 */
import { barrierIndex, idOf, sysregIndex, tlbiIndex } from "../arch/index.js";
import type { StreamForm } from "../trace/file.js";
import { codeOf, Kind } from "../trace/index.js";
import { eachLine, Rows } from "./lines.js";

const STEPS = "mem-write|mem-read|mem-init|mem-free|mem-set|barrier|tlbi|sysreg-write|hint|lock|trylock|unlock";
const BEGINS = new RegExp(String.raw`^\uFEFF?\s*(?:![^\n]*\n\s*)*\((?:${STEPS}) \(id `);
const LINE = new RegExp(String.raw`^\s*\((${STEPS})((?:\s+(?:\([\w-]+\s+(?:"[^"]*"|[^()\s]+)\)|[\w-]+))*)\s*\)\s*$`);
const PART = /\(([\w-]+)\s+(?:"([^"]*)"|([^()\s]+))\)|([\w-]+)/g;
const WORD_BYTES = 8;
/** Largest piece of memory that a log may set to something else than 0, in bytes. */
const MAX_SET = 1 << 24;

export const CASEMATE: StreamForm = {
  begins: (first) => BEGINS.test(new TextDecoder().decode(first)),
  async stream(source, path, sinks, part) {
    const rows = new Rows(path, sinks, part);
    const log = new CasemateLog(rows);
    await eachLine(source, rows, part, (line) => log.line(line));
    return rows.result("casemate log");
  },
};

interface Halves {
  readonly lo: number;
  readonly hi: number;
}

class CasemateLog {
  /** words of memory that were written, by address / 8, and pages of them */
  private readonly memory = new Map<number, Halves>();
  private readonly vttbr: Halves[] = [];
  private fields = new Map<string, string>();
  private word = "";
  private pcpu = 0;
  private site = 0;

  constructor(private readonly rows: Rows) {}

  line(text: string): void {
    if (/^\s*(?:!.*)?$/.test(text)) return;
    const match = LINE.exec(text);
    if (match === null)
      throw this.rows.error('expected a step of casemate\'s, such as (barrier (id 6) (tid 0) isb (src "f.c:1"))');
    this.parts(match[2]!);
    const tid = Number(this.field("tid"));
    if (!Number.isInteger(tid) || tid < 0 || tid > 255)
      throw this.rows.error(`tid ${this.field("tid")}, expected 0 to 255`);
    this.pcpu = tid;
    this.site = this.rows.name(this.fields.get("src") ?? "");
    this.step(match[1]!);
  }

  private parts(text: string): void {
    this.fields = new Map();
    this.word = "";
    for (const [, key, quoted, plain, word] of text.matchAll(PART))
      if (word !== undefined) this.word = word;
      else this.fields.set(key!, quoted ?? plain!);
  }

  private field(key: string): string {
    const value = this.fields.get(key);
    if (value === undefined) throw this.rows.error(`expected (${key} ...)`);
    return value;
  }

  private number(key: string): Halves {
    const text = this.field(key);
    const digits = text.replace(/^0x/i, "");
    if (!/^[0-9a-f]{1,16}$/i.test(digits)) throw this.rows.error(`${key}: '${text}', expected a hexadecimal number`);
    return {
      lo: Number.parseInt(digits.slice(-8), 16),
      hi: digits.length > 8 ? Number.parseInt(digits.slice(0, -8), 16) : 0,
    };
  }

  /** An address, or a size: below 2^52. */
  private address(key: string): number {
    const { lo, hi } = this.number(key);
    if (hi >= 2 ** 20) throw this.rows.error(`${key}: '${this.field(key)}', expected an address below 2^52`);
    return hi * 2 ** 32 + lo;
  }

  private put(kind: number, code: number | undefined, what: string): number {
    if (code === undefined) throw this.rows.error(`'${what}' is not known here`);
    const i = this.rows.put(kind, this.pcpu, code);
    const b = this.rows.buffer;
    b.site[i] = this.site;
    b.vmid[i] = idOf(this.vttbr[this.pcpu]?.hi ?? 0);
    return i;
  }

  private at(i: number, address: number): void {
    const b = this.rows.buffer;
    b.address[2 * i] = address % 2 ** 32;
    b.address[2 * i + 1] = Math.floor(address / 2 ** 32);
  }

  private to(i: number, { lo, hi }: Halves): void {
    const b = this.rows.buffer;
    b.to[2 * i] = lo;
    b.to[2 * i + 1] = hi;
  }

  private step(kind: string): void {
    switch (kind) {
      case "mem-write":
        this.write(this.address("address"), this.number("value"), this.field("mem-order") === "release");
        break;
      case "mem-set":
        this.set(this.address("address"), this.address("size"), this.number("value").lo & 0xff);
        break;
      case "mem-init":
      case "mem-free":
        this.memoryHint(kind);
        break;
      case "barrier":
        this.put(Kind.barrier, barrierIndex(this.barrierName()), this.barrierName());
        break;
      case "tlbi": {
        const i = this.put(Kind.tlbi, tlbiIndex(this.word), `tlbi ${this.word}`);
        if (this.fields.has("value")) this.to(i, this.number("value"));
        break;
      }
      case "sysreg-write":
        this.sysreg();
        break;
      case "hint": {
        const name = this.field("kind");
        const i = this.put(Kind.hint, codeOf(Kind.hint, name, this.rows.names), `hint ${name}`);
        this.at(i, this.address("location"));
        this.to(i, this.number("value"));
        break;
      }
      case "lock":
      case "trylock":
      case "unlock":
        this.at(this.put(Kind.lock, codeOf(Kind.lock, kind, this.rows.names), kind), this.address("address"));
    }
  }

  private barrierName(): string {
    return this.word === "isb" ? "isb" : `${this.word} ${this.fields.get("kind") ?? "sy"}`;
  }

  private memoryHint(kind: string): void {
    const first = this.address("address");
    const size = this.number("size");
    const i = this.put(Kind.hint, codeOf(Kind.hint, kind, this.rows.names), kind);
    this.at(i, first);
    this.to(i, size);
    const bytes = size.hi * 2 ** 32 + size.lo;
    if (bytes / WORD_BYTES > this.memory.size) {
      for (const word of this.memory.keys())
        if (word * WORD_BYTES >= first && word * WORD_BYTES < first + bytes) this.memory.delete(word);
    } else for (let at = first; at < first + bytes; at += WORD_BYTES) this.memory.delete(at / WORD_BYTES);
  }

  /** memset: of what is 0 already nothing is written. */
  private set(first: number, size: number, byte: number): void {
    if (size > MAX_SET) throw this.rows.error(`size: ${size} bytes, expected at most ${MAX_SET}`);
    const half = byte * 0x0101_0101;
    for (let at = first; at < first + size; at += WORD_BYTES) {
      const old = this.memory.get(at / WORD_BYTES);
      if (byte !== 0 || (old !== undefined && (old.lo !== 0 || old.hi !== 0)))
        this.write(at, { lo: half, hi: half }, false);
    }
  }

  private write(address: number, value: Halves, release: boolean): void {
    if (address % WORD_BYTES !== 0)
      throw this.rows.error(`address: ${this.field("address")}, expected a multiple of 8`);
    const i = this.put(Kind.write, release ? 1 : 0, "mem-write");
    const b = this.rows.buffer;
    const old = this.memory.get(address / WORD_BYTES);
    this.memory.set(address / WORD_BYTES, value);
    this.at(i, address);
    b.slot[i] = (address % 4096) / WORD_BYTES;
    if (old !== undefined) {
      b.from[2 * i] = old.lo;
      b.from[2 * i + 1] = old.hi;
    }
    this.to(i, value);
  }

  private sysreg(): void {
    const name = this.field("sysreg");
    const code = sysregIndex(name);
    const value = this.number("value");
    if (code === undefined) {
      if (/^[a-z]\w*_el[0-3]$/i.test(name)) return; // MAIR_EL2 and others: no translation is told by them here
      throw this.rows.error(`sysreg: '${name}', expected a system register such as vttbr_el2`);
    }
    const isVttbr = sysregIndex("VTTBR_EL2") === code;
    const old = isVttbr ? this.vttbr[this.pcpu] : undefined;
    if (isVttbr) this.vttbr[this.pcpu] = value;
    const i = this.put(Kind.sysreg, code, name);
    const b = this.rows.buffer;
    if (old !== undefined) {
      b.from[2 * i] = old.lo;
      b.from[2 * i + 1] = old.hi;
    }
    this.to(i, value);
  }
}
