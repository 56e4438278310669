/** What the threads of one exploration share: values, cells, the timeline, what PEs may hold, and the CPU. */
import { GRANULES } from "../../arch/index.js";
import type { Cpu } from "../cpu.js";
import { type Program, type Thread, type ThreadSysreg, Unsupported } from "../program.js";
import type { Model } from "../rules.js";
import {
  Catalogue,
  Cells,
  type Context,
  type ContextParts,
  EL10,
  type Invalidation,
  type Knowledge,
  MayCache,
  peKey,
  Timeline,
  Values,
} from "../tlb/index.js";
import {
  EL2_REGISTERS,
  EL10_REGISTERS,
  el2Context,
  el10Context,
  hasE2h,
  hasTge,
  refuseFields,
  vmidOf,
} from "./context.js";
import { MAX_SLOTS, sysregPlace } from "./state.js";

/** What ends an exploration early. */
interface Limits {
  readonly maxStates: number;
  /** true when the time is over */
  expired(): boolean;
}

/** Over a limit the exploration ends as unknown. */
export class LimitReached extends Error {}

/** The clock is looked at once in so many states, a power of two less one. */
const CLOCK_MASK = 0xfff;

/** HCR_EL2.FB. */
const HCR_FB = 1n << 9n;

/** MAIR_ELx where every AttrIndx stands for Normal Write-Back memory. */
const WRITE_BACK = 0xffff_ffff_ffff_ffffn;
/** Both stages on. */
const DEFAULTS: Partial<Record<ThreadSysreg, bigint>> = {
  HCR_EL2: 1n,
  SCTLR_EL1: 1n,
  SCTLR_EL2: 1n,
  MAIR_EL1: WRITE_BACK,
  MAIR_EL2: WRITE_BACK,
};

/** The initial value of a thread's system register. */
export const initialSysreg = (thread: Thread, name: ThreadSysreg): bigint =>
  thread.sysregs[name] ?? DEFAULTS[name] ?? 0n;

export const PLACE = { vttbr: sysregPlace("VTTBR_EL2"), vtcr: sysregPlace("VTCR_EL2"), hcr: sysregPlace("HCR_EL2") };
/** Places of the registers that make contexts. */
export const EL10_PLACES: readonly number[] = EL10_REGISTERS.map(sysregPlace);
export const EL2_PLACES: readonly number[] = EL2_REGISTERS.map(sysregPlace);

/** A context, in a list of its own, and the values of registers, as ids, that make it. */
interface Made {
  readonly ids: readonly number[];
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
  /** true when some access may end in a TLB conflict abort, as software did in place what FEAT_BBM lets it do */
  conflictAborts = false;
  /** false: nothing is left out that is thought to make no difference */
  readonly reduces: boolean;
  /** true when the time limit ended the exploration */
  late = false;
  private readonly el10: Made[] = [];
  private readonly el2: Made[] = [];
  private readonly slots = new Map<number, number>();

  constructor(
    readonly program: Program,
    readonly cpu: Cpu,
    readonly model: Model,
    knowledge: Knowledge,
    private readonly limits: Limits,
    reduces = true,
  ) {
    // Who shares entries can tell what happens elsewhere.
    this.reduces = reduces && !knowledge.sharing;
    this.cells = new Cells(program.memory, this.values, knowledge.cuts);
    const granule = GRANULES[program.granuleBits ?? 12];
    this.catalogue = new Catalogue(model, granule.bits);
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
      [...program.names.virtual.keys()].map((address) => address / 4096),
      this.reduces,
      granule,
    );
    if (program.memory.contiguous) knowledge.contiguous = true;
  }

  /** The EL1&0 context of the values of {@link EL10_PLACES}, which `id` gives as ids; in a list of its own. */
  el10Context(id: (place: number) => number): readonly [Context] {
    return this.made(this.el10, EL10_PLACES, id, (ids) =>
      el10Context(this.model, (register) => this.values.big(ids[EL10_REGISTERS.indexOf(register)]!)),
    );
  }

  /** The EL2 context of the values of {@link EL2_PLACES}. */
  el2Context(id: (place: number) => number): readonly [Context] {
    return this.made(this.el2, EL2_PLACES, id, (ids) =>
      el2Context(this.model, (register) => this.values.big(ids[EL2_REGISTERS.indexOf(register)]!)),
    );
  }

  private made(
    list: Made[],
    places: readonly number[],
    id: (place: number) => number,
    make: (ids: readonly number[]) => ContextParts,
  ): readonly [Context] {
    for (const { ids, alone } of list) {
      let i = 0;
      while (i < places.length && ids[i] === id(places[i]!)) i++;
      if (i === places.length) return alone;
    }
    const ids = places.map(id);
    const alone = [this.catalogue.context(make(ids))] as const;
    list.push({ ids, alone });
    return alone;
  }

  /** A PE has a value in a register. Throws {@link Unsupported} when that says what is not modelled. */
  takes(pe: number, register: string, value: bigint): void {
    refuseFields(register, value, this.program.granuleBits ?? 12, this.e2h(pe));
  }

  /** HCR_EL2.E2H of a PE, which no MSR changes here. */
  e2h(pe: number): boolean {
    return hasE2h(initialSysreg(this.program.threads[pe]!, "HCR_EL2"));
  }

  /** HCR_EL2.TGE, of a value as an id. */
  tge(hcr: number): boolean {
    return hasTge(this.values.big(hcr));
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

  /** The VMID that values of VTTBR_EL2 and VTCR_EL2, as ids, stand for. */
  vmidOf(vttbr: number, vtcr: number): number {
    return vmidOf(this.model, this.values.big(vttbr), this.values.big(vtcr));
  }

  /** HCR_EL2.FB: EL1's own local TLBIs are broadcast. */
  forcesBroadcast(hcr: number): boolean {
    return (this.values.big(hcr) & HCR_FB) !== 0n && this.model["fb-broadcast"];
  }

  /**
   * PEs (threads) at which the arrival of an invalidation can change anything: where entries that it removes may be, and, on a
   * CPU that is late with writes or reads, where those through entries that some broadcast removes may wait for a broadcast of
   * any kind.
   * `only` is the one PE that a local TLBI reaches.
   */
  targets(invalidation: Invalidation, only: number | undefined): number[] {
    const { op, vmid, regime } = invalidation;
    const { cache, cpu } = this;
    const { knowledge } = cache;
    const anyVmid = !op.matchesVmid || regime !== EL10;
    const { "repeat-tlbi": writesLate, "repeat-tlbi-reads": readsLate } = cpu.symptoms;
    const list: number[] = [];
    for (let pe = 0; pe < this.program.threads.length; pe++) {
      if (only !== undefined && only !== pe) continue;
      if (!this.reduces) {
        list.push(pe);
        continue;
      }
      const removes = cache.knowledge.matters(pe, regime) && (anyVmid || knowledge.has(peKey(pe, regime), vmid));
      if (removes && only === undefined && (writesLate || readsLate)) cache.knowledge.strikes(pe);
      const accesses = (writesLate && knowledge.writers.has(pe)) || (readsLate && knowledge.readers.has(pe));
      const waits = accesses && only === undefined && knowledge.struck.has(pe);
      if (removes || waits) list.push(pe);
    }
    return list;
  }
}
