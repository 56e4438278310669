import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  coverRange,
  explainTlbi,
  type Intent,
  lintOperand,
  parseRange,
  rangeOperand,
  TLBI_OPS,
  tlbiOp,
} from "./index.js";

/** Names of what is found; "?" before what only looks like it. */
const found = (name: string, xt: bigint, intent: Intent = {}): string[] =>
  lintOperand(tlbiOp(name), xt, intent).map((l) => (l.certain ? l.name : `?${l.name}`));
const meant = (text: string, more: Intent = {}): Intent => ({
  granuleBits: 12,
  ...more,
  range: parseRange(text, more.granuleBits),
});
const sentence = (name: string, xt: bigint, intent?: Intent): string =>
  lintOperand(tlbiOp(name), xt, intent)[0]!.sentence;
/** A kernel's VA, and its page in bits [43:0]. */
const KERNEL = 0xffff_8000_1000_0000n;
const KERNEL_PAGE = 0xff8_0001_0000n;

test("what a cover is made of has no finding, held against its own range, tables and ASID", () => {
  const tables: Intent[] = [
    { granuleBits: 12 },
    { granuleBits: 12, level: 2 },
    { granuleBits: 12, level: 3, lpa2: true },
    { granuleBits: 14 },
    { granuleBits: 16, level: 3 },
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...tables),
      fc.integer({ min: 0, max: 99 }),
      fc.nat(0xffff),
      fc.nat(2),
      (t, n, asid, kind) => {
        const start = (kind === 2 ? 0xffff_8000_0000_0000n : 0n) + 0x2000_0000n * BigInt(n);
        const range = { kind: kind === 0 ? ("ipa" as const) : ("va" as const), start, end: start + 0x40_0000n };
        const form = tlbiOp(kind === 0 ? "RIPAS2E1IS" : "RVAE1IS");
        for (const step of coverRange(form, range, t, kind === 0 ? undefined : asid))
          assert.deepEqual(
            lintOperand(step.op, step.xt, { ...t, range: step, el: 2, ...(kind > 0 && { asid }) }),
            [],
            `${step.op.name} ${step.xt.toString(16)}`,
          );
      },
    ),
  );
});

test("an address that was not shifted is found: for certain where the range is known, else by what it would name", () => {
  assert.deepEqual(found("IPAS2E1IS", 0x4000_0000n, meant("0x40000000+1")), ["unshifted-address"]);
  assert.deepEqual(found("IPAS2E1IS", 0x4000_0000n), ["?unshifted-address"]);
  assert.match(sentence("IPAS2E1IS", 0x4000_0000n), /holds 0x40000000, and so names 0x40000000000:/);
  assert.match(sentence("IPAS2E1IS", 0x4000_0000n, meant("0x40000000+1")), /shifted right by 12 it is 0x40000\.$/);
  // The upper half leaves 0xffff as the ASID, and its bits [47:44] as a TTL.
  for (const va of [KERNEL, 0xffff_8000_0000_1000n, 0xffff_ff80_4000_0000n])
    assert.ok(found("VAE1IS", va).includes("?unshifted-address"), va.toString(16));
  assert.ok(found("VAE1IS", KERNEL, meant("va:0xffff800010000000+1")).includes("unshifted-address"));
  assert.ok(found("VALE1IS", 0x5555_5555_5000n).includes("?unshifted-address"));
  // A range with the address as its base.
  const low = BigInt(rangeOperand(0x4000_0000, 0, 0));
  assert.deepEqual(found("RIPAS2E1IS", low), ["?unshifted-address"]);
  assert.deepEqual(found("RIPAS2E1IS", low, meant("0x40000000+2")), ["unshifted-address"]);
  // 2^44 is 0 in 40 bits: an operand of 0 is then no address that was not shifted.
  assert.deepEqual(found("IPAS2E1IS", 0n, meant("0x100000000000+1")), ["falls-short", "reaches-beyond"]);
  // What is right looks right, whatever its alignment.
  for (const page of [0n, 1n, 0x40000n, 0x40_0000n, 0xfff_f000n]) assert.deepEqual(found("IPAS2E1IS", page), []);
  assert.deepEqual(found("VAE1IS", (7n << 48n) | KERNEL_PAGE), []);
});

test("an address that was shifted and not masked is found in the ASID, TTL and range fields that it spoils", () => {
  const shifted = KERNEL >> 12n; // logical: 0x000ffff800010000
  const arithmetic = BigInt.asUintN(64, BigInt.asIntN(64, KERNEL) >> 12n);
  for (const xt of [shifted, arithmetic, shifted | (0x120n << 48n)]) {
    assert.ok(found("VAE1IS", xt).includes("?unmasked-address"), xt.toString(16));
    const certain = found("VAE1IS", xt, meant("va:0xffff800010000000+1", { asid: 0x120 }));
    assert.ok(certain.includes("unmasked-address"), xt.toString(16));
  }
  // In a range TG, SCALE, NUM and TTL are all 1 then.
  assert.ok(found("RVAE1IS", shifted).includes("?unmasked-address"));
  assert.ok(found("RVAE1IS", shifted, meant("va:0xffff800010000000+2")).includes("unmasked-address"));
  // An ASID that is meant is none, with the right TTL.
  const right = (0x1fn << 48n) | (0xfn << 44n) | KERNEL_PAGE;
  assert.deepEqual(
    found("VAE1IS", right, meant("va:0xffff800010000000+1", { granuleBits: 16, level: 3, asid: 0x1f })),
    [],
  );
});

test("NUM = -1 is found: unmasked in the bits above it, masked as 31 at a SCALE that is too large", () => {
  const unmasked = BigInt.asUintN(64, -1n << 39n) | 0x40000n;
  assert.ok(found("RVAE1IS", unmasked).includes("?num-minus-one"));
  assert.ok(found("RVAE1IS", unmasked, meant("va:0x40000000+1")).includes("num-minus-one"));
  // __TLBI_RANGE_NUM(32 pages, SCALE 1) is -1; 31 in the field, it names 2,048 pages.
  const masked = BigInt(rangeOperand(0x40000, 1, 31));
  assert.deepEqual(found("RIPAS2E1IS", masked, meant("0x40000000+32")), ["num-minus-one"]);
  assert.deepEqual(found("RIPAS2E1IS", masked, meant("0x40000000+2048")), []);
  assert.deepEqual(found("RIPAS2E1IS", masked), [], "NUM = 31 is a value like others");
});

test("an odd page that is left over is told from a range that is otherwise too short or too long", () => {
  const pages = (num: number): bigint => BigInt(rangeOperand(0x40000, 0, num));
  assert.deepEqual(found("RIPAS2E1IS", pages(1), meant("0x40000000+5")), ["odd-page"]);
  assert.deepEqual(found("RIPAS2E1IS", pages(1), meant("0x40000000+6")), ["falls-short"]);
  assert.deepEqual(found("RIPAS2E1IS", pages(1), meant("0x40000000+3")), ["reaches-beyond"]);
  assert.deepEqual(found("RIPAS2E1IS", pages(1), meant("0x40001000+4")), ["falls-short", "reaches-beyond"]);
  assert.deepEqual(found("IPAS2E1IS", 0x40000n, meant("0x40000000+2")), ["falls-short"]);
  // Where leaves are 2 MiB, one that is touched goes whole.
  assert.deepEqual(found("IPAS2E1IS", 0x40000n, meant("0x40000000+512", { level: 2 })), []);
  assert.deepEqual(found("IPAS2E1IS", 0x40000n, meant("0x40000000+1024", { level: 2 })), ["falls-short"]);
});

test("a TTL or TG of another granule or level than the tables' is found", () => {
  const hint = (ttl: bigint): bigint => (ttl << 44n) | 0x40000n;
  assert.deepEqual(found("IPAS2E1IS", hint(0b1011n), { granuleBits: 12 }), ["ttl-granule"]);
  assert.deepEqual(found("IPAS2E1IS", hint(0b0110n), { granuleBits: 12, level: 3 }), ["ttl-level"]);
  assert.deepEqual(found("IPAS2E1IS", hint(0b0111n), { granuleBits: 12, level: 3 }), []);
  assert.deepEqual(found("IPAS2E1IS", hint(0b0011n)), ["ttl-reserved"]);
  assert.deepEqual(found("IPAS2E1IS", hint(0b1100n)), ["ttl-reserved"]);
  assert.deepEqual(found("IPAS2E1IS", hint(0b0100n)), ["ttl-needs-lpa2"]);
  assert.deepEqual(found("IPAS2E1IS", hint(0b0100n), { lpa2: true }), []);
  const range = (granuleBits: 12 | 14 | 16, ttl: number): bigint =>
    BigInt(rangeOperand(0x40000, 1, 7, granuleBits, ttl));
  assert.deepEqual(found("RIPAS2E1IS", range(16, 0), { granuleBits: 12 }), ["tg-granule"]);
  assert.deepEqual(found("RIPAS2E1IS", range(12, 2), { granuleBits: 12, level: 3 }), ["ttl-level"]);
  assert.deepEqual(found("RIPAS2E1IS", 0x40000n), ["tg-reserved"]);
});

test("a base that is not aligned to the level of its TTL is found, in the manual's list of bits for each granule", () => {
  // C5.5: BaseADDR[20:12] and [29:12] with 4 KiB, [24:14] with 16 KiB, [28:16] and [41:16] with 64 KiB must be 0.
  const lists = [
    [12, 2, 9],
    [12, 1, 18],
    [14, 2, 11],
    [16, 2, 13],
    [16, 1, 26],
  ] as const;
  for (const [granuleBits, ttl, zeros] of lists) {
    const at = (base: number): string[] => found("RIPAS2E1IS", BigInt(rangeOperand(base, 1, 7, granuleBits, ttl)));
    assert.deepEqual(at(2 ** zeros), [], `${granuleBits} ${ttl}`);
    for (const bit of [0, zeros - 1]) assert.deepEqual(at(2 ** zeros + 2 ** bit), ["misaligned-base"]);
  }
  assert.deepEqual(found("RIPAS2E1IS", BigInt(rangeOperand(2 ** 5, 1, 7, 12, 2)), { lpa2: true }), [], "32 * 64 KiB");
  assert.deepEqual(found("RIPAS2E1IS", BigInt(rangeOperand(2 ** 4, 1, 7, 12, 2)), { lpa2: true }), ["misaligned-base"]);
  // Level 1 of 16 KiB is no hint without FEAT_LPA2, and asks for nothing then; with it, [35:16] of the base must be 0.
  const level1 = BigInt(rangeOperand(1, 1, 7, 14, 1));
  assert.deepEqual(found("RIPAS2E1IS", level1), ["ttl-needs-lpa2"]);
  assert.deepEqual(found("RIPAS2E1IS", level1, { lpa2: true }), ["misaligned-base"]);
  assert.deepEqual(found("RIPAS2E1IS", BigInt(rangeOperand(2 ** 20, 1, 7, 14, 1)), { lpa2: true }), []);
});

test("any 64 bits are judged for any purpose, each finding once and in a sentence", () => {
  const maybe = <T>(...values: T[]): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, ...values);
  const purposes = fc.record({
    ...{ granuleBits: maybe<12 | 14 | 16>(12, 14, 16), level: maybe(0, 1, 2, 3), lpa2: maybe(true), asid: maybe(0, 5) },
    ...{
      el: maybe<1 | 2>(1, 2),
      range: maybe("0x40000000+5", "va:0xffff800000000000+512").map((t) => t && parseRange(t)),
    },
  });
  const known = (all: object): Intent =>
    Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Intent;
  const xts = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  fc.assert(
    fc.property(fc.constantFrom(...TLBI_OPS), xts, purposes, (op, xt, purpose) => {
      const lint = lintOperand(op, xt, known(purpose));
      const sentences = lint.map((l) => l.sentence);
      assert.equal(new Set(sentences).size, sentences.length);
      for (const text of sentences) assert.match(text, /^[A-Z].*[.)]$/);
    }),
    { numRuns: 500 },
  );
});

test("RES0 bits below a page of a larger granule are found where the granule is known", () => {
  assert.deepEqual(found("IPAS2E1IS", 0x40001n, { granuleBits: 16 }), ["res0"]);
  assert.deepEqual(found("IPAS2E1IS", 0x40004n, { granuleBits: 14 }), []);
  assert.deepEqual(found("IPAS2E1IS", 0x40001n), []);
});

test("EL1 may maintain its own regime only: all others of the table are found, with or without an operand", () => {
  for (const op of TLBI_OPS) {
    const names = explainTlbi(op, op.operand === "none" ? 31 : 0, undefined, { el: 1 }).lint.map((l) => l.name);
    const own = /^R?(VA|ASID|VMALLE1)/.test(op.name) && op.regime === "EL1&0";
    assert.deepEqual(names, own ? [] : ["el-may-not"], op.name);
    assert.deepEqual(lintOperand(op, undefined, { el: 2 }), [], op.name);
  }
});

test("an ASID that was not meant is found, and each finding has its section", () => {
  const lint = lintOperand(tlbiOp("VAE1IS"), 5n << 48n, { asid: 6 });
  assert.deepEqual(lint, [
    {
      name: "asid-differs",
      certain: true,
      sentence: "The operand says ASID 5, and ASID 6 was meant.",
      section: "C5.5, TLBI VAE1IS: ASID",
    },
  ]);
});
