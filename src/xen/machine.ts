/** The machine under Xen: pCPUs with what they run, memory, tables, and the policy whose code runs at each flush. */
import { barrierIndex, type CpuProfile, sysregIndex, tlbiIndex, type Vmid, vmid, vttbr } from "../arch/index.js";
import type { Case, Executor, Occasion, Policy } from "../policy/index.js";
import { run } from "../policy/index.js";
import { NO_DOMAIN, type Recorder } from "../trace/index.js";
import { Heap } from "./heap.js";
import { Tables } from "./tables.js";
import { VmidPool } from "./vmid.js";

const VTTBR = sysregIndex("VTTBR_EL2")!;
const ISB = barrierIndex("isb")!;
const DSB_ISHST = barrierIndex("dsb ishst")!;
const DSB_ISH = barrierIndex("dsb ish")!;
const ALLE1IS = tlbiIndex("alle1is")!;
const VALE2IS = tlbiIndex("vale2is")!;

/** Where things happen: the simulated pCPUs, memory and the recorder of what they do. */
export class Machine {
  readonly heap: Heap;
  readonly tables: Tables;
  readonly vmids: VmidPool;
  /** the pCPU that executes now */
  here = 0;
  /** counts TLBIs executed: an access need not be recorded twice between two of them */
  tlbis = 0;
  /** occasions on which the policy's code has run so far */
  readonly occasions = new Set<Occasion>();
  /** root table's page of the domain that a VMID belongs to */
  private readonly rootOf = new Float64Array(0x10000);
  /** VTTBR_EL2 of each pCPU: VMID; the root is rootOf's */
  private readonly vttbrVmid: Uint16Array;
  /** domain whose vCPU runs on each pCPU */
  private readonly domainHere: Uint16Array;
  private readonly executor: Executor;

  constructor(
    readonly recorder: Recorder,
    readonly policy: Policy,
    readonly cpu: CpuProfile,
    readonly pcpus: number,
    ramPages: number,
  ) {
    this.heap = new Heap(ramPages);
    this.tables = new Tables(ramPages);
    this.vmids = new VmidPool(cpu.features.has("FEAT_VMID16") ? 16 : 8);
    this.vttbrVmid = new Uint16Array(pcpus);
    this.executor = {
      barrier: (barrier) => recorder.barrier(this.here, barrier),
      tlbi: (op, operand, asid) => this.tlbi(op, operand, asid),
      vttbr: (id) => this.writeVttbr(vmid(id), this.domainHere[this.here]!),
    };
    this.domainHere = new Uint16Array(pcpus).fill(NO_DOMAIN);
  }

  private tlbi(op: number, operand: number, asid: number): void {
    this.tlbis++;
    this.recorder.tlbi(this.here, op, operand, asid);
  }

  /** The VMID translates through this root from now on. */
  setRoot(id: Vmid, rootPage: number): void {
    this.rootOf[id] = rootPage;
  }

  /** VMID in force on the pCPU that executes. */
  get currentVmid(): number {
    return this.vttbrVmid[this.here]!;
  }

  /** VMIDs in force on the pCPUs. */
  vmidsInForce(): Iterable<number> {
    return this.vttbrVmid;
  }

  /** VTTBR_EL2 := the table of this VMID; `domain` runs on the pCPU from now on. No ISB. */
  writeVttbr(id: Vmid, domain: number): void {
    const before = this.vttbrVmid[this.here]!;
    this.recorder.sysreg(this.here, VTTBR, vttbr(before, this.rootOf[before]!), vttbr(id, this.rootOf[id]!));
    this.vttbrVmid[this.here] = id;
    this.domainHere[this.here] = domain;
    this.recorder.context(this.here, domain, id);
  }

  isb(): void {
    this.recorder.barrier(this.here, ISB);
  }

  /** Runs the policy's code of an occasion on a case, at a site (the function that flushes). */
  flush(occasion: Occasion, on: Case, ownerVmids: readonly number[], site: number): void {
    this.occasions.add(occasion);
    on.currentVmid = this.currentVmid;
    on.ownerVmids = ownerVmids;
    const before = this.recorder.at(site);
    run(this.policy.code[occasion], on, this.executor, this.policy.file);
    this.recorder.at(before);
  }

  /** flush_all_guests_tlb: every VMID, on every PE. Xen's own, no policy's. */
  flushAllGuests(site: number): void {
    const before = this.recorder.at(site);
    this.recorder.barrier(this.here, DSB_ISHST);
    this.tlbi(ALLE1IS, 0, 0);
    this.recorder.barrier(this.here, DSB_ISH);
    if (this.cpu.repeatTlbi) {
      this.tlbi(VALE2IS, 0, 0);
      this.recorder.barrier(this.here, DSB_ISH);
    }
    this.isb();
    this.recorder.at(before);
    this.heap.flushed();
  }
}
