/** What barriers order (DDI 0487, B2.3): the views that they raise. */
import { type Barrier, type BarrierDomain, completesTlbi } from "../../arch/index.js";
import {
  EL,
  EPOCH,
  NO_XS,
  NXS,
  raise,
  type State,
  sysreg,
  TLBI_OTHERS,
  TLBI_OWN,
  VDMB,
  VDMB_ST,
  VDSB,
  VHU,
  VOWN,
  VRD,
  VSEEN,
  VWR,
} from "./state.js";
import { PLACE, type World } from "./world.js";

/** From narrow to wide; the index is HCR_EL2.BSU. */
const DOMAINS: readonly BarrierDomain[] = ["NSH", "ISH", "OSH", "SY"];

/** The latest arrival so far of the thread's own TLBIs. */
export const latestTlbi = (s: State): number => Math.max(s[TLBI_OWN]!, s[TLBI_OTHERS]!);

/** Raises the views that a DMB or DSB binds. */
export function orderBy(world: World, s: State, barrier: Barrier): void {
  const { model } = world;
  const [reads, writes] = barrier.nXS ? [s[VRD + NO_XS]!, s[VWR + NO_XS]!] : [s[VRD]!, s[VWR]!];
  const accesses = barrier.type === "ST" ? writes : barrier.type === "LD" ? reads : Math.max(reads, writes);
  const domain = domainOf(world, s, barrier.domain!);
  const own = domain === "NSH" && model["dsb-domain"];
  if (barrier.kind === "DSB" && model["dsb-order"]) raise(s, own ? VOWN : VDSB, accesses);
  // A DMB NSH orders accesses as the PE itself observes them, which program order does already.
  else if (!own && model["dmb-order"]) raise(s, barrier.type === "ST" ? VDMB_ST : VDMB, accesses);
  if (barrier.kind !== "DSB") return;
  if (barrier.type === "full" && model["update-completion"]) raise(s, own ? VOWN : VDSB, s[VHU]!);
  if (barrier.type !== "LD") raise(s, VSEEN, writes);
  completeTlbis(world, s, barrier, own);
}

/** The domain of a barrier: HCR_EL2.BSU is the least that one of EL1 or EL0 has. */
function domainOf(world: World, s: State, written: BarrierDomain): BarrierDomain {
  const least = s[EL]! < 2 ? Number((world.values.big(sysreg(s, PLACE.hcr)) >> 10n) & 3n) : 0;
  return DOMAINS[Math.max(least, DOMAINS.indexOf(written))]!;
}

/** All PEs here are of one Inner Shareable domain: an OS TLBI is complete for them when one of IS is. */
function completeTlbis(world: World, s: State, barrier: Barrier, own: boolean): void {
  const { model } = world;
  if (completesTlbi(barrier) === "none" && model["tlbi-completion"]) return;
  const wide = !own;
  for (const nXS of [0, NXS]) {
    if (nXS === 0 && barrier.nXS) continue;
    raise(s, VDSB, s[TLBI_OWN + nXS]!);
    if (wide) raise(s, VDSB, s[TLBI_OTHERS + nXS]!);
  }
  if (wide && s[EPOCH]! < 1000) s[EPOCH]!++;
}
