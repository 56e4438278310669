/** What a price of a nested host says of TLBIs that found no shadow stage-2 of their VMID. */
import type { NoShadow } from "../host/index.js";
import { count, list } from "./format.js";
import { wrapped } from "./text.js";

type ByVmid = readonly (readonly [vmid: string, tlbis: number])[];

const total = (counts: ByVmid): number => counts.reduce((sum, [, n]) => sum + n, 0);

/** "4 under VMID 1 and 2 under VMID 3" */
const told = (counts: ByVmid): string =>
  list(counts.map(([vmid, n]) => `${count(n)} ${vmid === "all" ? "for every VMID" : `under VMID ${vmid}`}`));

/** Those of the VMIDs under which no guest runs in the whole trace, nor had run before it. */
function neverRun({ notRun }: NoShadow, vmidsRun: readonly number[]): ByVmid {
  const run = (vmid: string): boolean => (vmid === "all" ? vmidsRun.length > 0 : vmidsRun.includes(Number(vmid)));
  return Object.entries(notRun).filter(([vmid]) => !run(vmid));
}

/**
 * How many there were: before a VMID's guest first ran, after its shadow had been recycled, and loudest under a VMID that no
 * guest runs under in the whole trace. "" when each found one. `vmidsRun`: VMIDs with a guest that ran.
 */
export function noShadowText(noShadow: NoShadow, vmidsRun: readonly number[], width: number): string {
  const never = neverRun(noShadow, vmidsRun);
  const early = Object.entries(noShadow.notRun).filter(([vmid]) => never.every(([other]) => other !== vmid));
  const recycled = Object.entries(noShadow.ran);
  const kinds: readonly (readonly [ByVmid, string])[] = [
    [early, "before a guest ran under it, as a new p2m's first flush is"],
    [recycled, "after the host had recycled its shadow"],
    [never, "with no guest that the trace shows to run"],
  ];
  const tlbis = total([...early, ...recycled, ...never]);
  if (tlbis === 0) return "";
  const head = `${count(tlbis)} ${tlbis === 1 ? "TLBI" : "TLBIs"} found no shadow stage-2 when nested, for the price of a trap alone:`;
  const lines = kinds.filter(([of]) => of.length > 0).map(([of, when]) => `- ${told(of)}, ${when}`);
  return [head, ...lines].map((line) => wrapped(line, width, "  ")).join("") + warning(never, width);
}

/** The loud one alone, for a trace named before it; "" where there is nothing to warn of. */
export function neverRunText(trace: string, noShadow: NoShadow, vmidsRun: readonly number[], width: number): string {
  const never = neverRun(noShadow, vmidsRun);
  if (never.length === 0) return "";
  const head = `${trace}: TLBIs found no shadow stage-2 when nested, ${told(never)}, with no guest that the trace shows to run.`;
  return wrapped(head, width) + warning(never, width);
}

function warning(never: ByVmid, width: number): string {
  if (never.length === 0) return "";
  const vmids = never.filter(([vmid]) => vmid !== "all").map(([vmid]) => vmid);
  return wrapped(
    `If a guest ran, the price is far too low: say so by --ran ${vmids.join(",") || "VMID"}, or in the trace by a vcpu-switch, a hypercall or an access of that guest.`,
    width,
  );
}
