/**
 * Behind which TLBIs and writes of VTTBR_EL2 a capture may miss a barrier. Barriers are recorded with the site that they stand
 * beside on a straight way (see barriersAround in sites.ts); where the way from one site to the next branches, or another way
 * joins it, one in between may have been executed unseen.
 */
import type { Sites } from "./sites.js";
import type { XenText } from "./text.js";

/** A function and an instruction in it: a TLBI's name or "VTTBR_EL2". */
export type BlindSite = [functionName: string, instruction: string];

/** Instructions to the next site, at most: as far as barriers are looked for behind one. */
const REACH = 16;
/** Most that are told; a Xen has about 30 of such sites. */
const MOST = 256;

/** Each site of these kinds from which no straight way leads to another site. */
export function blindSites(text: XenText, { list }: Sites): BlindSite[] {
  const addresses = new Set(list.flatMap((s) => (s.kind === "entry" || s.kind === "return" ? [] : [s.address])));
  const found = new Map<string, BlindSite>();
  for (const site of list) {
    // Those of guests' translations: what Xen does to its own is no policy's.
    const guests =
      site.kind === "tlbi" ? site.op.regime === "EL1&0" : site.kind === "sysreg" && site.register === "VTTBR_EL2";
    // Of code that was put in each barrier is a site.
    if (!guests || text.injectedAt(site.address) !== undefined) continue;
    if (leadsStraight(text, site.address, addresses)) continue;
    const blind: BlindSite = [site.in?.name ?? "", site.kind === "tlbi" ? site.op.name : "VTTBR_EL2"];
    found.set(blind.join(" "), blind);
  }
  return [...found.values()].slice(0, MOST);
}

function leadsStraight(text: XenText, from: number, sites: ReadonlySet<number>): boolean {
  for (let at = from + 4; at <= from + 4 * REACH; at += 4) {
    if (text.branchesTo(at).length > 0) return false;
    if (sites.has(at)) return true;
    if (text.branchAt(at) || text.word(at) === undefined) return false;
  }
  return false;
}
