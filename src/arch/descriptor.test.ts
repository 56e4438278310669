import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bigintOf } from "./address.js";
import {
  AF,
  AP_EL0,
  AP_RO,
  CONTIG_HI,
  descriptorKind,
  leafHi,
  leafLo,
  levelShift,
  NG,
  outputPage,
  pagesAtLevel,
  S2_MEMATTR_DEVICE,
  S2_MEMATTR_WB,
  S2AP_R,
  S2AP_W,
  SH_INNER,
  SOFTWARE_SHIFT_HI,
  VALID,
  XN_HI,
} from "./index.js";

test("an even word is invalid at every level, whatever else it holds", () => {
  for (let level = 0; level < 4; level++)
    fc.assert(fc.property(fc.nat(0xffff_ffff), (lo) => assert.equal(descriptorKind(lo & ~1, level), "invalid")));
});

test("bits [1:0] say table, block or page by level; a block at level 0 or 3 is reserved and faults", () => {
  const kinds = (low: number) => [0, 1, 2, 3].map((level) => descriptorKind(low, level));
  assert.deepEqual(kinds(0b01), ["invalid", "block", "block", "invalid"]);
  assert.deepEqual(kinds(0b11), ["table", "table", "table", "page"]);
  assert.deepEqual(kinds(0b10), ["invalid", "invalid", "invalid", "invalid"]);
  assert.equal(VALID, 1);
});

/** Attribute combinations: low bits [11:2], high bits [63:50], of both stages. */
const low = fc.nat(0x3ff).map((bits) => bits << 2);
const high = fc.nat(0x3fff).map((bits) => (bits << 18) >>> 0);

test("a leaf of levels 1 to 3 gives back its kind and page, and has its attributes, stage 1 and stage 2 alike", () => {
  for (const level of [1, 2, 3])
    fc.assert(
      fc.property(fc.nat(2 ** 36 / pagesAtLevel(level) - 1), low, high, (block, lowBits, highBits) => {
        const page = block * pagesAtLevel(level);
        const lo = leafLo(page, level, lowBits);
        const hi = leafHi(page, highBits);
        assert.equal(descriptorKind(lo, level), level === 3 ? "page" : "block");
        assert.equal(outputPage(lo, hi), page);
        // The whole 64 bits, by the manual's layout.
        const type = level === 3 ? 3n : 1n;
        assert.equal(bigintOf(lo, hi), (BigInt(page) << 12n) | BigInt(lowBits) | (BigInt(highBits) << 32n) | type);
      }),
    );
});

test("the output address is bits [47:12], whatever stands around it", () => {
  assert.equal(outputPage(0xffff_ffff, 0xffff_ffff), 2 ** 36 - 1);
  assert.equal(outputPage(0x0000_0fff, 0xffff_0000), 0);
});

test("attributes stand at the manual's bit positions", () => {
  const at = (lo: number, hi = 0) => bigintOf(lo, hi);
  assert.equal(at(AF), 1n << 10n);
  assert.equal(at(SH_INNER), 3n << 8n);
  assert.equal(at(S2AP_R | S2AP_W), 3n << 6n);
  assert.equal(at(S2_MEMATTR_WB), 0b1111n << 2n);
  assert.equal(at(S2_MEMATTR_DEVICE), 0b0001n << 2n);
  assert.equal(at(NG), 1n << 11n);
  assert.equal(at(AP_RO), 1n << 7n);
  assert.equal(at(AP_EL0), 1n << 6n);
  assert.equal(at(0, XN_HI), 1n << 54n);
  assert.equal(at(0, CONTIG_HI), 1n << 52n);
  assert.equal(at(0, 0xf << SOFTWARE_SHIFT_HI), 0xfn << 55n);
});

test("a leaf maps 1 GiB, 2 MiB or 4 KiB", () => {
  for (const level of [1, 2, 3]) assert.equal(pagesAtLevel(level) * 4096, 2 ** levelShift(level));
});
