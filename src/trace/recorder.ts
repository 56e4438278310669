/** How a source writes events: one method a kind, straight into columns; full blocks go to the sinks. */
import { type Halves, pageHi, pageLo, TWO32 } from "../arch/index.js";
import { BLOCK_EVENTS, EventBuffer, type TraceSink } from "./buffer.js";
import { Kind, Names, NO_DOMAIN, NO_LEVEL } from "./event.js";

/**
 * Page arguments are page numbers (4 KiB). The context of a pCPU (domain and VMID in force) is set once with
 * {@link Recorder.context} and stamped on every event until it changes.
 */
export class Recorder {
  readonly names = new Names();
  /** events recorded so far */
  total = 0;
  private readonly buffer: EventBuffer;
  private readonly domains: Uint16Array;
  private readonly vmids: Uint16Array;
  private site = 0;

  constructor(
    pcpus: number,
    private readonly sinks: readonly TraceSink[],
  ) {
    this.buffer = new EventBuffer(BLOCK_EVENTS);
    this.domains = new Uint16Array(pcpus).fill(NO_DOMAIN);
    this.vmids = new Uint16Array(pcpus);
  }

  /** From now on `domain` runs on the pCPU, or is served there, and `vmid` is in force. */
  context(pcpu: number, domain: number, vmid: number): void {
    this.domains[pcpu] = domain;
    this.vmids[pcpu] = vmid;
  }

  /** From now on events are issued at this site (an id of {@link Recorder.names}). Returns the one before. */
  at(site: number): number {
    const before = this.site;
    this.site = site;
    return before;
  }

  /** The VMID in force on a pCPU. */
  vmid(pcpu: number): number {
    return this.vmids[pcpu]!;
  }

  private row(kind: number, pcpu: number, code: number, stage = 0, level: number = NO_LEVEL, slot = 0): number {
    const b = this.buffer;
    if (b.length === b.capacity) this.flush();
    const i = b.length++;
    b.kind[i] = kind;
    b.pcpu[i] = pcpu;
    b.code[i] = code;
    b.domain[i] = this.domains[pcpu]!;
    b.vmid[i] = this.vmids[pcpu]!;
    b.stage[i] = stage;
    b.level[i] = level;
    b.slot[i] = slot;
    b.site[i] = this.site;
    return i;
  }

  private words(i: number, a0: number, a1: number, f0: number, f1: number, t0: number, t1: number): void {
    const b = this.buffer;
    const j = 2 * i;
    b.address[j] = a0;
    b.address[j + 1] = a1;
    b.from[j] = f0;
    b.from[j + 1] = f1;
    b.to[j] = t0;
    b.to[j + 1] = t1;
  }

  /** A descriptor write: table's page, stage (1 or 2), level, slot, old and new descriptor as halves. */
  write(
    pcpu: number,
    tablePage: number,
    stage: 1 | 2,
    level: number,
    slot: number,
    oldLo: number,
    oldHi: number,
    newLo: number,
    newHi: number,
  ): void {
    const i = this.row(Kind.write, pcpu, 0, stage, level, slot);
    this.words(i, (pageLo(tablePage) | (slot << 3)) >>> 0, pageHi(tablePage), oldLo, oldHi, newLo, newHi);
  }

  /** A TLBI (index in TLBI_OPS) with bits [47:0] of its operand and an ASID; the VMID is the one in force. */
  tlbi(pcpu: number, op: number, operand: number, asid: number): void {
    const i = this.row(Kind.tlbi, pcpu, op);
    this.words(i, 0, 0, 0, 0, operand % TWO32, Math.floor(operand / TWO32) + asid * 0x1_0000);
  }

  /** A barrier (index in BARRIERS). */
  barrier(pcpu: number, barrier: number): void {
    const i = this.row(Kind.barrier, pcpu, barrier);
    this.words(i, 0, 0, 0, 0, 0, 0);
  }

  /** A system register write (index in SYSREGS). */
  sysreg(pcpu: number, register: number, from: Halves, to: Halves): void {
    const i = this.row(Kind.sysreg, pcpu, register);
    this.words(i, 0, 0, from.lo, from.hi, to.lo, to.hi);
  }

  /** An access by the running vCPU to a page, mapped at `level` of stage 2; pages of VA, IPA and PA. */
  access(pcpu: number, access: number, level: number, va: number, ipa: number, pa: number): void {
    const i = this.row(Kind.access, pcpu, access, 2, level);
    this.words(i, pageLo(va), pageHi(va), pageLo(ipa), pageHi(ipa), pageLo(pa), pageHi(pa));
  }

  /** Pages change owner (domain ids; NO_DOMAIN = the heap): one page, or an aligned extent as large as a block of `level`. */
  owner(pcpu: number, page: number, before: number, after: number, level = 3): void {
    const i = this.row(Kind.owner, pcpu, 0, 0, level);
    this.words(i, pageLo(page), pageHi(page), before, 0, after, 0);
  }

  /** A fault taken by the hypervisor: index in FAULTS, stage and level, pages of VA and IPA. */
  fault(pcpu: number, fault: number, stage: 1 | 2, level: number, va: number, ipa: number): void {
    const i = this.row(Kind.fault, pcpu, fault, stage, level);
    this.words(i, pageLo(va), pageHi(va), pageLo(ipa), pageHi(ipa), 0, 0);
  }

  /** Begin of a mark (an id of {@link Recorder.names}, "class:what"); `to` as MARKS says. */
  begin(pcpu: number, mark: number, to = 0): void {
    const i = this.row(Kind.begin, pcpu, mark);
    this.words(i, 0, 0, 0, 0, to, 0);
  }

  /** End of a mark; a negative result (-errno) is stored as a 64-bit two's complement. */
  end(pcpu: number, mark: number, result = 0): void {
    const i = this.row(Kind.end, pcpu, mark);
    this.words(i, 0, 0, 0, 0, result >>> 0, result < 0 ? 0xffff_ffff : 0);
  }

  /** Forgets what has not been handed to the sinks yet: a trace may begin later than the simulation. */
  discard(): void {
    if (this.total > 0) throw new Error("events were handed to the sinks already");
    this.buffer.length = 0;
  }

  /** Hands what is buffered to the sinks; call it once at the end. */
  flush(): void {
    const b = this.buffer;
    if (b.length === 0) return;
    this.total += b.length;
    for (const sink of this.sinks) sink.events(b, this.names);
    b.length = 0;
  }
}
