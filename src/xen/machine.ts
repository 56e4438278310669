/** The machine under Xen: pCPUs with what they run, memory, tables, and the policy whose code runs at each flush. */
import { barrierIndex, type CpuProfile, GRANULE_NAME, sysregIndex, vttbr } from "../arch/index.js";
import { InputError } from "../input/index.js";
import {
  allocatorFlush,
  Case,
  type Executor,
  lineOfIpi,
  OCCASIONS,
  type Occasion,
  type Policy,
  Runner,
  specialise,
} from "../policy/index.js";
import { NO_DOMAIN, type Recorder } from "../trace/index.js";
import { Heap } from "./heap.js";
import { Tables } from "./tables.js";
import { DEFAULT_VERSION, type XenVersion, xenVersion } from "./versions.js";
import { VmidPool } from "./vmid.js";

const VTTBR = sysregIndex("VTTBR_EL2")!;
const ISB = barrierIndex("isb")!;

/** What a policy decides beside its code: whether removals go in batches, and who holds a VMID. */
interface Frame {
  readonly batch: boolean;
  readonly vmidPer: Policy["vmidPer"];
  /** tables that go have code of their own */
  readonly tablesApart: boolean;
}

/** The frame of a policy. */
export function frameOf(policy: Policy): Frame {
  return { batch: policy.batch, vmidPer: policy.vmidPer, tablesApart: policy.own.includes("table-freed") };
}

/** True when two policies may share a simulation. */
function sameFrame(a: Frame, b: Frame): boolean {
  return a.batch === b.batch && a.vmidPer === b.vmidPer && a.tablesApart === b.tablesApart;
}

/**
 * Where things happen: the simulated pCPUs, memory and the recorder of what they do. What Xen does to its tables does not
 * depend on how it flushes, so one machine may serve several policies at once, each with a lane of the recorder: all that
 * Xen does goes to all lanes, and the code of a policy to its own. They must agree in their {@link Frame}.
 */
export class Machine {
  readonly heap: Heap;
  readonly tables: Tables;
  readonly vmids: VmidPool;
  /** the pCPU that executes now */
  here = 0;
  /** counts TLBIs executed in each lane: an access need not be recorded twice between two of them */
  readonly tlbis: Float64Array;
  /** what the policies agree in */
  readonly frame: Frame;
  /** occasions on which code of some policy has run so far */
  readonly occasions = new Set<Occasion>();
  /** root table's page of the domain that a VMID belongs to */
  private readonly rootOf = new Float64Array(0x10000);
  /** VTTBR_EL2 of each pCPU: VMID, and the root's page when it was written */
  private readonly vttbrVmid: Uint16Array;
  private readonly vttbrRoot: Float64Array;
  /** domain whose vCPU runs on each pCPU */
  private readonly domainHere: Uint16Array;
  /** by lane: what runs each occasion's code */
  private readonly runners: readonly Readonly<Record<Occasion, Runner>>[];
  /** runs the page allocator's flush */
  private readonly allocator: Runner;
  private readonly nothing = new Case();
  /** lane whose policy's code runs */
  private lane = 0;

  constructor(
    readonly recorder: Recorder,
    readonly policies: readonly Policy[],
    readonly cpu: CpuProfile,
    readonly pcpus: number,
    ramPages: number,
    readonly version: XenVersion = xenVersion(DEFAULT_VERSION),
  ) {
    this.frame = frameOf(policies[0]!);
    if (policies.some((policy) => !sameFrame(frameOf(policy), this.frame)))
      throw new RangeError("policies of different frames cannot share a simulation");
    for (const policy of policies) refuseUnpriced(policy);
    this.tlbis = new Float64Array(policies.length);
    this.heap = new Heap(ramPages);
    this.tables = new Tables(ramPages);
    this.vmids = new VmidPool(cpu.features.has("FEAT_VMID16") ? 16 : 8);
    this.vttbrVmid = new Uint16Array(pcpus);
    this.vttbrRoot = new Float64Array(pcpus);
    const executor: Executor = {
      barrier: (barrier) => recorder.barrier(this.here, barrier),
      tlbi: (op, operand, asid) => this.tlbi(op, operand, asid),
      vttbr: (id) => this.writeVttbr(id, this.domainHere[this.here]!),
      on: () => {
        throw new Error("IPIs are refused before anything runs");
      },
    };
    const occasions = Object.keys(OCCASIONS) as Occasion[];
    this.runners = policies.map(({ code, file }) => {
      const runners = occasions.map((o) => [o, new Runner(code[o], executor, file)] as const);
      return Object.fromEntries(runners) as Record<Occasion, Runner>;
    });
    const allocator = specialise(allocatorFlush(version.repeat === "vale2is"), cpu);
    this.allocator = new Runner(allocator, executor, "flush_all_guests_tlb()");
    this.domainHere = new Uint16Array(pcpus).fill(NO_DOMAIN);
  }

  /** In the lane whose policy runs. */
  private tlbi(op: number, operand: number, asid: number): void {
    this.tlbis[this.lane]!++;
    this.recorder.tlbi(this.here, op, operand, asid);
  }

  /** The VMID translates through this root from now on. */
  setRoot(id: number, rootPage: number): void {
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
  writeVttbr(id: number, domain: number): void {
    const before = this.vttbrVmid[this.here]!;
    const root = this.rootOf[id]!;
    this.recorder.sysreg(this.here, VTTBR, vttbr(before, this.vttbrRoot[this.here]!), vttbr(id, root));
    this.vttbrVmid[this.here] = id;
    this.vttbrRoot[this.here] = root;
    this.domainHere[this.here] = domain;
    this.recorder.context(this.here, domain, id);
  }

  isb(): void {
    this.recorder.barrier(this.here, ISB);
  }

  /** Runs the code that a lane's policy has for an occasion, on a case, at a site (the function that flushes). */
  runCode(lane: number, occasion: Occasion, on: Case, site: number): void {
    this.occasions.add(occasion);
    if (on.ownerVmids.length === 0) return; // its VMIDs rolled over and none came back: nothing of it is cached
    on.currentVmid = this.currentVmid;
    const before = this.recorder.at(site);
    this.enter(lane);
    this.runners[lane]![occasion].run(on);
    if (this.currentVmid !== on.currentVmid)
      throw leftElsewhere(this.policies[lane]!, occasion, this.currentVmid, on.currentVmid);
    this.leave();
    this.recorder.at(before);
  }

  private enter(lane: number): void {
    this.lane = lane;
    this.recorder.only(lane);
  }

  private leave(): void {
    this.recorder.all();
  }

  /**
   * Does something in the lanes in which a TLBI was executed since the counts in `since` were taken, and brings these up to
   * date.
   */
  whereFlushed(since: Float64Array, body: () => void): void {
    for (let lane = 0; lane < this.tlbis.length; lane++) {
      if (since[lane] === this.tlbis[lane]) continue;
      since[lane] = this.tlbis[lane]!;
      this.recorder.only(lane);
      body();
    }
    this.recorder.all();
  }

  /** flush_all_guests_tlb, in every lane. */
  flushAllGuests(site: number): void {
    const before = this.recorder.at(site);
    for (let lane = 0; lane < this.policies.length; lane++) {
      this.enter(lane);
      this.allocator.run(this.nothing);
    }
    this.leave();
    this.recorder.at(before);
  }
}

/** Throws an InputError for a policy that has code executed on other PEs, or code for tables that Xen does not have. */
function refuseUnpriced({ code, file, granule = 12 }: Policy): void {
  if (granule !== 12)
    throw InputError.at(
      file,
      0,
      `granule: its operands are of ${GRANULE_NAME[granule]}, and Xen's tables of 4 KiB; prove takes it`,
    );
  for (const [occasion, program] of Object.entries(code)) {
    const line = lineOfIpi(program);
    if (line !== undefined)
      throw InputError.at(
        file,
        line,
        `[${occasion}] sends IPIs ('on ...'): what that costs is not priced, and it is not simulated; prove and explain take it`,
      );
  }
}

function leftElsewhere({ file }: Policy, occasion: Occasion, left: number, found: number): InputError {
  return InputError.at(
    file,
    0,
    `[${occasion}] ends with VMID ${left} in VTTBR_EL2, expected ${found} back as it was: what runs next would use another's table`,
  );
}
