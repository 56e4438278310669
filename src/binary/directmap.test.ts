import assert from "node:assert/strict";
import { test } from "node:test";
import { Directmap, directmapVariables } from "./directmap.js";
import type { ElfSymbol } from "./elf.js";

const VIRT_START = 0x8000_0000_0000n;

/** maddr_to_virt of asm/arm64/mm.h, restated: what the class must undo. */
function virtualPage(page: bigint, basePdx: bigint, shift: bigint, bottom: bigint, top: bigint): number {
  const address = page << 12n;
  return Number((VIRT_START - (basePdx << 12n) + ((address & bottom) | ((address & top) >> shift))) >> 12n);
}

test("a page of the direct map gives back its physical page, with and without a hole", () => {
  const plain = new Directmap({ virtStart: VIRT_START, basePdx: 0x40000n });
  assert.equal(plain.pageOf(Number(VIRT_START >> 12n)), 0x40000, "the first one");
  assert.equal(plain.pageOf(Number(VIRT_START >> 12n) - 1), undefined, "below");
  // Four bits, 36 to 39, are 0 in every address: below them bottom, above them top.
  const bottom = 2n ** 36n - 1n;
  const top = 0xffff_ff00_0000_0000n;
  const holed = new Directmap({ virtStart: VIRT_START, basePdx: 0n, holeShift: 4n, bottomMask: bottom, topMask: top });
  for (const page of [0n, 0x40123n, 0xff_ffffn, 0x1000_0000n, 0x3000_0777n])
    assert.equal(holed.pageOf(virtualPage(page, 0n, 4n, bottom, top)), Number(page), page.toString(16));
});

test("a build's variables are found under their newer and older names; what is missing is said", () => {
  const find =
    (...names: string[]) =>
    (name: string): ElfSymbol | undefined =>
      names.includes(name) ? { name, address: names.indexOf(name), size: 8, kind: "object" } : undefined;
  const hole = ["pfn_pdx_hole_shift", "ma_va_bottom_mask", "ma_top_mask"];
  assert.equal(directmapVariables(find("directmap_virt_start", "directmap_base_pdx", ...hole)).length, 5);
  assert.deepEqual(directmapVariables(find("xenheap_virt_start", "xenheap_base_pdx")), [
    { key: "virtStart", address: 0, bytes: 8 },
    { key: "basePdx", address: 1, bytes: 8 },
  ]);
  assert.match(String(directmapVariables(find("directmap_base_pdx"))), /no variable directmap_virt_start/);
  const two = ["directmap_virt_start", "directmap_base_pdx"];
  assert.match(String(directmapVariables(find(...two, "ma_top_mask"))), /in a way that is not known/);
  assert.match(String(directmapVariables(find(...two, "pfn_bases"))), /by offsets/);
});
