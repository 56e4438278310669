import assert from "node:assert/strict";
import { test } from "node:test";
import { contiguousLeaves } from "./geometry.js";
import { bitsPerLevel, type GranuleBits, ipaFeature, levelShift, minBlockLevel, stage2Geometry } from "./index.js";

const GRANULES: readonly GranuleBits[] = [12, 14, 16];

test("an entry covers the manual's sizes at each level of each granule", () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((level) => levelShift(level)),
    [39, 30, 21, 12],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((level) => levelShift(level, 14)),
    [47, 36, 25, 14],
  );
  assert.deepEqual(
    [1, 2, 3].map((level) => levelShift(level, 16)),
    [42, 29, 16],
  );
  assert.deepEqual(GRANULES.map(bitsPerLevel), [9, 11, 13]);
});

test("the largest block is 1 GiB, 32 MiB, 512 MiB: KVM's unmap steps for 4, 16 and 64 KiB host pages", () => {
  assert.deepEqual(
    GRANULES.map((bits) => 2 ** levelShift(minBlockLevel(bits), bits)),
    [2 ** 30, 2 ** 25, 2 ** 29],
  );
});

test("stage 2 with 4 KiB starts where Linux starts it, with as many root tables", () => {
  // IPA bits: start level, concatenated root tables
  const linux: [number, number, number][] = [
    [32, 2, 4],
    [33, 2, 8],
    [34, 2, 16],
    [35, 1, 1],
    [36, 1, 1],
    [39, 1, 1],
    [40, 1, 2],
    [41, 1, 4],
    [42, 1, 8],
    [43, 1, 16],
    [44, 0, 1],
    [47, 0, 1],
    [48, 0, 1],
    [49, 0, 2],
    [52, 0, 16],
  ];
  for (const [bits, startLevel, concatenated] of linux)
    assert.deepEqual(
      stage2Geometry(bits),
      { ipaBits: bits, granuleBits: 12, startLevel, levels: 4 - startLevel, concatenated },
      `${bits} bits`,
    );
});

test("every size and granule has Linux's number of levels, within the manual's limits for the start level", () => {
  for (const granuleBits of GRANULES)
    for (let ipaBits = 32; ipaBits <= 52; ipaBits++) {
      const g = stage2Geometry(ipaBits, granuleBits);
      const stride = granuleBits - 3;
      // stage2_pgtable_levels(ipa) = ARM64_HW_PGTABLE_LEVELS(ipa - 4), which is (bits - 4) / (PAGE_SHIFT - 3), rounded down.
      assert.equal(g.levels, Math.max(2, Math.floor((ipaBits - 4 - 4) / stride)), `${ipaBits} bits, 2^${granuleBits}`);
      assert.equal(g.startLevel, 4 - g.levels);
      // The manual's AArch64.S2InconsistentSL: the sizes that a start level may translate.
      const lookups = 3 - g.startLevel;
      assert.ok(ipaBits >= lookups * stride + granuleBits + 1, `${ipaBits} bits is too small for ${g.startLevel}`);
      assert.ok(ipaBits <= lookups * stride + granuleBits + 1 + (stride - 1) + 4);
      // The root tables together index exactly the bits above the levels below.
      const rootBits = ipaBits - levelShift(g.startLevel, granuleBits);
      assert.equal(g.concatenated, Math.max(1, 2 ** (rootBits - stride)), `${ipaBits} bits, 2^${granuleBits}`);
    }
});

test("above 48 bits 4 KiB may start at level -1, with one root; 16 KiB starts at level 0 from 52 bits on", () => {
  for (const bits of [49, 52]) {
    const { startLevel, levels, concatenated } = stage2Geometry(bits, 12, -1);
    assert.deepEqual([startLevel, levels, concatenated], [-1, 5, 1]);
  }
  const starts = [48, 49, 51, 52].map((bits) => stage2Geometry(bits, 14));
  assert.deepEqual(
    starts.map(({ startLevel, concatenated }) => [startLevel, concatenated]),
    [
      [1, 2],
      [1, 4],
      [1, 16],
      [0, 1],
    ],
  );
  assert.deepEqual(
    GRANULES.map((granule) => [48, 49, 52].map((bits) => ipaFeature(bits, granule))),
    [
      [undefined, "FEAT_LPA2", "FEAT_LPA2"],
      [undefined, "FEAT_LPA2", "FEAT_LPA2"],
      [undefined, "FEAT_LPA", "FEAT_LPA"],
    ],
  );
});

test("with 16 KiB and 64 KiB the start level follows the same rule", () => {
  const { startLevel: s16, concatenated: c16 } = stage2Geometry(48, 14);
  assert.deepEqual([s16, c16], [1, 2]);
  const { startLevel: s64, concatenated: c64 } = stage2Geometry(46, 16);
  assert.deepEqual([s64, c64], [2, 16]);
  assert.deepEqual([stage2Geometry(47, 16).startLevel, stage2Geometry(52, 16).startLevel], [1, 1]);
});

test("Xen's choices: 40 bits at level 1 with two root pages, 48 bits at level 0 with one", () => {
  assert.deepEqual([stage2Geometry(40, 12, 1).concatenated, stage2Geometry(40, 12, 1).levels], [2, 3]);
  assert.deepEqual([stage2Geometry(48, 12, 0).concatenated, stage2Geometry(48, 12, 0).levels], [1, 4]);
  assert.equal(stage2Geometry(42, 12, 0).concatenated, 1, "level 0 where concatenation is not wanted");
});

test("shapes that the architecture does not have are refused", () => {
  assert.throws(() => stage2Geometry(31), /31 IPA bits, expected 32 to 52 with a 4 KiB granule/);
  assert.throws(() => stage2Geometry(48, 12, -1), /start level -1 cannot translate 48 IPA bits/, "a root of one entry");
  assert.throws(() => stage2Geometry(52, 14, -1), RangeError, "16 KiB has no level -1");
  assert.throws(() => stage2Geometry(52, 16, 0), RangeError, "64 KiB has no level 0");
  assert.throws(() => stage2Geometry(52, 14, 1), /cannot translate/, "32 root tables");
  assert.throws(() => stage2Geometry(53, 16), /53 IPA bits, expected 32 to 52 with a 64 KiB granule/);
  for (const bits of [40.5, Number.NaN]) assert.throws(() => stage2Geometry(bits), RangeError);
  assert.throws(() => stage2Geometry(44, 12, 1), /start level 1 cannot translate 44 IPA bits/, "32 root tables");
  assert.throws(() => stage2Geometry(39, 12, 0), /start level 0 cannot translate/, "a root of one entry");
  assert.throws(() => stage2Geometry(40, 12, 3), RangeError);
  assert.throws(() => stage2Geometry(40, 12, -1), RangeError);
});

test("a contiguous group has the size that the manual gives it: 64 KiB, 32 MiB, 16 GiB; 2 MiB and 1 GiB; 2 MiB and 16 GiB", () => {
  const size = (level: number, granuleBits: 12 | 14 | 16): number =>
    contiguousLeaves(level, granuleBits) * 2 ** levelShift(level, granuleBits);
  const [KiB, MiB, GiB] = [2 ** 10, 2 ** 20, 2 ** 30];
  assert.deepEqual([size(3, 12), size(2, 12), size(1, 12)], [64 * KiB, 32 * MiB, 16 * GiB]);
  assert.deepEqual([size(3, 14), size(2, 14)], [2 * MiB, GiB]);
  assert.deepEqual([size(3, 16), size(2, 16)], [2 * MiB, 16 * GiB]);
});
