import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addressOperand,
  type CachedEntry,
  decodeOperand,
  type EntryKind,
  GLOBAL_ASID,
  halvesOf,
  levelShift,
  mustGo,
  rangeOperand,
  TLBI_OPS,
  tlbiOp,
  ttlOf,
} from "./index.js";

const leaf = (kind: EntryKind, more: Partial<CachedEntry> = {}): CachedEntry => ({
  regime: "EL1&0",
  kind,
  step: false,
  vmid: 1,
  asid: 5,
  page: 0x40,
  ipa: kind === "stage2" ? -1 : 0x80,
  level: 3,
  ...more,
});

/** Must the entry go by TLBI NAME, Xt under VMID 1? */
function goes(name: string, xt: bigint, entry: CachedEntry): boolean {
  const op = tlbiOp(name);
  const { lo, hi } = halvesOf(xt);
  return mustGo(op, decodeOperand(op.operand, lo, hi), 1, entry);
}
const VA = (5n << 48n) | 0x40n;

test("each TLBI removes the kinds of entry that the manual says: IPAS2 not combined ones, VMALLE1 not stage-2 ones", () => {
  const kinds = (name: string, xt = 0n): string =>
    (["stage1", "stage2", "combined"] as const).filter((kind) => goes(name, xt, leaf(kind))).join(" ");
  assert.equal(kinds("VMALLE1IS"), "stage1 combined");
  assert.equal(kinds("VMALLS12E1IS"), "stage1 stage2 combined");
  assert.equal(kinds("ALLE1IS"), "stage1 stage2 combined");
  assert.equal(kinds("IPAS2E1IS", 0x40n), "stage2");
  assert.equal(kinds("VAE1IS", VA), "stage1 combined");
  assert.equal(kinds("ALLE2IS"), "");
  assert.equal(goes("ALLE2IS", 0n, leaf("combined", { regime: "EL2" })), true);
});

test("VMID, ASID and level must match; a global entry goes by VA, not by ASID", () => {
  assert.equal(goes("VMALLE1IS", 0n, leaf("combined", { vmid: 2 })), false);
  assert.equal(goes("ALLE1IS", 0n, leaf("combined", { vmid: 2 })), true);
  assert.equal(goes("VAE1IS", VA, leaf("stage1", { asid: 6 })), false);
  assert.equal(goes("VAAE1IS", 0x40n, leaf("stage1", { asid: 6 })), true);
  assert.equal(goes("VAE1IS", VA, leaf("stage1", { asid: GLOBAL_ASID })), true);
  assert.equal(goes("ASIDE1IS", 5n << 48n, leaf("stage1", { asid: GLOBAL_ASID })), false);
  assert.equal(goes("VALE1IS", VA, leaf("stage1", { step: true, level: 2 })), false);
  assert.equal(goes("VAE1IS", VA, leaf("stage1", { step: true, level: 2 })), true);
});

test("a TTL hint removes leaves of its level only, and table descriptors above it", () => {
  const hinted = (level: 1 | 2 | 3): bigint => BigInt(addressOperand(0x40, ttlOf(level)));
  assert.equal(goes("IPAS2E1IS", hinted(3), leaf("stage2")), true);
  assert.equal(goes("IPAS2E1IS", hinted(2), leaf("stage2")), false);
  assert.equal(goes("IPAS2E1IS", hinted(3), leaf("stage2", { level: 2 })), false);
  assert.equal(goes("IPAS2E1IS", hinted(3), leaf("stage2", { step: true, level: 2 })), true);
});

test("a TTL hint of another granule removes nothing, one of granule 0 is no hint", () => {
  const hinted = (ttl: number): bigint => BigInt(addressOperand(0x40, ttl));
  for (const ttl of [0b1010, 0b1011, 0b1101, 0b1110, 0b1111]) {
    assert.equal(goes("VAAE1IS", hinted(ttl), leaf("stage1")), false, String(ttl));
    assert.equal(goes("VAAE1IS", hinted(ttl), leaf("stage1", { step: true, level: 1 })), false, String(ttl));
  }
  for (const ttl of [0b0000, 0b0001, 0b0010, 0b0011, 0b1000, 0b1100])
    assert.equal(goes("VAAE1IS", hinted(ttl), leaf("stage1")), true, String(ttl));
});

test("a range with the TTL of a block removes blocks if it is aligned to one, else nothing; of another granule nothing", () => {
  const block = leaf("stage2", { page: 0x200, level: 2 });
  const range = (base: number, ttl: number, granuleBits: 12 | 14 | 16 = 12): bigint =>
    BigInt(rangeOperand(base, 1, 31, granuleBits, ttl)); // 2048 granules
  assert.equal(goes("RIPAS2E1IS", range(0x200, 2), block), true);
  assert.equal(goes("RIPAS2E1IS", range(0x201, 2), block), false);
  assert.equal(goes("RIPAS2E1IS", range(0x201, 0), block), true);
  assert.equal(goes("RIPAS2E1IS", range(0x200, 3), block), false);
  assert.equal(goes("RIPAS2E1IS", range(0x200, 1), leaf("stage2", { page: 0x200, level: 1 })), false);
  assert.equal(goes("RIPAS2E1IS", range(0x4_0000, 1), leaf("stage2", { page: 0x4_0000, level: 1 })), true);
  assert.equal(goes("RIPAS2E1IS", range(0x200, 0, 14), block), false);
});

test("an address reaches the entry that contains it and no other, at every level", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 30), fc.nat(2 ** 30), fc.constantFrom(1, 2, 3), (wanted, page, level) => {
      const entry = leaf("stage2", { page, level });
      const size = 2 ** (levelShift(level) - 12);
      assert.equal(goes("IPAS2E1IS", BigInt(wanted), entry), Math.floor(wanted / size) === Math.floor(page / size));
    }),
    { numRuns: 300, seed: 1 },
  );
});

test("what a local, an IS and an OS form remove is the same", () => {
  const entries = (["stage1", "stage2", "combined"] as const).flatMap((kind) => [
    leaf(kind),
    leaf(kind, { vmid: 2 }),
    leaf(kind, { step: true, level: 1 }),
  ]);
  for (const op of TLBI_OPS) {
    const base = tlbiOp(op.base);
    const fields = decodeOperand(op.operand, 0x40, 5 << 16);
    for (const entry of entries) assert.equal(mustGo(op, fields, 1, entry), mustGo(base, fields, 1, entry), op.name);
  }
});

test("a contiguous group's one entry goes by each of its addresses; of 16 and 64 KiB tables by their own hints, units and sizes", () => {
  const group = leaf("combined", { page: 0x45, contiguous: true });
  for (const [page, is] of [[0x40, true], [0x4f, true], [0x3f, false], [0x50, false]] as const) // biome-ignore format: a table
    assert.equal(goes("VAAE1IS", BigInt(page), group), is, String(page));
  assert.equal(goes("VAAE1IS", 0x40n, leaf("combined", { page: 0x45 })), false);
  const large = (granuleBits: 14 | 16, more: Partial<CachedEntry> = {}) => leaf("stage2", { granuleBits, ...more });
  // The page of 64 KiB at 0x40000 has 16 pages of 4 KiB; address bits [15:12] are ignored (IHQTLK).
  assert.equal(goes("IPAS2E1IS", 0x4fn, large(16, { page: 0x40 })), true);
  assert.equal(goes("IPAS2E1IS", 0x50n, large(16, { page: 0x40 })), false);
  // TTL [3:2]: 2 is 16 KiB, 3 is 64 KiB.
  assert.equal(goes("IPAS2E1IS", BigInt(addressOperand(0x40, 0b1111)), large(16, { page: 0x40 })), true);
  assert.equal(goes("IPAS2E1IS", BigInt(addressOperand(0x40, 0b1011)), large(16, { page: 0x40 })), false);
  assert.equal(goes("IPAS2E1IS", BigInt(addressOperand(0x40, 0b1011)), large(14, { page: 0x40 })), true);
  assert.equal(goes("IPAS2E1IS", BigInt(addressOperand(0x40, ttlOf(3))), large(14, { page: 0x40 })), false);
  // BaseADDR counts granules.
  const range = (base: number, granuleBits: 12 | 14 | 16): bigint => BigInt(rangeOperand(base, 0, 0, granuleBits));
  assert.equal(goes("RIPAS2E1IS", range(4, 16), large(16, { page: 0x40 })), true);
  assert.equal(goes("RIPAS2E1IS", range(6, 16), large(16, { page: 0x40 })), false);
  assert.equal(goes("RIPAS2E1IS", range(0x40, 12), large(16, { page: 0x40 })), false);
});
