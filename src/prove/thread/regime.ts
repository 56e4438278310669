/**
 * Which translation contexts a thread's PE is in: writes of system registers and when they are seen, context synchronisation
 * events, exceptions and their return (DDI 0487, D1.3 and D19).
 */

import { type Instruction, Unsupported } from "../program.js";
import { CONTEXT, type Context, EL2, EL10, EL20, type Regime } from "../tlb/index.js";
import { allOf, type Deps, pickView } from "./deps.js";
import { VECTOR_CURRENT_SP0, VECTOR_CURRENT_SPX, VECTOR_LOWER } from "./exception.js";
import type { Run } from "./run.js";
import {
  ALL_SYSREGS,
  EL,
  FLAGS,
  FLAGS_DEPS,
  IN_FLIGHT,
  MAX_PENDING,
  PC,
  PENDING,
  raise,
  SP,
  type State,
  setSysreg,
  sysreg,
  sysregDeps,
  sysregPlace,
  sysregView,
  VCSE,
  VCSE_OWN,
  VDSB,
  VMSR,
  VOWN,
  VSPEC,
} from "./state.js";
import { EL2_PLACES, EL10_PLACES, PLACE, type World } from "./world.js";

const IP = { esr1: sysregPlace("ESR_EL1"), esr2: sysregPlace("ESR_EL2"), elr1: sysregPlace("ELR_EL1"), elr2: sysregPlace("ELR_EL2"), spsr1: sysregPlace("SPSR_EL1"), spsr2: sysregPlace("SPSR_EL2"), far1: sysregPlace("FAR_EL1"), far2: sysregPlace("FAR_EL2"), hpfar: sysregPlace("HPFAR_EL2"), vbar1: sysregPlace("VBAR_EL1"), vbar2: sysregPlace("VBAR_EL2") }; // biome-ignore format: a table
/** Registers whose writes count for translation only after a context synchronisation event. */
const CONTEXT_REGISTERS = new Set([...EL10_PLACES, ...EL2_PLACES]);

/** With HCR_EL2.E2H = 1 names of EL1's registers mean EL2's at EL2 (D19): which one a test means is not known here. */
export function refuseRenamed(world: World, pe: number, el: number, register: string): void {
  if (el === 2 && register.endsWith("_EL1") && world.e2h(pe))
    throw new Unsupported(
      `${register} at EL2 with HCR_EL2.E2H = 1, where it stands for ${register.replace("EL1", "EL2")}`,
    );
}

/** What a thread's PE translates with. Methods return undefined to go on, else whether some way on keeps all promises. */
export class Regimes {
  constructor(private readonly run: Run) {}

  /** A context synchronisation event that stays in the same regime. */
  synchronise(s: State, at: Instruction): boolean | undefined {
    this.raiseContext(s);
    if (s[PENDING] === 0) return undefined;
    const before = this.live(s);
    this.settle(s);
    return this.liveChanges(s, at, before);
  }

  private raiseContext(s: State): void {
    if (!this.run.world.model["isb-order"]) return;
    raise(s, VCSE, Math.max(s[VSPEC]!, s[VMSR]!, s[VDSB]!));
    raise(s, VCSE_OWN, s[VOWN]!);
  }

  /** Pending writes of system registers are certain from now on. */
  private settle(s: State): void {
    s[PENDING] = 0;
    for (let i = 1; i <= 2 * MAX_PENDING; i++) s[PENDING + i] = 0;
    s[VMSR] = 0;
  }

  msr(s: State, at: Instruction, place: number, value: number, deps: Deps): boolean | undefined {
    const { world } = this.run;
    refuseRenamed(world, this.run.index, s[EL]!, ALL_SYSREGS[place]!);
    if (place === PLACE.vttbr && ((world.values.big(value) ^ world.values.big(sysreg(s, place))) & 1n) !== 0n)
      throw new Unsupported("VTTBR_EL2.CnP changed by an MSR, while a TLB may hold what it was (IYVLVD)");
    world.takes(this.run.index, ALL_SYSREGS[place]!, world.values.big(value));
    if (!CONTEXT_REGISTERS.has(place) || !world.model["context-sync"]) {
      const before = this.live(s);
      setSysreg(s, place, value, deps);
      return CONTEXT_REGISTERS.has(place) ? this.liveChanges(s, at, before) : undefined;
    }
    const before = this.live(s);
    // The old value may go on being used: it is kept as pending, the register itself has the new one.
    const n = s[PENDING]!;
    if (n === MAX_PENDING) throw new Unsupported(`more than ${MAX_PENDING} system register writes without an ISB`);
    s[PENDING + 1 + 2 * n] = place;
    s[PENDING + 2 + 2 * n] = sysreg(s, place);
    s[PENDING] = n + 1;
    setSysreg(s, place, value, deps);
    raise(s, VMSR, pickView(deps));
    return this.liveChanges(s, at, before);
  }

  /** Values of a system register that translation may use now: the current one, and former ones not yet synchronised away. */
  options(s: State, place: number): number[] {
    const list = [sysreg(s, place)];
    for (let i = 0; i < s[PENDING]!; i++)
      if (s[PENDING + 1 + 2 * i] === place && !list.includes(s[PENDING + 2 + 2 * i]!))
        list.push(s[PENDING + 2 + 2 * i]!);
    return list;
  }

  /** The EL1&0 contexts that the registers may stand for. */
  contexts(s: State): readonly Context[] {
    const { world } = this.run;
    return this.each(s, EL10_PLACES, (id) => world.el10Context(id));
  }

  /** The EL2 contexts that the registers may stand for. */
  private el2Contexts(s: State): readonly Context[] {
    const { world } = this.run;
    return this.each(s, EL2_PLACES, (id) => world.el2Context(id));
  }

  /** The contexts of every choice of values that registers may stand for. */
  private each(
    s: State,
    places: readonly number[],
    context: (id: (place: number) => number) => readonly [Context],
  ): readonly Context[] {
    if (s[PENDING] === 0) return context((place) => sysreg(s, place));
    const list: Context[] = [];
    const chosen = new Map<number, number>();
    const choose = (i: number): void => {
      if (i === places.length) {
        const [made] = context((place) => chosen.get(place)!);
        if (!list.includes(made)) list.push(made);
        return;
      }
      for (const id of this.options(s, places[i]!)) {
        chosen.set(places[i]!, id);
        choose(i + 1);
      }
    };
    choose(0);
    return list;
  }

  /** The contexts in which accesses may be translated now. */
  current(s: State): readonly Context[] {
    return this.isHost(s) ? this.el2Contexts(s) : this.contexts(s);
  }

  /** Of {@link current}, the one in which all pending writes of system registers are still without effect. */
  oldest(s: State): Context {
    const value = (place: number): number => {
      for (let i = 0; i < s[PENDING]!; i++) if (s[PENDING + 1 + 2 * i] === place) return s[PENDING + 2 + 2 * i]!;
      return sysreg(s, place);
    };
    const { world } = this.run;
    return this.isHost(s) ? world.el2Context(value)[0] : world.el10Context(value)[0];
  }

  /** At EL2, or at EL0 with HCR_EL2.{E2H,TGE} = {1,1}: the regime is that of EL2, and exceptions go there. */
  private isHost(s: State): boolean {
    const { world, index } = this.run;
    return s[EL] === 2 || (s[EL] === 0 && world.e2h(index) && world.tge(sysreg(s, PLACE.hcr)));
  }

  /** The contexts for which the PE may walk: EL2's own, and those of EL1&0 unless that is out of context. */
  live(s: State): readonly Context[] {
    const el2 = this.el2Contexts(s);
    const { model } = this.run.world;
    if (s[EL] === 2 && s[IN_FLIGHT] === 0 && model["out-of-context"] && model["no-buffers"]) return el2;
    // With TGE = 1 EL0 is in EL2&0, and nothing uses EL1&0.
    return s[EL] === 0 && this.isHost(s) ? el2 : [...this.contexts(s), ...el2];
  }

  /** A DSB of loads and stores at EL2: walks from before the exception are over. */
  drain(s: State, at: Instruction): boolean | undefined {
    if (s[IN_FLIGHT] === 0) return undefined;
    const before = this.live(s);
    s[IN_FLIGHT] = 0;
    return this.liveChanges(s, at, before);
  }

  /**
   * Registers or the Exception level have changed: where the PE may walk for other contexts than `before`, an event says so.
   * Undefined, to go on, when that makes no difference to anything.
   */
  private liveChanges(s: State, at: Instruction, before: readonly Context[]): boolean | undefined {
    const now = this.live(s);
    const differs = (regime: Regime): boolean => {
      const [a, b] = [now, before].map((list) => list.filter((c) => c.regime === regime));
      return a!.length !== b!.length || a!.some((c) => !b!.includes(c));
    };
    const { cache, reduces } = this.run.world;
    const { index, code } = this.run;
    for (const context of now) cache.constants.know(index, context);
    const counts = (regime: Regime): boolean => differs(regime) && (!reduces || cache.knowledge.matters(index, regime));
    const comesBack = !reduces || s[EL]! < 2 || code.returns(s[PC]!);
    if (!(counts(EL10) && comesBack) && !counts(EL2) && !counts(EL20)) return undefined;
    const after = Math.max(s[VCSE]!, s[VDSB]!, s[VSPEC]!, s[VMSR]!);
    const what = cache.live.idOf(now);
    const event = { at, kind: CONTEXT, pe: index, what, value: 0, after, before: Number.POSITIVE_INFINITY };
    return this.run.placeEvent(s, event, (next, time) => {
      // Only a context synchronisation event binds what still runs in the former context.
      raise(next, next[PENDING]! > 0 ? VMSR : VCSE, time);
      return this.run.explore(next);
    });
  }

  /**
   * Takes an exception to an EL, to EL2 where that is the host's: `esr` without its fault address, `fault` gives that; `back` is the index of the instruction
   * to come back to.
   */
  exception(
    s: State,
    at: Instruction,
    to: 1 | 2,
    esr: number,
    fault: { va: number; ipa: number; view: number } | undefined,
    back: number,
  ): boolean | undefined {
    const { values } = this.run.world;
    const el = this.isHost(s) ? 2 : to;
    const view = fault?.view ?? 0;
    const deps = allOf(view);
    raise(s, VSPEC, view);
    const before = this.live(s);
    this.raiseContext(s);
    const address = back >= 0 ? this.run.code.at(back).address : at.address + 4;
    const spsr = s[FLAGS]! * 2 ** 28 + s[EL]! * 4 + (s[EL] === 0 ? 0 : s[SP]!);
    setSysreg(s, el === 1 ? IP.esr1 : IP.esr2, values.ofNumber(esr >>> 0), deps);
    setSysreg(s, el === 1 ? IP.elr1 : IP.elr2, values.ofNumber(address), 0);
    setSysreg(s, el === 1 ? IP.spsr1 : IP.spsr2, values.ofNumber(spsr), s[FLAGS_DEPS]!);
    if (fault) {
      setSysreg(s, el === 1 ? IP.far1 : IP.far2, values.ofNumber(fault.va), deps);
      if (el === 2 && fault.ipa >= 0) setSysreg(s, IP.hpfar, values.ofNumber(fault.ipa * 16), deps);
    }
    const from = s[EL]!;
    const offset = el > from ? VECTOR_LOWER : s[SP] === 1 ? VECTOR_CURRENT_SPX : VECTOR_CURRENT_SP0;
    s[PC] = this.run.code.vector(values.low48(sysreg(s, el === 1 ? IP.vbar1 : IP.vbar2)), offset);
    s[EL] = el;
    s[SP] = 1;
    if (el === 2 && from < 2 && !this.run.world.model["walks-end-at-traps"]) s[IN_FLIGHT] = 1;
    this.settle(s);
    return this.liveChanges(s, at, before);
  }

  eret(s: State, at: Instruction): boolean | undefined {
    const { values } = this.run.world;
    const from = s[EL]!;
    const [elr, spsr] = from === 1 ? [IP.elr1, IP.spsr1] : [IP.elr2, IP.spsr2];
    const before = this.live(s);
    raise(s, VSPEC, Math.max(sysregView(s, elr), sysregView(s, spsr)));
    this.raiseContext(s);
    const state = values.low48(sysreg(s, spsr));
    const to = (state >>> 2) & 3;
    if (to > from) throw new Unsupported(`ERET from EL${from} to EL${to}`);
    s[PC] = this.run.code.place(values.low48(sysreg(s, elr)));
    s[EL] = to;
    s[IN_FLIGHT] = 0;
    s[SP] = state & 1;
    s[FLAGS] = Math.floor(state / 2 ** 28) & 15;
    s[FLAGS_DEPS] = sysregDeps(s, spsr);
    this.settle(s);
    return this.liveChanges(s, at, before);
  }
}
