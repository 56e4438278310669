/**
 * One occasion by itself, as a trace: two vCPUs of a domain have touched its pages, each on a pCPU; what the occasion is about
 * happens once, on the first of them; the policy's code runs when the protocol says; and the guests touch again what is left to
 * them. No hypervisor's own work is in it: that is a scenario's.
 */
import { barrierIndex, sysregIndex, vttbr } from "../arch/index.js";
import { InputError } from "../input/index.js";
import {
  type Entry,
  type Executor,
  OCCASIONS,
  type Occasion,
  type Policy,
  Protocol,
  type RunCode,
  Runner,
  removal,
} from "../policy/index.js";
import { Access, Recorder, type TraceSink } from "../trace/index.js";

/** What an occasion finds. The domain's mappings are leaves of 4 KiB, but for a block; its owner is current, and the VA is known. */
export interface OccasionCase {
  /** pages that the occasion is about, of those that are one block or table the ones that are touched: 1 to 512 */
  readonly pages: number;
  /** other pages that the guests have touched, and touch again */
  readonly touched: number;
}

/** A block of 2 MiB in pages, and where the pages are that an occasion is about; the others lie behind it. */
const BLOCK = 512;
const FIRST = 0x40000;
/** VA page of a guest's linear map, as a Linux has it. */
const LINEAR_VA = 0xffff000000000;
const ROOT = 0x100;
const DOMAIN = 1;
const PCPUS = [0, 1] as const;
const VTTBR = sysregIndex("VTTBR_EL2")!;
const ISB = barrierIndex("isb")!;

/** What becomes of the pages: at which level they are mapped before and after; 0: they are gone, or nobody runs any more. */
interface Levels {
  readonly before: 2 | 3;
  readonly after: 0 | 2 | 3;
  /** the guests run no more */
  readonly ends?: true;
}
const STAY: Levels = { before: 3, after: 3 };
const GO: Levels = { before: 3, after: 0 };
const LEVELS: Readonly<Partial<Record<Occasion, Levels>>> = {
  revoke: GO,
  "batch-end": GO,
  "fails-midway": GO,
  "table-freed": GO,
  split: { before: 2, after: 3 },
  "block-merged": { before: 3, after: 2 },
  "domain-dies": { ...GO, ends: true },
  "vmid-assigned": { ...GO, ends: true },
};

const vaOf = (page: number): number => LINEAR_VA + page;
const entryOf = (page: number): Entry => ({ gfn: page, pages: 1, va: vaOf(page), step: 1, level: 3 });
const NOTHING = { write: () => {}, free: () => {} };

class OccasionRun {
  private readonly recorder: Recorder;
  private readonly protocol: Protocol;
  private readonly vmids: readonly number[];
  private current: number;

  constructor(
    private readonly policy: Policy,
    private readonly about: OccasionCase,
    sinks: readonly TraceSink[],
  ) {
    this.recorder = new Recorder(PCPUS.length, sinks);
    this.vmids = policy.vmidPer === "vcpu" ? [1, 2] : [1];
    this.current = this.vmids[0]!;
    const { recorder } = this;
    const executor: Executor = {
      barrier: (barrier) => recorder.barrier(0, barrier),
      tlbi: (op, operand, asid) => recorder.tlbi(0, op, operand, asid),
      vttbr: (vmid) => this.load(0, vmid),
      on: () => {
        throw new InputError("sends IPIs ('on ...'), and what they cost is not priced");
      },
    };
    const runners = new Map<Occasion, Runner>();
    for (const occasion of Object.keys(OCCASIONS) as Occasion[])
      runners.set(occasion, new Runner(policy.code[occasion], executor, policy.file));
    const run: RunCode = (_, occasion, on) => {
      on.currentVmid = this.current;
      runners.get(occasion)!.run(on);
    };
    this.protocol = new Protocol([policy], { vmids: this.vmids, asid: 0 }, run);
  }

  /** VTTBR_EL2 of a pCPU := the domain's table under that VMID. */
  private load(pcpu: number, vmid: number): void {
    this.recorder.sysreg(pcpu, VTTBR, vttbr(this.recorder.vmid(pcpu), ROOT), vttbr(vmid, ROOT));
    this.recorder.context(pcpu, DOMAIN, vmid);
    if (pcpu === 0) this.current = vmid;
  }

  /** Each vCPU is on its pCPU, and has touched the pages. */
  before({ before }: Levels): void {
    const { recorder } = this;
    const comes = recorder.names.id(`vcpu-switch:d${DOMAIN}`);
    for (const pcpu of PCPUS) {
      recorder.begin(pcpu, comes, pcpu);
      this.load(pcpu, this.vmids[pcpu] ?? this.vmids[0]!);
      recorder.barrier(pcpu, ISB);
      recorder.end(pcpu, comes);
    }
    this.touch(before);
    recorder.flush();
  }

  /** What is left is touched again. */
  after({ after, ends }: Levels): void {
    if (!ends) this.touch(after);
    this.recorder.flush();
  }

  private touch(level: 0 | 2 | 3): void {
    const { pages, touched } = this.about;
    const access = (page: number, at: number): void => {
      for (const pcpu of PCPUS) this.recorder.access(pcpu, Access.read, at, vaOf(page), page, page);
    };
    for (let i = 0; i < pages && level > 0; i++) access(FIRST + i, level);
    for (let i = 0; i < touched; i++) access(FIRST + BLOCK + i, 3);
  }

  /** It happens. */
  happen(occasion: Occasion): void {
    const { protocol, about } = this;
    const entries = Array.from({ length: about.pages }, (_, i) => entryOf(FIRST + i));
    switch (occasion) {
      case "revoke":
        removal(protocol, [entries], NOTHING, { batch: false });
        break;
      case "batch-end":
        // Removals of a page each: one batch, or each with a flush of its own where the policy has no batches.
        removal(
          protocol,
          entries.map((entry) => [entry]),
          NOTHING,
          { batch: this.policy.batch },
        );
        break;
      case "domain-dies":
        protocol.beginDying();
        removal(protocol, [entries], NOTHING, { batch: false });
        break;
      case "fails-midway":
        for (const { gfn, pages, va, step, level } of entries) protocol.removed(gfn, pages, va, step, level);
        protocol.failing();
        protocol.unlocking();
        break;
      case "table-freed":
        protocol.removed(FIRST, BLOCK, vaOf(FIRST), 1);
        protocol.freeing();
        protocol.unlocking();
        break;
      case "split":
        protocol.broken(FIRST, BLOCK, vaOf(FIRST));
        break;
      case "block-merged":
        protocol.merged(FIRST, BLOCK, vaOf(FIRST), 1);
        break;
      case "vmid-assigned":
        protocol.assigned();
        break;
      case "switch":
      case "vcpu-moved":
        this.takesIn(occasion);
        break;
      default:
        for (const { gfn, pages, va } of entries) protocol.changed(occasion, gfn, pages, va);
        protocol.unlocking();
    }
  }

  /** The first pCPU takes in the other vCPU. */
  private takesIn(occasion: "switch" | "vcpu-moved"): void {
    const vmid = this.vmids.at(-1)!;
    this.load(0, vmid);
    this.recorder.barrier(0, ISB);
    if (occasion === "switch") this.protocol.switched(vmid);
    else this.protocol.moved(vmid);
  }
}

/**
 * Records an occasion under a policy whose code is that of one CPU (policyOn). `happens` is called when the sinks have all that was
 * there before. Throws an InputError where the code cannot be run: it is unknown, or sends IPIs.
 */
export function recordOccasion(
  policy: Policy,
  occasion: Occasion,
  about: OccasionCase,
  sinks: readonly TraceSink[],
  happens: () => void,
): void {
  const levels = LEVELS[occasion] ?? STAY;
  const run = new OccasionRun(policy, about, sinks);
  run.before(levels);
  happens();
  run.happen(occasion);
  run.after(levels);
}
