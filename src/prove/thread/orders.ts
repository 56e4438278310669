/** What orders the accesses of a thread and their faults, besides addresses, data and translations (DDI 0487, B2.3). */
import { type State, VACQ, VCSE, VDMB, VDMB_ST, VDSB, VRD, VREL, VSPEC, VWR } from "./state.js";
import type { World } from "./world.js";

/** What binds every access: barriers, context synchronisation, acquires. */
const fenced = (s: State): number => Math.max(s[VDMB]!, s[VDSB]!, s[VCSE]!, s[VACQ]!);

/** What a read comes after. */
export function readOrdered({ model }: World, s: State, acquire: boolean): number {
  return acquire && model["acquire-release"] ? Math.max(fenced(s), s[VREL]!) : fenced(s);
}

/** What a write comes after. */
export function writeOrdered({ model }: World, s: State, release: boolean): number {
  let view = Math.max(fenced(s), s[VDMB_ST]!);
  if (model["speculation-barrier"]) view = Math.max(view, s[VSPEC]!);
  if (release && model["acquire-release"]) view = Math.max(view, s[VRD]!, s[VWR]!);
  return view;
}

/** What the fault of an access comes after, besides its walk; `access` is what the access itself would. */
export const faultOrdered = ({ model }: World, s: State, access: number): number =>
  model["fault-order"] ? Math.max(fenced(s), s[VDMB_ST]!) : access;
