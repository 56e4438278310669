/** KVM with nested virtualization as the host of the hypervisor whose trace this is: trace in, counts out. */
import { hex, idOf, levelShift, PAGE_SHIFT, pageOf, SYSREGS, TLBI_OPS } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import { type EventBuffer, Kind, type Names, type TraceSink } from "../../trace/index.js";
import { byName, type Counts } from "../counts.js";
import { HypercallMarks } from "../marks.js";
import type { KvmHost } from "../prices.js";
import { type Account, nestedCounts } from "./account.js";
import { TlbiHandlers } from "./handlers.js";
import { NestedMmus, type ShadowMmu } from "./mmus.js";
import { ShadowPool } from "./shadow.js";
import { Tally } from "./tally.js";

const VTTBR_EL2 = SYSREGS.indexOf("VTTBR_EL2");
const MAX_PCPUS = 256;

/** What the shadow tables themselves depend on: one simulation serves all hosts with the same. */
export type ShadowShape = Pick<KvmHost, "granuleBits" | "backingLevel">;

/**
 * Runs a trace on simulated shadow MMUs. Every TLBI of the trace counts as executed at virtual EL2, and traps; every access
 * as one of a guest under the VTTBR_EL2 in force on its pCPU, which is a vCPU of the guest hypervisor pinned by the host.
 */
export class KvmNested implements TraceSink {
  readonly wants = [Kind.access, Kind.tlbi, Kind.sysreg, Kind.begin];
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
  /** shadow of each pCPU's guest since its first access under the VTTBR_EL2 in force */
  private readonly current: (ShadowMmu | undefined)[];
  /** first page beyond the smallest IPA size */
  private readonly pageLimit: number;
  private rows = 0;

  /** `ipaBits`: the IPA sizes for which counts will be asked; `vcpus`: vCPUs of the guest hypervisor (pCPUs of the trace). */
  constructor(
    shape: ShadowShape,
    private readonly ipaBits: readonly number[],
    private readonly vcpus: number,
  ) {
    this.granuleBits = shape.granuleBits;
    this.backingLevel = shape.backingLevel;
    this.leafPages = [0, 1, 2, 3].map((level) => 2 ** (levelShift(level, shape.granuleBits) - PAGE_SHIFT));
    this.granulesPerPage = 1 / this.leafPages[3]!;
    this.pool = new ShadowPool(shape.granuleBits);
    this.mmus = new NestedMmus(this.pool, vcpus);
    this.tally = new Tally(ipaBits.length);
    this.handlers = new TlbiHandlers(this.pool, this.mmus, ipaBits, this.tally);
    this.current = new Array<ShadowMmu | undefined>(vcpus).fill(undefined);
    this.pageLimit = 2 ** (Math.min(...ipaBits) - PAGE_SHIFT);
  }

  /** Throws an InputError for a pCPU that the guest hypervisor does not have, and for an IPA beyond an IPA size. */
  events(buffer: EventBuffer, names: Names): void {
    const { kind, pcpu, code, vmid, level, to, from, length } = buffer;
    for (let i = 0; i < length; i++)
      switch (kind[i]!) {
        case Kind.access:
          this.access(i, pcpu[i]!, vmid[i]!, level[i]!, from[2 * i]!, from[2 * i + 1]!);
          break;
        case Kind.tlbi:
          this.tlbi(pcpu[i]!, code[i]!, vmid[i]!, to[2 * i]!, to[2 * i + 1]!);
          break;
        case Kind.sysreg:
          if (code[i] === VTTBR_EL2) this.writeVttbr(i, pcpu[i]!, to[2 * i]!, to[2 * i + 1]!);
          break;
        case Kind.begin:
          this.hypercalls.begin(code[i]!);
          break;
      }
    this.rows += length;
    this.hypercalls.names = names;
  }

  private writeVttbr(row: number, pcpu: number, lo: number, hi: number): void {
    this.checkPcpu(row, pcpu);
    this.written[pcpu] = 1;
    this.vttbrLo[pcpu] = lo;
    this.vttbrHi[pcpu] = hi;
    this.leave(pcpu);
  }

  private leave(pcpu: number): void {
    this.current[pcpu] = undefined;
    this.mmus.put(pcpu);
  }

  private tlbi(pcpu: number, op: number, vmid: number, lo: number, hi: number): void {
    this.executed[op]!++;
    this.handlers.handle(op, this.written[pcpu] === 1 ? idOf(this.vttbrHi[pcpu]!) : vmid, lo, hi);
  }

  private access(row: number, pcpu: number, vmid: number, guestLevel: number, ipaLo: number, ipaHi: number): void {
    const page = pageOf(ipaLo, ipaHi);
    if (page >= this.pageLimit) this.refuseIpa(row, ipaLo, ipaHi);
    let mmu = this.current[pcpu];
    if (mmu === undefined || (this.written[pcpu] === 0 && mmu.vmid !== vmid)) mmu = this.enter(row, pcpu, vmid);
    if (mmu.stage2.find(Math.floor(page * this.granulesPerPage)) < 0) this.fault(mmu, page, guestLevel);
  }

  /** A vCPU enters its guest (kvm_vcpu_load_hw_mmu), on a shadow that it looks up or takes over. */
  private enter(row: number, pcpu: number, vmid: number): ShadowMmu {
    this.checkPcpu(row, pcpu);
    const written = this.written[pcpu] === 1;
    const lo = written ? this.vttbrLo[pcpu]! : 0;
    const hi = written ? this.vttbrHi[pcpu]! : (vmid << 16) >>> 0;
    const mmu = this.mmus.get(pcpu, lo, hi, (recycled) => this.handlers.unmapAll(recycled));
    this.current[pcpu] = mmu;
    if (mmu.firstRunOn(pcpu)) this.tally.contextFlushes++;
    return mmu;
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

  /** What the host of that account did until now. A RangeError says that it was not simulated: its IPA size or page size. */
  counts(account: Account): Counts {
    const size = this.ipaBits.indexOf(account.ipaBits);
    if (size < 0) throw new RangeError(`${account.ipaBits} IPA bits were not simulated`);
    if (account.granuleBits !== this.granuleBits) throw new RangeError("another host page size was simulated");
    const tlbi = byName(this.executed, (i) => TLBI_OPS[i]!.name);
    return nestedCounts(this.tally, account, size, tlbi, this.hypercalls.byName());
  }
}
