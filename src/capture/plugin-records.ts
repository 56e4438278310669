/** Records of the plugin that records (guests/record.c): 34 words of 64 bits each, little-endian. */
import { type BlockRecord, elOf, type RecordReader, XenBlocks, type XenRuns } from "./records.js";

/** PC; PSTATE below the CPU's number; X0 to X30; SP. */
const [PC, PSTATE, CPU, X0] = [0, 8, 12, 16];
const RECORD = X0 + 32 * 8;
/** PSTATE.nRW: AArch32 state, in which Xen never runs. */
const NRW = 1 << 4;

/** Hands Xen's blocks on. */
export class PluginRecords implements BlockRecord, RecordReader {
  cpu = 0;
  pc = 0;
  records = 0;
  /** of a record that is not whole yet */
  private rest: Buffer = Buffer.alloc(0);
  private data: Buffer = this.rest;
  private at = 0;
  private readonly xen: XenBlocks;

  /** `record` gets each block that is Xen's. */
  constructor(
    private readonly record: (record: BlockRecord) => void,
    runs: XenRuns = {},
  ) {
    this.xen = new XenBlocks(runs);
  }

  feed(piece: Buffer): void {
    this.data = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    const whole = this.data.length - (this.data.length % RECORD);
    for (this.at = 0; this.at < whole; this.at += RECORD) this.next();
    this.rest = this.data.subarray(whole);
  }

  /** A record that is not whole is none: the machine was ended in it. */
  end(): void {
    this.rest = Buffer.alloc(0);
  }

  private next(): void {
    const { data, at } = this;
    this.records++;
    this.pc = data.readUInt32LE(at + PC + 4) * 2 ** 32 + data.readUInt32LE(at + PC);
    this.cpu = data.readUInt32LE(at + CPU);
    const pstate = data.readUInt32LE(at + PSTATE);
    if (this.xen.has(this.pc, pstate & NRW ? undefined : elOf(pstate))) this.record(this);
  }

  lo(register: number): number {
    return this.data.readUInt32LE(this.at + X0 + 8 * register);
  }

  hi(register: number): number {
    return this.data.readUInt32LE(this.at + X0 + 8 * register + 4);
  }
}
