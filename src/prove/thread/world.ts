/** What the threads of one exploration share: values, cells, the timeline, what PEs may hold, and the CPU. */
import type { Cpu } from "../cpu.js";
import { type Program, type Thread, type ThreadSysreg, Unsupported } from "../program.js";
import type { Model } from "../rules.js";
import {
  Catalogue,
  Cells,
  type Context,
  EL2,
  EL10,
  type Invalidation,
  type Knowledge,
  MayCache,
  peKey,
  Timeline,
  Values,
} from "../tlb/index.js";
import { MAX_SLOTS, type State, sysreg, sysregPlace } from "./state.js";

/** What ends an exploration early. */
export interface Limits {
  readonly maxStates: number;
  /** true when the time is over */
  expired(): boolean;
}

/** Over a limit the exploration ends as unknown. */
export class LimitReached extends Error {}

/** The clock is looked at once in so many states, a power of two less one. */
const CLOCK_MASK = 0xfff;

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

/** The page of a TTBR's or VTTBR's table. Throws {@link Unsupported} for CnP: TLBs are private here. */
function pageOfTable(ttbr: bigint): number {
  if ((ttbr & 1n) !== 0n) throw new Unsupported("a table base with CnP = 1: PEs share TLB entries");
  return Number((ttbr & 0xffff_ffff_ffffn) >> 12n);
}

/** Fields of HCR_EL2 that change regimes, and are not modelled. */
const HCR_OTHER: readonly (readonly [string, bigint])[] = [
  ["DC", 1n << 12n],
  ["TTLB", 1n << 25n],
  ["TGE", 1n << 27n],
  ["E2H", 1n << 34n],
];

const idField = (ttbr: bigint): number => Number(ttbr >> 48n);

/** Values of the registers that make an EL1&0 context, as ids, and that context in a list of its own. */
interface Registers {
  readonly ttbr0: number;
  readonly ttbr1: number;
  readonly vttbr: number;
  readonly hcr: number;
  readonly sctlr: number;
  readonly alone: readonly [Context];
}

export class World {
  readonly values = new Values();
  readonly cells: Cells;
  readonly timeline = new Timeline();
  readonly catalogue: Catalogue;
  readonly cache: MayCache;
  /** FEAT_ETS2, where its rule holds */
  readonly ets2: boolean;
  /** thread states met so far */
  states = 0;
  /** true when the time limit ended the exploration */
  late = false;
  private readonly el10: Registers[] = [];
  private readonly el2: { readonly ttbr0: number; readonly sctlr: number; readonly context: Context }[] = [];
  private readonly slots = new Map<number, number>();

  constructor(
    readonly program: Program,
    readonly cpu: Cpu,
    readonly model: Model,
    knowledge: Knowledge,
    private readonly limits: Limits,
    /** false: nothing is left out that is thought to make no difference */
    readonly reduces = true,
  ) {
    this.cells = new Cells(program.memory, this.values);
    this.catalogue = new Catalogue(model);
    this.ets2 = cpu.ets2 && model.ets2;
    const physical = !cpu.nTlbpa && model["physical-caches"];
    this.cache = new MayCache(
      this.timeline,
      this.cells,
      this.values,
      this.catalogue,
      knowledge,
      physical,
      model,
      reduces,
    );
  }

  /** The EL1&0 context of register values, given as value ids. */
  el10Context(ttbr0: number, ttbr1: number, vttbr: number, hcr: number, sctlr: number): Context {
    for (const known of this.el10)
      if (
        known.vttbr === vttbr &&
        known.ttbr0 === ttbr0 &&
        known.ttbr1 === ttbr1 &&
        known.hcr === hcr &&
        known.sctlr === sctlr
      )
        return known.alone[0]!;
    const big = (id: number): bigint => this.values.big(id);
    for (const [name, bit] of HCR_OTHER) if ((big(hcr) & bit) !== 0n) throw new Unsupported(`HCR_EL2.${name} = 1`);
    const context = this.catalogue.context({
      regime: EL10,
      stage1: (big(sctlr) & 1n) !== 0n,
      stage2: (big(hcr) & HCR_VM) !== 0n,
      root0: pageOfTable(big(ttbr0)),
      root1: pageOfTable(big(ttbr1)),
      asid: idField(big(ttbr0)),
      stage2Root: pageOfTable(big(vttbr)),
      vmid: this.vmidOf(vttbr),
    });
    this.el10.push({ ttbr0, ttbr1, vttbr, hcr, sctlr, alone: [context] });
    return context;
  }

  /** The one EL1&0 context of a state whose registers are all synchronised. */
  el10Only(s: State): readonly Context[] {
    const vttbr = sysreg(s, PLACE.vttbr);
    const ttbr0 = sysreg(s, PLACE.ttbr0);
    const ttbr1 = sysreg(s, PLACE.ttbr1);
    const hcr = sysreg(s, PLACE.hcr);
    const sctlr = sysreg(s, PLACE.sctlr1);
    const context = this.el10Context(ttbr0, ttbr1, vttbr, hcr, sctlr);
    return this.el10.find(({ alone }) => alone[0] === context)!.alone;
  }

  /** The EL2 context of register values, given as value ids. */
  el2Context(ttbr0: number, sctlr: number): Context {
    for (const known of this.el2) if (known.ttbr0 === ttbr0 && known.sctlr === sctlr) return known.context;
    const root = pageOfTable(this.values.big(ttbr0));
    const stage1 = (this.values.big(sctlr) & 1n) !== 0n;
    const roots = { root0: root, root1: root, stage2Root: 0 };
    const context = this.catalogue.context({ regime: EL2, stage1, stage2: false, asid: 0, vmid: 0, ...roots });
    this.el2.push({ ttbr0, sctlr, context });
    return context;
  }

  /** The slot of a memory location in the threads' states. */
  slot(cell: number): number {
    let slot = this.slots.get(cell);
    if (slot === undefined) {
      slot = this.slots.size;
      if (slot >= MAX_SLOTS) throw new Unsupported(`accesses of more than ${MAX_SLOTS} memory locations`);
      this.slots.set(cell, slot);
    }
    return slot;
  }

  /** How many slots are in use. */
  get slotCount(): number {
    return this.slots.size;
  }

  /** Counts a state; throws {@link LimitReached} over the limits. */
  tick(): void {
    if (++this.states > this.limits.maxStates) throw new LimitReached();
    if ((this.states & CLOCK_MASK) === 0) this.checkTime();
  }

  /** Throws {@link LimitReached} when the time is over. */
  checkTime(): void {
    if (!this.limits.expired()) return;
    this.late = true;
    throw new LimitReached();
  }

  vmidOf(vttbr: number): number {
    return this.model["vmid-match"] ? idField(this.values.big(vttbr)) : 0;
  }

  /** HCR_EL2.FB: EL1's own local TLBIs are broadcast. */
  forcesBroadcast(hcr: number): boolean {
    return (this.values.big(hcr) & HCR_FB) !== 0n && this.model["fb-broadcast"];
  }

  /**
   * PEs (threads) at which the arrival of an invalidation can change anything: where entries that it removes may be, and, on a
   * CPU with the erratum, where writes through entries that some broadcast removes may wait for a broadcast of any kind.
   * `only` is the one PE that a local TLBI reaches.
   */
  targets(invalidation: Invalidation, only: number | undefined): number[] {
    const { op, vmid } = invalidation;
    const { cache, cpu } = this;
    const { knowledge } = cache;
    const regime = op.regime === "EL2" ? EL2 : EL10;
    const anyVmid = !op.matchesVmid;
    const list: number[] = [];
    for (let pe = 0; pe < this.program.threads.length; pe++) {
      if (only !== undefined && only !== pe) continue;
      if (!this.reduces) {
        list.push(pe);
        continue;
      }
      const removes = cache.knowledge.matters(pe, regime) && (anyVmid || knowledge.has(peKey(pe, regime), vmid));
      if (removes && only === undefined && cpu.errata["repeat-tlbi"]) cache.knowledge.strikes(pe);
      const waits =
        cpu.errata["repeat-tlbi"] && only === undefined && knowledge.writers.has(pe) && knowledge.struck.has(pe);
      if (removes || waits) list.push(pe);
    }
    return list;
  }
}
