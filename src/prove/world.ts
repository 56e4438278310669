/** What the threads of one exploration share: values, cells, the timeline, what PEs may hold, and the CPU. */
import type { CpuProfile } from "../arch/index.js";
import { Catalogue, type Context, EL2, EL10, type Regime } from "./entry.js";
import { type Knowledge, MayCache } from "./maycache.js";
import type { Program, Thread, ThreadSysreg } from "./program.js";
import type { Rule } from "./rules.js";
import { sysregPlace } from "./state.js";
import { Cells, Timeline } from "./timeline.js";
import { Values } from "./values.js";

/** The CPU as the prover sees it. */
export interface Cpu {
  /** FEAT_ETS2 */
  readonly ets2: boolean;
  /** FEAT_nTLBPA */
  readonly nTlbpa: boolean;
  /** CVE-2025-10263 */
  readonly repeatTlbi: boolean;
}

/** The properties of a CPU profile that the prover looks at. */
export function proverCpu(profile: CpuProfile): Cpu {
  return {
    ets2: profile.features.has("FEAT_ETS2"),
    nTlbpa: profile.features.has("FEAT_nTLBPA"),
    repeatTlbi: profile.repeatTlbi,
  };
}

/** HCR_EL2.VM, FB; SCTLR.M. */
const HCR_VM = 1n;
const HCR_FB = 1n << 9n;

const DEFAULTS: Partial<Record<ThreadSysreg, bigint>> = { HCR_EL2: HCR_VM, SCTLR_EL1: 1n, SCTLR_EL2: 1n };

/** The initial value of a thread's system register. */
export const initialSysreg = (thread: Thread, name: ThreadSysreg): bigint =>
  thread.sysregs[name] ?? DEFAULTS[name] ?? 0n;

export const PLACE = {
  ttbr0: sysregPlace("TTBR0_EL1"),
  ttbr1: sysregPlace("TTBR1_EL1"),
  vttbr: sysregPlace("VTTBR_EL2"),
  hcr: sysregPlace("HCR_EL2"),
  sctlr1: sysregPlace("SCTLR_EL1"),
  ttbr0El2: sysregPlace("TTBR0_EL2"),
  sctlr2: sysregPlace("SCTLR_EL2"),
};

const pageOfTable = (ttbr: bigint): number => Number((ttbr & 0xffff_ffff_ffffn) >> 12n);
const idField = (ttbr: bigint): number => Number(ttbr >> 48n);

export class World {
  readonly values = new Values();
  readonly cells: Cells;
  readonly timeline = new Timeline();
  readonly catalogue: Catalogue;
  readonly cache: MayCache;
  /** thread states met so far */
  states = 0;
  private readonly el10 = new Map<string, Context>();

  constructor(
    readonly program: Program,
    readonly cpu: Cpu,
    readonly without: ReadonlySet<Rule>,
    knowledge: Knowledge,
  ) {
    this.cells = new Cells(program.memory, this.values);
    this.catalogue = new Catalogue(without);
    const physical = !cpu.nTlbpa && !without.has("physical-caches");
    this.cache = new MayCache(this.timeline, this.cells, this.values, this.catalogue, knowledge, physical, without);
  }

  /** The EL1&0 context of register values, given as value ids. */
  el10Context(ttbr0: number, ttbr1: number, vttbr: number, hcr: number, sctlr: number): Context {
    const key = `${ttbr0}.${ttbr1}.${vttbr}.${hcr}.${sctlr}`;
    let context = this.el10.get(key);
    if (context === undefined) {
      const big = (id: number): bigint => this.values.big(id);
      context = this.catalogue.context({
        regime: EL10,
        stage1: (big(sctlr) & 1n) !== 0n,
        stage2: (big(hcr) & HCR_VM) !== 0n,
        root0: pageOfTable(big(ttbr0)),
        root1: pageOfTable(big(ttbr1)),
        asid: idField(big(ttbr0)),
        stage2Root: pageOfTable(big(vttbr)),
        vmid: this.vmidOf(vttbr),
      });
      this.el10.set(key, context);
    }
    return context;
  }

  /** The EL2 context of register values, given as value ids. */
  el2Context(ttbr0: number, sctlr: number): Context {
    const root = pageOfTable(this.values.big(ttbr0));
    const stage1 = (this.values.big(sctlr) & 1n) !== 0n;
    return this.catalogue.context({
      regime: EL2,
      stage1,
      stage2: false,
      root0: root,
      root1: root,
      asid: 0,
      stage2Root: 0,
      vmid: 0,
    });
  }

  vmidOf(vttbr: number): number {
    return idField(this.values.big(vttbr));
  }

  /** HCR_EL2.FB: EL1's own local TLBIs are broadcast. */
  forcesBroadcast(hcr: number): boolean {
    return (this.values.big(hcr) & HCR_FB) !== 0n && !this.without.has("fb-broadcast");
  }

  /** PEs (threads) at which an invalidation of a regime changes anything. */
  targets(regime: Regime): number[] {
    return this.program.threads.map((_, pe) => pe).filter((pe) => this.cache.matters(pe, regime));
  }
}
