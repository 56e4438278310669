/** Physical addresses of what Xen reaches by its direct map (asm/arm64/mm.h: maddr_to_virt; asm/pdx.h). */
import type { ElfSymbol } from "./elf.js";

/** Values of Xen's variables, by what they say. */
export interface DirectmapValues {
  readonly virtStart: bigint;
  readonly basePdx: bigint;
  /** a hole of so many bits is left out of page frame numbers (PDX compression); masks of the bits below and above it */
  readonly holeShift: bigint;
  readonly bottomMask: bigint;
  readonly topMask: bigint;
}

/** Their names in Xen's source, the newest first, and their bytes. */
const VARIABLES: Readonly<
  Record<keyof DirectmapValues, { readonly names: readonly string[]; readonly bytes: number }>
> = {
  virtStart: { names: ["directmap_virt_start", "xenheap_virt_start"], bytes: 8 },
  basePdx: { names: ["directmap_base_pdx", "xenheap_base_pdx"], bytes: 8 },
  holeShift: { names: ["pfn_pdx_hole_shift"], bytes: 4 },
  bottomMask: { names: ["ma_va_bottom_mask"], bytes: 8 },
  topMask: { names: ["ma_top_mask"], bytes: 8 },
};
/** What a Xen without PDX compression comes to. */
const NO_HOLE = { holeShift: 0n, bottomMask: 2n ** 64n - 1n, topMask: 0n };

/** A variable to be read. */
interface DirectmapVariable {
  readonly key: keyof DirectmapValues;
  readonly address: number;
  readonly bytes: number;
}

/** Where a build keeps what must be read; a sentence when it does not say it. */
export function directmapVariables(find: (name: string) => ElfSymbol | undefined): DirectmapVariable[] | string {
  const list: DirectmapVariable[] = [];
  for (const [key, { names, bytes }] of Object.entries(VARIABLES) as [
    keyof DirectmapValues,
    { names: string[]; bytes: number },
  ][]) {
    const symbol = names.map(find).find((found) => found !== undefined);
    if (symbol) list.push({ key, address: symbol.address, bytes });
    else if (!(key in NO_HOLE)) return `physical addresses of descriptors: this Xen has no variable ${names[0]}`;
  }
  // All of the hole's variables, or none: there is no compression, or not this one.
  if (list.length !== 2 && list.length !== 5)
    return "physical addresses of descriptors: this Xen compresses page frame numbers in a way that is not known here";
  if (list.length === 2 && find("pfn_bases") !== undefined)
    return "physical addresses of descriptors: this Xen compresses page frame numbers by offsets, which is not known here";
  return list;
}

export class Directmap {
  private readonly values: DirectmapValues;

  constructor(values: Partial<DirectmapValues> & Pick<DirectmapValues, "virtStart" | "basePdx">) {
    this.values = { ...NO_HOLE, ...values };
  }

  /** The page that a virtual page of the direct map stands for; undefined below the direct map. */
  pageOf(virtualPage: number): number | undefined {
    const { virtStart, basePdx } = this.values;
    const offset = BigInt(virtualPage) * 4096n - virtStart;
    return offset < 0n ? undefined : this.unfold(offset + (basePdx << 12n));
  }

  /** The page with an index in Xen's frame table (its pdx). */
  pageOfIndex(pdx: bigint): number {
    return this.unfold(pdx << 12n);
  }

  private unfold(address: bigint): number {
    const { holeShift, bottomMask, topMask } = this.values;
    return Number(((address & bottomMask) | ((address << holeShift) & topMask)) >> 12n);
  }
}
