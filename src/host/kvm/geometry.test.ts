import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOperand, rangeOperand } from "../../arch/index.js";
import { builtInHost, builtInText } from "../builtin.fixture.js";
import type { Host } from "../host.js";
import { parseHost } from "../host-file.js";
import { priceTlbi } from "../single.js";
import { kvmOf } from "./settings.js";

const hostOf = (pages: "4K" | "16K" | "64K"): Host =>
  parseHost(
    builtInText("kvm-nested-7.2")
      .replace('page-size = "4K"', `page-size = "${pages}"`)
      .replace('backing = "4K"', `backing = "${pages}"`),
    "test.toml",
    builtInHost,
  );

const CHUNKS = {
  "4K": { 36: 64, 40: 1_024, 42: 4_096, 44: 16_384, 48: 262_144, 52: 4_194_304 },
  "16K": { 36: 2_048, 40: 32_768, 42: 131_072, 44: 524_288, 48: 8_388_608, 52: 134_217_728 },
  "64K": { 36: 128, 40: 2_048, 42: 8_192, 44: 32_768, 48: 524_288, 52: 8_388_608 },
} as const;

for (const pages of ["4K", "16K", "64K"] as const)
  test(`an empty shadow of a host with ${pages} pages is unmapped in as many steps as it has chunks`, () => {
    for (const [bits, chunks] of Object.entries(CHUNKS[pages])) {
      const priced = priceTlbi({
        op: "vmalls12e1is",
        operand: 0n,
        host: hostOf(pages),
        ipaBits: Number(bits),
        shadow: 0,
      });
      assert.deepEqual(priced.tlbi, { VMALLE1IS: chunks, RIPAS2E1IS: chunks });
    }
  });

test("a host with 64 KiB pages shadows sixteen 4 KiB pages by one leaf, and frees its table", () => {
  const priced = priceTlbi({
    op: "vmalls12e1is",
    operand: 0n,
    host: hostOf("64K"),
    ipaBits: 48,
    shadow: [{ first: 0, pages: 33, level: 3 }],
  });
  // Three levels: the level-2 table below the root, and the level-3 table.
  assert.deepEqual([priced.leavesDropped, priced.tlbi.IPAS2E1IS], [3, 2]);
});

test("an IPA size that the page size cannot have is refused", () => {
  const price = (ipaBits: number) => () =>
    priceTlbi({ op: "vmalls12e1is", operand: 0n, host: hostOf("4K"), ipaBits, shadow: 0 });
  assert.throws(price(53), /kvm-nested-7\.2: 53 IPA bits, expected 32 to 52/);
  assert.throws(price(40.5), /40\.5 IPA bits/);
});

test("above 48 bits a page keeps all of its IPA: no other page's leaf is taken for it", () => {
  for (const pages of ["4K", "16K", "64K"] as const) {
    const host = hostOf(pages);
    const size = 2 ** (kvmOf(host).granuleBits - 12);
    const far = 2 ** 40 - size; // the last page of 52 bits; its lower 48 bits are another page's
    const shadow = [
      { first: far, pages: 1, level: 3 },
      { first: far - 2 ** 36, pages: 1, level: 3 },
      { first: 0, pages: 1, level: 3 },
    ] as const;
    const drop = (page: number, ttl = 0) =>
      priceTlbi({ op: "ipas2e1is", operand: BigInt(addressOperand(page, ttl)), host, ipaBits: 52, shadow });
    for (const page of [far, far - 2 ** 36, 0]) assert.equal(drop(page).leavesDropped, 1, `${pages} ${page}`);
    assert.equal(drop(2 ** 36).leavesDropped, 0, "IPA 2^48 is not IPA 0");
    const all = priceTlbi({ op: "vmalls12e1is", operand: 0n, host, ipaBits: 52, shadow });
    assert.equal(all.leavesDropped, 3);
  }
});

test("which tables a 52-bit shadow frees: 16 KiB pages start at level 0, the others where 48 bits do", () => {
  const freed = (pages: "4K" | "16K" | "64K", ipaBits: number) =>
    priceTlbi({ op: "vmalls12e1is", operand: 0n, host: hostOf(pages), ipaBits, shadow: 1 }).tlbi.IPAS2E1IS;
  assert.deepEqual([freed("4K", 48), freed("4K", 52)], [3, 3], "levels 1 to 3 below level 0");
  assert.deepEqual([freed("16K", 48), freed("16K", 51), freed("16K", 52)], [2, 2, 3], "levels 2 and 3; then 1 too");
  assert.deepEqual([freed("64K", 48), freed("64K", 52)], [2, 2], "levels 2 and 3");
});

test("with FEAT_LPA2 a range that does not begin at 64 KiB is flushed page by page up to there", () => {
  const tlbi = (first: number, ipaBits: number, host = hostOf("4K")) =>
    priceTlbi({ op: "ripas2e1is", operand: BigInt(rangeOperand(first, 1, 0)), host, ipaBits, shadow: 0 }).tlbi;
  assert.deepEqual(tlbi(16, 48), { VMALLE1IS: 1, RIPAS2E1IS: 1 });
  assert.deepEqual(tlbi(16, 52), { VMALLE1IS: 1, RIPAS2E1IS: 1 });
  // 64 pages from page 3: 13 up to page 16, then 51, which are 50 and one.
  assert.deepEqual(tlbi(3, 48), { VMALLE1IS: 1, RIPAS2E1IS: 1 });
  assert.deepEqual(tlbi(3, 52), { VMALLE1IS: 1, IPAS2E1IS: 14, RIPAS2E1IS: 1 });
});
