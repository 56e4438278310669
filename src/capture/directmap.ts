/** Physical addresses of what Xen reaches by its direct map (asm/arm64/mm.h: maddr_to_virt; asm/pdx.h). */

/** Variables of Xen that say where the direct map is, by their names in its source. */
export const DIRECTMAP_VARIABLES = {
  directmap_virt_start: 8,
  directmap_base_pdx: 8,
  pfn_pdx_hole_shift: 4,
  ma_va_bottom_mask: 8,
  ma_top_mask: 8,
} as const;
export type DirectmapVariable = keyof typeof DIRECTMAP_VARIABLES;

export class Directmap {
  constructor(private readonly variables: Readonly<Record<DirectmapVariable, bigint>>) {}

  /** The page that a virtual page of the direct map stands for; undefined below the direct map. */
  pageOf(virtualPage: number): number | undefined {
    const v = this.variables;
    const offset = BigInt(virtualPage) * 4096n - v.directmap_virt_start;
    if (offset < 0n) return undefined;
    const pdx = offset + (v.directmap_base_pdx << 12n);
    // Without compression the top mask is 0 or the hole has no bits.
    const top = (pdx << v.pfn_pdx_hole_shift) & v.ma_top_mask;
    return Number(((pdx & v.ma_va_bottom_mask) | top) >> 12n);
  }
}
