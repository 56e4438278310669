/** The shape of a p2m: its start level and root pages by IPA bits (xen/arch/arm/mmu/p2m.c: setup_virt_paging). */
import { type Stage2Geometry, stage2Geometry } from "../arch/index.js";

/** Xen's pa_range_info: start level of the p2m for IPA bits (not the fewest levels that concatenation allows). */
const XEN_START_LEVEL: Readonly<Record<number, number>> = { 32: 1, 36: 1, 40: 1, 42: 1, 44: 0, 48: 0 };

/** Xen's p2m geometry: 48 bits: level 0, one root page; 40 bits: level 1, two root pages. Throws a RangeError for other sizes. */
export function p2mGeometry(ipaBits: number): Stage2Geometry {
  const start = XEN_START_LEVEL[ipaBits];
  if (start === undefined)
    throw new RangeError(`Xen has no p2m of ${ipaBits} IPA bits, expected ${Object.keys(XEN_START_LEVEL).join(", ")}`);
  return stage2Geometry(ipaBits, 12, start);
}
