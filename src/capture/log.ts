/**
 * QEMU's execution log (-d exec,cpu): for each block that began, a line with CPU and PC and the registers below it. It is
 * read as it grows and never kept.
 *
 *     Trace 0: 0x7f46f0223b40 [00200008/00000a000025b6a8/00000061/ff022000] p2m_force_tlb_flush_sync
 *      PC=00000a000025b6a8 X00=00008000fffcd208 X01=0000000000000000
 *     X02=0000000000000240 ...
 *     X29=0000000000000000 X30=00000a000025cb2c  SP=00000a00002f7d00
 *     PSTATE=200002c9 --C- EL2h ...
 *
 * "Stopped execution of TB chain before" after it says that the block did not begin after all. The filter knows addresses
 * only: where Xen is linked among the addresses of guests' programs (4.17, at 0x200000), theirs are logged too, at EL0.
 */

import { InputError } from "../input/index.js";
import { type BlockRecord, elOf, XenBlocks, type XenRuns } from "./records.js";

const NEWLINE = 10;
const TRACE = Buffer.from("Trace ");
const STOPPED = Buffer.from("Stopped execution");
/** What follows the first line of a block at an EL in AArch64 state; Xen runs in no other. */
const AARCH64 = Buffer.from(" PC=");
const FIRST_REGISTER = Buffer.from("X00=");
const PSTATE = Buffer.from("PSTATE=");
/** Characters from one register's name to the next: "X00=", 16 digits, a blank or the end of the line. */
const STRIDE = 21;
const REGISTERS = 32;
/** Bytes that may come before a record's end is seen: its own 1,000, and lines about the linking of blocks, which may be many. */
const MAX_RECORD = 16 * 2 ** 20;
/** Bytes of a rest that is not looked at again with each piece. */
const LONG = 65_536;

/** Cuts the log into records and hands those at Xen's EL on, once it is certain that the block began. */
export class ExecutionLog implements BlockRecord {
  cpu = 0;
  pc = 0;
  /** blocks that began, at whatever EL */
  records = 0;
  private rest: Buffer = Buffer.alloc(0);
  /** what has come behind the rest */
  private pieces: Buffer[] = [];
  private piecesLength = 0;
  private data: Buffer = this.rest;
  private registers = 0;

  private readonly xen: XenBlocks;

  /** `record` gets each block that is Xen's. */
  constructor(
    private readonly record: (record: BlockRecord) => void,
    runs: XenRuns = {},
  ) {
    this.xen = new XenBlocks(runs);
  }

  /** The next piece of the log. */
  feed(piece: Buffer): void {
    this.pieces.push(piece);
    this.piecesLength += piece.length;
    // What is long, and still not a whole record, is looked at again when there is twice as much of it.
    if (this.rest.length > LONG && this.piecesLength < this.rest.length) this.checkLength();
    else {
      this.joinPieces();
      const used = this.scan(false);
      this.rest = this.data.subarray(used);
      this.checkLength();
    }
  }

  private checkLength(): void {
    if (this.rest.length + this.piecesLength > MAX_RECORD)
      throw new InputError(
        `QEMU's execution log has a record of more than ${MAX_RECORD} bytes, expected about 1,000 and lines of other kinds`,
      );
  }

  /** The log has ended: the last record is handed on. */
  end(): void {
    this.joinPieces();
    this.scan(true);
    this.rest = Buffer.alloc(0);
  }

  private joinPieces(): void {
    const [only] = this.pieces;
    this.data = this.rest.length === 0 && this.pieces.length === 1 ? only! : Buffer.concat([this.rest, ...this.pieces]);
    this.pieces = [];
    this.piecesLength = 0;
  }

  /** Works on whole records; returns where the first begins that is not whole yet. */
  private scan(last: boolean): number {
    const { data } = this;
    let at = 0;
    while (at < data.length) {
      if (!this.beginsWith(TRACE, at)) {
        const end = data.indexOf(NEWLINE, at);
        if (end < 0) break;
        at = end + 1;
        continue;
      }
      const next = this.whole(at, last);
      if (next === undefined) break;
      at = next;
    }
    return at;
  }

  private beginsWith(word: Buffer, at: number): boolean {
    return this.data.compare(word, 0, word.length, at, Math.min(at + word.length, this.data.length)) === 0;
  }

  /** A record from its first line on; returns where it ends, undefined when that is not known yet. */
  private whole(at: number, last: boolean): number | undefined {
    const { data } = this;
    const header = data.indexOf(NEWLINE, at);
    if (header < 0) return undefined;
    if (header + 1 + AARCH64.length > data.length) return undefined;
    if (!this.beginsWith(AARCH64, header + 1)) return header + 1;
    const x0 = data.indexOf(FIRST_REGISTER, header);
    if (x0 < 0 || x0 + REGISTERS * STRIDE > data.length) return undefined;
    let line = data.indexOf(NEWLINE, x0 + REGISTERS * STRIDE - 2) + 1;
    if (line === 0) return undefined;
    let began = last;
    for (;;) {
      const end = data.indexOf(NEWLINE, line);
      if (end < 0) {
        if (!last) return undefined;
        break;
      }
      if (this.beginsWith(TRACE, line)) {
        began = true;
        break;
      }
      if (this.beginsWith(STOPPED, line)) {
        began = false;
        line = end + 1;
        break;
      }
      line = end + 1;
    }
    if (began) {
      this.records++;
      this.readHeader(at, header);
      this.registers = x0 + 4;
      if (this.xen.has(this.pc, this.elAt(x0 + REGISTERS * STRIDE))) this.record(this);
    }
    return line;
  }

  /** The EL that the line with PSTATE says, which begins at `at`; undefined where the log ends before it does. */
  private elAt(at: number): number | undefined {
    const digits = at + PSTATE.length;
    const says = digits + 8 <= this.data.length && this.beginsWith(PSTATE, at);
    return says ? elOf(this.digits(digits)) : undefined;
  }

  /** "Trace CPU: POINTER [CS_BASE/PC/FLAGS/CFLAGS] SYMBOL". */
  private readHeader(at: number, end: number): void {
    const { data } = this;
    let p = at + TRACE.length;
    let cpu = 0;
    for (; data[p]! >= 0x30 && data[p]! <= 0x39; p++) cpu = 10 * cpu + data[p]! - 0x30;
    const slash = data.indexOf(0x2f, p);
    if (data[p] !== 0x3a || cpu > 255 || slash < 0 || slash + 17 > end)
      throw new InputError(
        `QEMU's execution log has a line that is not understood: ${data.toString("latin1", at, end)}`,
      );
    this.cpu = cpu;
    this.pc = this.digits(slash + 1) * 2 ** 32 + this.digits(slash + 9);
  }

  /** Eight hexadecimal digits. */
  private digits(at: number): number {
    const { data } = this;
    let value = 0;
    for (let i = at; i < at + 8; i++) {
      const c = data[i]!;
      value = (value << 4) | (c < 0x3a ? c - 0x30 : c - 0x57);
    }
    return value >>> 0;
  }

  hi(register: number): number {
    return this.digits(this.registers + STRIDE * register);
  }

  lo(register: number): number {
    return this.digits(this.registers + STRIDE * register + 8);
  }
}
