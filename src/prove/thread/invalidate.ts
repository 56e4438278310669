/** TLBIs as a thread executes them (DDI 0487, C5.5 and D8.17). */
import { isBroadcast, TLBI_OPS } from "../../arch/index.js";
import type { Action, Instruction } from "../program.js";
import { INVALIDATE, type Regime, regimeOf } from "../tlb/index.js";
import { latestTlbi } from "./barriers.js";
import { depsIn } from "./compute.js";
import { pickView } from "./deps.js";
import type { Regimes } from "./regime.js";
import type { Run } from "./run.js";
import {
  EL,
  EPOCH,
  NXS,
  PC,
  raise,
  reg,
  type State,
  sysreg,
  TLBI_OTHERS,
  TLBI_OWN,
  VCSE,
  VDSB,
  VOWN,
  VSPEC,
  VWR,
} from "./state.js";
import { PLACE } from "./world.js";

type Tlbi = Extract<Action, { op: "tlbi" }> & Instruction;

/** The VMIDs under which a TLBI may be executed, each with the regimes that it may be for, as registers are not certain yet. */
function kindsOf({ world, index }: Run, regimes: Regimes, s: State, at: Tlbi): { vmid: number; regime: Regime }[] {
  const op = TLBI_OPS[at.tlbi]!;
  const vmids = new Set<number>();
  for (const vttbr of regimes.options(s, PLACE.vttbr))
    for (const vtcr of regimes.options(s, PLACE.vtcr)) vmids.add(world.vmidOf(vttbr, vtcr));
  const e2h = world.e2h(index);
  const seen = new Set<Regime>();
  for (const hcr of e2h ? regimes.options(s, PLACE.hcr) : [0])
    seen.add(regimeOf(op, { e2h, tge: e2h && world.model.vhe && world.tge(hcr), el: s[EL]! }));
  return [...vmids].flatMap((vmid) => [...seen].map((regime) => ({ vmid, regime })));
}

/** Executes a TLBI: it arrives at each PE that it reaches by an event of its own; true when some way on keeps all promises. */
export function executeTlbi(run: Run, regimes: Regimes, s: State, at: Tlbi): boolean {
  const { world } = run;
  const op = TLBI_OPS[at.tlbi]!;
  const operand = world.values.big(reg(s, at.rt));
  const local = world.model.broadcast && !isBroadcast(op, s[EL]! < 2 && world.forcesBroadcast(sysreg(s, PLACE.hcr)));
  const bound = Math.max(
    s[VDSB]!,
    s[VCSE]!,
    s[VSPEC]!,
    pickView(depsIn(world, s, at.rt)),
    world.model["write-before-tlbi"] ? 0 : s[VWR]!,
  );
  const earlier = world.model["tlbi-unordered"] ? 0 : latestTlbi(s);
  const after = Math.max(bound, earlier);
  const nXS = op.nXS ? NXS : 0;
  const kinds = kindsOf(run, regimes, s, at);
  if (kinds.length > 1) run.choose();
  let kept = false;
  for (const { vmid, regime } of kinds) {
    const invalidation = world.catalogue.invalidation(at.tlbi, operand, vmid, regime);
    const { id } = invalidation;
    const targets = world.targets(invalidation, local ? run.index : undefined);
    const record = { kind: "tlbi", at, invalidation: id, local, targets, view: after } as const;
    const deliver = (state: State, i: number): boolean => {
      if (i === targets.length) {
        const next = i === 0 ? state.slice() : state;
        next[PC] = run.code.next(at);
        return run.explore(next);
      }
      const pe = targets[i]!;
      const bound = pe === run.index ? Math.max(after, state[VOWN]!) : after;
      const value = local ? -1 : state[EPOCH]!;
      const event = { at, kind: INVALIDATE, pe, what: id, value, after: bound, before: Number.POSITIVE_INFINITY };
      return run.placeEvent(state, event, (next, time) => {
        raise(next, (pe === run.index ? TLBI_OWN : TLBI_OTHERS) + nXS, time);
        return deliver(next, i + 1);
      });
    };
    if (run.noted(record, () => deliver(s, 0))) kept = true;
  }
  return kept;
}
