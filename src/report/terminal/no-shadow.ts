/** What a price of a nested host says of TLBIs that found no shadow stage-2 of their VMID. */
import type { CompareRow } from "../../compare/index.js";
import { count, list } from "../format.js";
import { wrapped } from "./text.js";

type NoShadow = CompareRow["noShadow"];
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
 * How many there were: before a VMID's guest first ran, after its shadow had been recycled, and under a VMID that no guest
 * runs under in the whole trace. "" when each found one. `vmidsRun`: VMIDs with a guest that ran. Loud where there is none.
 */
export function noShadowText(noShadow: NoShadow, vmidsRun: readonly number[], width: number): string {
  const never = neverRun(noShadow, vmidsRun);
  const early = Object.entries(noShadow.notRun).filter(([vmid]) => never.every(([other]) => other !== vmid));
  const recycled = Object.entries(noShadow.ran);
  const kinds: readonly (readonly [ByVmid, string])[] = [
    [early, "before a guest ran there, as a new p2m's first flush is"],
    [recycled, "after the host had recycled its shadow"],
    [never, `where no guest of the trace runs (if one did: --ran ${option(never)})`],
  ];
  const tlbis = total([...early, ...recycled, ...never]);
  if (tlbis === 0) return "";
  const head = `${count(tlbis)} ${tlbis === 1 ? "TLBI" : "TLBIs"} found no shadow stage-2 when nested, for the price of a trap alone:`;
  const lines = kinds.filter(([of]) => of.length > 0).map(([of, when]) => `- ${told(of)}, ${when}`);
  return [head, ...lines].map((line) => wrapped(line, width, "  ")).join("") + guestlessText(noShadow, vmidsRun, width);
}

/** The warning for a trace with TLBIs and no guest at all, named if need be; else "". */
export function guestlessText(
  noShadow: NoShadow,
  vmidsRun: readonly number[],
  width: number,
  trace = "This trace",
): string {
  const never = neverRun(noShadow, vmidsRun);
  if (never.length === 0 || vmidsRun.length > 0) return "";
  return wrapped(
    `${trace} shows no guest that runs, so a nested host has no shadow stage-2 and its price is next to nothing. If guests ran, it is far too low: name their VMIDs (--ran ${option(never)}), or let the trace tell by a vcpu-switch, a hypercall or an access.`,
    width,
  );
}

const option = (never: ByVmid): string =>
  never
    .filter(([vmid]) => vmid !== "all")
    .map(([vmid]) => vmid)
    .join(",") || "VMID";
