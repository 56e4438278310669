/** How a source writes events: one method a kind, straight into columns; full blocks go to the sinks. */
import { type Halves, pageHi, pageLo, TWO32 } from "../arch/index.js";
import { BLOCK_EVENTS, EventBuffer, type TraceSink } from "./buffer.js";
import { type Hint, hintCode, KINDS, Kind, Names, NO_DOMAIN, NO_LEVEL } from "./event.js";

/** One trace on its way to its sinks. */
class Lane {
  readonly buffer = new EventBuffer(BLOCK_EVENTS);
  total = 0;
  /** by kind: 1 = some sink wants it */
  readonly wanted: Uint8Array;

  constructor(private readonly sinks: readonly TraceSink[]) {
    this.wanted = Uint8Array.from(KINDS, (_, kind) => (sinks.every((s) => s.wants?.includes(kind) === false) ? 0 : 1));
  }

  /** A row with nothing in stage, level, slot, address, from and to. Returns its index. */
  put(kind: number, pcpu: number, code: number, domain: number, vmid: number, site: number, names: Names): number {
    const b = this.buffer;
    if (b.length === b.capacity) this.flush(names);
    const i = b.length++;
    b.kind[i] = kind;
    b.pcpu[i] = pcpu;
    b.code[i] = code;
    b.domain[i] = domain;
    b.vmid[i] = vmid;
    b.site[i] = site;
    return i;
  }

  flush(names: Names): void {
    const b = this.buffer;
    if (b.length === 0) return;
    this.total += b.length;
    for (const sink of this.sinks) sink.events(b, names);
    b.clear();
  }
}

/**
 * Page arguments are page numbers (4 KiB). The context of a pCPU (domain and VMID in force) is set once with
 * {@link Recorder.context} and stamped on every event until it changes.
 *
 * A recorder may write several traces at once, its *lanes*: one source that does the same work in several ways. What is
 * recorded goes to all of them, or after {@link Recorder.only} to one.
 */
export class Recorder {
  readonly names = new Names();
  private readonly lanes: readonly Lane[];
  private readonly domains: Uint16Array;
  private readonly vmids: Uint16Array;
  private site = 0;
  /** lanes written to: from the first, and to before the last */
  private first = 0;
  private last: number;
  private paused = false;

  /** `sinks` of the first lane, `more` of the others. */
  constructor(pcpus: number, sinks: readonly TraceSink[], ...more: readonly (readonly TraceSink[])[]) {
    this.lanes = [sinks, ...more].map((of) => new Lane(of));
    this.last = this.lanes.length;
    this.domains = new Uint16Array(pcpus).fill(NO_DOMAIN);
    this.vmids = new Uint16Array(pcpus);
  }

  /** Events recorded so far in a lane, and handed to its sinks: those that some sink wants. */
  total(lane = 0): number {
    return this.lanes[lane]!.total;
  }

  /** What follows goes to one lane only, until {@link Recorder.all}. */
  only(lane: number): void {
    this.first = lane;
    this.last = lane + 1;
  }

  /** What follows goes to all lanes. */
  all(): void {
    this.first = 0;
    this.last = this.lanes.length;
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

  /** An event that is all in its name and context. */
  private plain(kind: number, pcpu: number, code: number): void {
    if (this.paused) return;
    const domain = this.domains[pcpu]!;
    const vmid = this.vmids[pcpu]!;
    for (let l = this.first; l < this.last; l++) {
      const lane = this.lanes[l]!;
      if (lane.wanted[kind] === 1) lane.put(kind, pcpu, code, domain, vmid, this.site, this.names);
    }
  }

  /** An event with a value in `to`. */
  private valued(kind: number, pcpu: number, code: number, t0: number, t1: number): void {
    if (this.paused) return;
    const domain = this.domains[pcpu]!;
    const vmid = this.vmids[pcpu]!;
    for (let l = this.first; l < this.last; l++) {
      const lane = this.lanes[l]!;
      if (lane.wanted[kind] === 0) continue;
      const j = 2 * lane.put(kind, pcpu, code, domain, vmid, this.site, this.names);
      const { to } = lane.buffer;
      to[j] = t0;
      to[j + 1] = t1;
    }
  }

  /** An event with all columns. */
  private row(
    kind: number,
    pcpu: number,
    code: number,
    stage: number,
    level: number,
    slot: number,
    a0: number,
    a1: number,
    f0: number,
    f1: number,
    t0: number,
    t1: number,
  ): void {
    if (this.paused) return;
    const domain = this.domains[pcpu]!;
    const vmid = this.vmids[pcpu]!;
    for (let l = this.first; l < this.last; l++) {
      const lane = this.lanes[l]!;
      if (lane.wanted[kind] === 0) continue;
      const i = lane.put(kind, pcpu, code, domain, vmid, this.site, this.names);
      const b = lane.buffer;
      b.stage[i] = stage;
      b.level[i] = level;
      b.slot[i] = slot;
      const { address, from, to } = b;
      const j = 2 * i;
      address[j] = a0;
      address[j + 1] = a1;
      from[j] = f0;
      from[j + 1] = f1;
      to[j] = t0;
      to[j + 1] = t1;
    }
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
    const lo = (pageLo(tablePage) | (slot << 3)) >>> 0;
    this.row(Kind.write, pcpu, 0, stage, level, slot, lo, pageHi(tablePage), oldLo, oldHi, newLo, newHi);
  }

  /** A TLBI (index in TLBI_OPS) with bits [47:0] of its operand and an ASID; the VMID is the one in force. */
  tlbi(pcpu: number, op: number, operand: number, asid: number): void {
    const lo = operand >>> 0;
    const hi = (operand - lo) / TWO32 + asid * 0x1_0000;
    if (lo === 0 && hi === 0) this.plain(Kind.tlbi, pcpu, op);
    else this.valued(Kind.tlbi, pcpu, op, lo, hi);
  }

  /** A barrier (index in BARRIERS). */
  barrier(pcpu: number, barrier: number): void {
    this.plain(Kind.barrier, pcpu, barrier);
  }

  /** A system register write (index in SYSREGS). */
  sysreg(pcpu: number, register: number, from: Halves, to: Halves): void {
    this.row(Kind.sysreg, pcpu, register, 0, NO_LEVEL, 0, 0, 0, from.lo, from.hi, to.lo, to.hi);
  }

  /** An access by the running vCPU to a page, mapped at `level` of stage 2; pages of VA, IPA and PA. */
  access(pcpu: number, access: number, level: number, va: number, ipa: number, pa: number): void {
    this.row(
      Kind.access,
      pcpu,
      access,
      2,
      level,
      0,
      pageLo(va),
      pageHi(va),
      pageLo(ipa),
      pageHi(ipa),
      pageLo(pa),
      pageHi(pa),
    );
  }

  /** Pages change owner (domain ids; NO_DOMAIN = the heap): one page, or an aligned extent as large as a block of `level`. */
  owner(pcpu: number, page: number, before: number, after: number, level = 3): void {
    this.row(Kind.owner, pcpu, 0, 0, level, 0, pageLo(page), pageHi(page), before, 0, after, 0);
  }

  /** What the code says of a page. */
  hint(pcpu: number, hint: Hint, page: number): void {
    this.row(Kind.hint, pcpu, hintCode(hint), 0, NO_LEVEL, 0, pageLo(page), pageHi(page), 0, 0, 0, 0);
  }

  /** A fault taken by the hypervisor: index in FAULTS, stage and level, pages of VA and IPA. */
  fault(pcpu: number, fault: number, stage: 1 | 2, level: number, va: number, ipa: number): void {
    this.row(Kind.fault, pcpu, fault, stage, level, 0, pageLo(va), pageHi(va), pageLo(ipa), pageHi(ipa), 0, 0);
  }

  /** Begin of a mark (an id of {@link Recorder.names}, "class:what"); `to` as MARKS says. */
  begin(pcpu: number, mark: number, to = 0): void {
    this.valued(Kind.begin, pcpu, mark, to, 0);
  }

  /** End of a mark; a negative result (-errno) is stored as a 64-bit two's complement. */
  end(pcpu: number, mark: number, result = 0): void {
    this.valued(Kind.end, pcpu, mark, result >>> 0, result < 0 ? 0xffff_ffff : 0);
  }

  /** From now on nothing is recorded, or everything again: a trace may begin later than its source. */
  pause(paused: boolean): void {
    this.paused = paused;
  }

  /** Hands what is buffered to the sinks; call it once at the end. */
  flush(): void {
    for (const lane of this.lanes) lane.flush(this.names);
  }
}
