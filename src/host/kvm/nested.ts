/** KVM with nested virtualization as the host of the hypervisor whose trace this is: trace in, counts out. */
import { hex, idOf, levelShift, PAGE_SHIFT, pageOf, SYSREGS, TLBI_OPS } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import { type EventBuffer, exitCode, Kind, type Names } from "../../trace/index.js";
import { byName, type Counts } from "../counts.js";
import type { Host } from "../host.js";
import { HypercallMarks } from "../marks.js";
import type { HostSink } from "../model.js";
import { accountOf, nestedCounts } from "./account.js";
import { TlbiHandlers } from "./handlers.js";
import { NestedMmus, type ShadowMmu } from "./mmus.js";
import type { KvmHost } from "./settings.js";
import { ShadowPool } from "./shadow.js";
import { Tally } from "./tally.js";

const VTTBR_EL2 = SYSREGS.indexOf("VTTBR_EL2");
const SHADOW_FAULT = exitCode("shadow-fault");
const MAX_PCPUS = 256;
/** Domain ids from here on are Xen's own: idle, I/O, none (DOMID_FIRST_RESERVED). */
const FIRST_RESERVED = 0x7ff0;

/** Marks by what they say of the guest on their pCPU. */
const Says = {
  unknown: 0,
  nothing: 1,
  /** it called or faulted: it had run, and runs again at the end */
  guest: 2,
  /** the same if a domain is there: Xen's own boot makes domains too */
  guestIfDomain: 3,
  /** a vCPU of a domain comes in: its guest runs at the end */
  switch: 4,
  /** the same if a domain is there */
  switchIfDomain: 5,
} as const;

function saidBy(mark: string): number {
  if (/^(hypercall|fault):/.test(mark)) return Says.guest;
  if (mark.startsWith("domain:")) return Says.guestIfDomain;
  if (!mark.startsWith("vcpu-switch:")) return Says.nothing;
  const domain = /:d(\d+)$/.exec(mark)?.[1];
  return domain !== undefined && Number(domain) < FIRST_RESERVED ? Says.switch : Says.switchIfDomain;
}

/** What the shadow tables themselves depend on: one simulation serves all hosts with the same. */
type ShadowShape = Pick<KvmHost, "granuleBits" | "backingLevel">;

/**
 * Runs a trace on simulated shadow MMUs. Every TLBI of the trace counts as executed at virtual EL2, and traps; every access
 * as one of a guest under the VTTBR_EL2 in force on its pCPU, which is a vCPU of the guest hypervisor pinned by the host.
 *
 * KVM makes a shadow when a vCPU enters its guest (kvm_vcpu_load_hw_mmu), and does not see a write of VTTBR_EL2. A trace tells
 * an entry by the end of a vCPU switch, of a hypercall, of a fault or of an operation on a domain, under the VTTBR_EL2 then in
 * force; the begin of the latter three tells that the guest ran until then; and by an access. What a pCPU does without a
 * domain, idle, enters no guest.
 *
 * A trace of a counted host tells by its exits at which IPAs guests met with a fault on the shadow. Then these are the accesses:
 * each was one that the shadow had no leaf for, so that it faults here exactly where the model's shadow has none either. What the
 * hypervisor looks up by AT (the trace's access events) the host walks by itself, and maps nothing for it.
 */
export class KvmNested implements HostSink {
  readonly wants = [Kind.access, Kind.tlbi, Kind.sysreg, Kind.begin, Kind.end, Kind.exit];
  private readonly granuleBits: KvmHost["granuleBits"];
  private readonly backingLevel: KvmHost["backingLevel"];
  /** 4 KiB pages of a leaf at each level, and the part of a host's page that one is */
  private readonly leafPages: readonly number[];
  private readonly granulesPerPage: number;
  private readonly pool: ShadowPool;
  private readonly mmus: NestedMmus;
  private readonly tally: Tally;
  private readonly handlers: TlbiHandlers;
  private readonly hypercalls = new HypercallMarks();
  private readonly executed = new Float64Array(TLBI_OPS.length);
  /** VTTBR_EL2 of each pCPU as last written; until one is, the rows' VMID with root 0 stands for it */
  private readonly written = new Uint8Array(MAX_PCPUS);
  private readonly vttbrLo = new Uint32Array(MAX_PCPUS);
  private readonly vttbrHi = new Uint32Array(MAX_PCPUS);
  /** by mark: what it says */
  private readonly says = new Uint8Array(0x1_0000);
  /** shadow of each pCPU's guest since it entered it under the VTTBR_EL2 in force */
  private readonly current: (ShadowMmu | undefined)[];
  /** first page beyond the smallest IPA size */
  private readonly pageLimit: number;
  private rows = 0;

  /**
   * `ipaBits`: the IPA sizes for which counts will be asked; `vcpus`: vCPUs of the guest hypervisor (pCPUs of the trace);
   * `ran`: VMIDs whose guests have run before the trace begins, at most two a vCPU (else an InputError).
   */
  constructor(
    shape: ShadowShape,
    private readonly ipaBits: readonly number[],
    private readonly vcpus: number,
    ran: readonly number[] = [],
  ) {
    this.granuleBits = shape.granuleBits;
    this.backingLevel = shape.backingLevel;
    this.leafPages = [0, 1, 2, 3].map((level) => 2 ** (levelShift(level, shape.granuleBits) - PAGE_SHIFT));
    this.granulesPerPage = 1 / this.leafPages[3]!;
    this.pool = new ShadowPool(shape.granuleBits, Math.max(...ipaBits));
    this.mmus = new NestedMmus(this.pool, vcpus);
    this.tally = new Tally(ipaBits.length);
    this.handlers = new TlbiHandlers(this.pool, this.mmus, ipaBits, this.tally);
    this.current = new Array<ShadowMmu | undefined>(vcpus).fill(undefined);
    this.pageLimit = 2 ** (Math.min(...ipaBits) - PAGE_SHIFT);
    this.ranBefore(ran);
  }

  private ranBefore(vmids: readonly number[]): void {
    if (vmids.length > this.mmus.size)
      throw new InputError(
        `${vmids.length} VMIDs have run before the trace, expected at most ${this.mmus.size}: two shadows for each of ${this.vcpus} vCPUs`,
      );
    for (const vmid of vmids) this.mmus.get(0, 0, (vmid << 16) >>> 0, (recycled) => this.handlers.unmapAll(recycled));
    this.mmus.put(0);
  }

  /** Throws an InputError for a pCPU that the guest hypervisor does not have, and for an IPA beyond an IPA size. */
  events(buffer: EventBuffer, names: Names): void {
    const { kind, pcpu, code, domain, vmid, level, to, from, length } = buffer;
    for (let i = 0; i < length; i++)
      switch (kind[i]!) {
        case Kind.access:
          if (!this.tally.exitsTold) this.access(i, pcpu[i]!, vmid[i]!, level[i]!, from[2 * i]!, from[2 * i + 1]!);
          break;
        case Kind.exit:
          this.tally.exitsTold = true;
          this.tally.exits[code[i]!]!++;
          if (code[i] === SHADOW_FAULT)
            this.toldFault(i, pcpu[i]!, vmid[i]!, level[i]!, from[2 * i]!, from[2 * i + 1]!);
          break;
        case Kind.tlbi:
          this.tlbi(pcpu[i]!, code[i]!, domain[i]!, vmid[i]!, to[2 * i]!, to[2 * i + 1]!);
          break;
        case Kind.sysreg:
          if (code[i] === VTTBR_EL2) this.writeVttbr(i, buffer);
          break;
        case Kind.begin:
          this.hypercalls.begin(code[i]!);
          this.begin(i, pcpu[i]!, this.saysOf(code[i]!, names), domain[i]!, vmid[i]!);
          break;
        case Kind.end:
          this.end(i, pcpu[i]!, this.saysOf(code[i]!, names), domain[i]!, vmid[i]!);
          break;
      }
    this.rows += length;
    this.hypercalls.names = names;
  }

  private saysOf(mark: number, names: Names): number {
    const says = this.says[mark]!;
    if (says !== Says.unknown) return says;
    const found = saidBy(names.list[mark]!);
    this.says[mark] = found;
    return found;
  }

  private begin(row: number, pcpu: number, says: number, domain: number, vmid: number): void {
    if (says === Says.guest || (says === Says.guestIfDomain && domain < FIRST_RESERVED)) this.run(row, pcpu, vmid);
    if (says !== Says.nothing && pcpu < this.vcpus) this.mmus.put(pcpu);
  }

  private end(row: number, pcpu: number, says: number, domain: number, vmid: number): void {
    if (says === Says.nothing) return;
    if (says === Says.guest || says === Says.switch || domain < FIRST_RESERVED) this.run(row, pcpu, vmid);
  }

  private writeVttbr(i: number, { pcpu, from, to }: EventBuffer): void {
    const on = pcpu[i]!;
    this.checkPcpu(i, on);
    // The first write of a trace also says what was in force: the root of the VMID that the rows had.
    const before = this.current[on];
    if (this.written[on] === 0 && before && before.vmid === idOf(from[2 * i + 1]!))
      this.mmus.find(from[2 * i]!, from[2 * i + 1]!);
    this.written[on] = 1;
    this.vttbrLo[on] = to[2 * i]!;
    this.vttbrHi[on] = to[2 * i + 1]!;
    this.current[on] = undefined;
    this.mmus.put(on);
  }

  private tlbi(pcpu: number, op: number, domain: number, vmid: number, lo: number, hi: number): void {
    this.executed[op]!++;
    if (domain >= FIRST_RESERVED && pcpu < this.vcpus) this.mmus.put(pcpu); // idle: the guest's vCPU has gone
    this.handlers.handle(op, this.written[pcpu] === 1 ? idOf(this.vttbrHi[pcpu]!) : vmid, lo, hi);
  }

  private access(row: number, pcpu: number, vmid: number, guestLevel: number, ipaLo: number, ipaHi: number): void {
    const page = pageOf(ipaLo, ipaHi);
    if (page >= this.pageLimit) this.refuseIpa(row, ipaLo, ipaHi);
    let mmu = this.current[pcpu];
    if (mmu === undefined || (this.written[pcpu] === 0 && mmu.vmid !== vmid)) mmu = this.enter(row, pcpu, vmid);
    if (mmu.stage2.find(Math.floor(page * this.granulesPerPage)) < 0) this.fault(mmu, page, guestLevel);
  }

  /** A fault that the host told of: on the shadow of that VMID, which its vCPU is on, or has been on since the trace's last row. */
  private toldFault(row: number, pcpu: number, vmid: number, guestLevel: number, lo: number, hi: number): void {
    const page = pageOf(lo, hi);
    if (page >= this.pageLimit) this.refuseIpa(row, lo, hi);
    const now = this.current[pcpu];
    const mmu =
      now?.vmid === vmid ? now : (this.mmus.valid.find((slot) => slot.vmid === vmid) ?? this.enter(row, pcpu, vmid));
    if (mmu.stage2.find(Math.floor(page * this.granulesPerPage)) < 0) this.fault(mmu, page, guestLevel);
  }

  /** The guest of the VTTBR_EL2 in force runs on the pCPU. */
  private run(row: number, pcpu: number, vmid: number): void {
    const mmu = this.current[pcpu];
    if (mmu === undefined || (this.written[pcpu] === 0 && mmu.vmid !== vmid)) this.enter(row, pcpu, vmid);
    else this.mmus.keep(pcpu, mmu);
  }

  /** A vCPU enters its guest (kvm_vcpu_load_hw_mmu), on a shadow that it looks up or takes over. */
  private enter(row: number, pcpu: number, vmid: number): ShadowMmu {
    this.checkPcpu(row, pcpu);
    const written = this.written[pcpu] === 1;
    const lo = written ? this.vttbrLo[pcpu]! : 0;
    const hi = written ? this.vttbrHi[pcpu]! : (vmid << 16) >>> 0;
    const mmu = this.mmus.get(pcpu, lo, hi, (recycled) => this.recycle(recycled));
    this.current[pcpu] = mmu;
    if (mmu.firstRunOn(pcpu)) this.tally.contextFlushes++;
    return mmu;
  }

  /** A slot goes over to another VTTBR_EL2: it is unmapped, and who used it last looks up anew. */
  private recycle(slot: ShadowMmu): void {
    this.handlers.unmapAll(slot);
    for (let pcpu = 0; pcpu < this.vcpus; pcpu++) if (this.current[pcpu] === slot) this.current[pcpu] = undefined;
  }

  /** A stage-2 fault on the shadow: one leaf, no larger than the guest's own mapping and than the host's backing of it. */
  private fault(mmu: ShadowMmu, page: number, guestLevel: number): void {
    const hint = guestLevel >= this.pool.chunkLevel ? guestLevel : 0;
    const level = mmu.stage2.map(Math.max(hint === 0 ? 3 : hint, this.backingLevel), hint);
    const pages = this.leafPages[level]!;
    const before = mmu.mapped.addOne(page);
    if (pages > 1) mmu.mapped.add(page - (page & (pages - 1)), pages);
    if (before) this.tally.refaults++;
    else this.tally.firstFaults++;
  }

  private checkPcpu(row: number, pcpu: number): void {
    if (pcpu >= this.vcpus)
      throw new InputError(`row ${this.rows + row + 1}: pCPU ${pcpu}, expected 0 to ${this.vcpus - 1}`);
  }

  private refuseIpa(row: number, lo: number, hi: number): never {
    const bits = Math.min(...this.ipaBits);
    throw new InputError(
      `row ${this.rows + row + 1}: access to IPA ${hex(lo, hi)}, expected one below 2^${bits}, the host's IPA size`,
    );
  }

  /** VMIDs under which a guest has run, before the trace or in it until now, in ascending order. */
  vmidsRun(): number[] {
    return this.mmus.vmidsRun();
  }

  /** What the host did until now. A RangeError says that it was not simulated: its IPA size or page size. */
  counts(host: Host, ipaBits: number): Counts {
    const account = accountOf(host, ipaBits);
    const size = this.ipaBits.indexOf(account.ipaBits);
    if (size < 0) throw new RangeError(`${account.ipaBits} IPA bits were not simulated`);
    if (account.granuleBits !== this.granuleBits) throw new RangeError("another host page size was simulated");
    const tlbi = byName(this.executed, (i) => TLBI_OPS[i]!.name);
    return nestedCounts(this.tally, account, size, tlbi, this.hypercalls.byName());
  }
}
