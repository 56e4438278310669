import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInText } from "../builtin.fixture.js";
import { type Host, parseHost } from "../prices.js";
import { priceTlbi } from "../single.js";

const hostOf = (pages: "4K" | "16K" | "64K"): Host =>
  parseHost(
    builtInText("kvm-nested-7.2")
      .replace('page-size = "4K"', `page-size = "${pages}"`)
      .replace('backing = "4K"', `backing = "${pages}"`),
    "test.toml",
  );

const CHUNKS = {
  "4K": { 36: 64, 40: 1_024, 42: 4_096, 44: 16_384, 48: 262_144 },
  "16K": { 36: 2_048, 40: 32_768, 42: 131_072, 44: 524_288, 48: 8_388_608 },
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
  assert.throws(price(52), /kvm-nested-7\.2: 52 IPA bits, expected 32 to 48/);
  assert.throws(price(40.5), /40\.5 IPA bits/);
});
