import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type CoverStep,
  coverRange,
  decodeTlbi,
  encodeTlbi,
  type GranuleBits,
  operandRange,
  parseRange,
  tlbiOp,
  usualForm,
  type Wanted,
} from "./index.js";
import type { Tables } from "./operand-range.js";

/** The bits of Xt. */
const bits = (xt: bigint, high: number, low: number): bigint => BigInt.asUintN(high - low + 1, xt >> BigInt(low));

/** log2 of a leaf's size by granule and level, from the manual's tables (D8.2); without a level, the page. */
const LEAF: Record<GranuleBits, Record<number, number>> = {
  12: { 0: 39, 1: 30, 2: 21, 3: 12 },
  14: { 1: 36, 2: 25, 3: 14 },
  16: { 1: 42, 2: 29, 3: 16 },
};
const leafBits = ({ granuleBits = 12, level }: Tables): number =>
  level === undefined ? granuleBits : LEAF[granuleBits][level]!;

/** What C5.5 says that an operand names, read from its bits anew: the size from the fields, the start modulo 2^bits of its base. */
function readAnew({ op, xt }: CoverStep, tables: Tables): { size: bigint; start: bigint; bits: number } {
  const { granuleBits = 12, lpa2 } = tables;
  if (!op.operand.endsWith("-range"))
    return {
      size: 1n << BigInt(leafBits(tables)),
      start: bits(xt, op.operand === "va" ? 43 : 39, 0) << 12n,
      bits: op.operand === "va" ? 56 : 52,
    };
  const unit = BigInt(lpa2 ? 16 : granuleBits);
  assert.equal(bits(xt, 47, 46), { 12: 1n, 14: 2n, 16: 3n }[granuleBits], "TG");
  const size = (bits(xt, 43, 39) + 1n) << (5n * bits(xt, 45, 44) + 1n + BigInt(granuleBits));
  return { size, start: bits(xt, 36, 0) << unit, bits: 37 + Number(unit) };
}

/** Tables, each with the levels that it has leaves at; no level is no hint. */
const SHAPES: readonly Tables[] = [
  ...[undefined, 1, 2, 3].map((level) => ({ granuleBits: 12 as const, level })),
  ...[undefined, 0, 1, 2, 3].map((level) => ({ granuleBits: 12 as const, level, lpa2: true })),
  ...[undefined, 2, 3].map((level) => ({ granuleBits: 14 as const, level })),
  ...[undefined, 1, 2, 3].map((level) => ({ granuleBits: 14 as const, level, lpa2: true })),
  ...[undefined, 1, 2, 3].map((level) => ({ granuleBits: 16 as const, level })),
].map(({ level, ...rest }) => (level === undefined ? rest : { ...rest, level }));

const FORMS = ["IPAS2E1", "IPAS2LE1", "VAE1", "VAAE1", "VALE1", "VAALE1", "VAE2", "VALE2"];

/** A form, tables, and a range of 1 to 5,000 leaves or many, within what the tables' addresses and the form's half allow. */
const plans = fc
  .record({
    base: fc.constantFrom(...FORMS),
    reach: fc.constantFrom("", "IS", "OS"),
    tables: fc.constantFrom(...SHAPES),
    first: fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }),
    leaves: fc.oneof(
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 2 ** 23 }),
    ),
    upper: fc.boolean(),
    asid: fc.integer({ min: 0, max: 0xffff }),
  })
  .map(({ base, reach, tables, first, leaves, upper, asid }) => {
    const wide = tables.lpa2 || tables.granuleBits === 16;
    const shift = BigInt(leafBits(tables));
    const all = 1n << ((wide ? 52n : 48n) - shift);
    // At most 32 GiB, or 70 leaves: beyond, a cover is but more of the same.
    const most = [all, shift < 35n ? 1n << (35n - shift) : 1n].map((n, i) => (i === 1 && n < 70n ? 70n : n));
    const count = [BigInt(leaves), ...most].reduce((a, b) => (a < b ? a : b));
    const at = first % (all - count + 1n);
    const kind: Wanted["kind"] = base.startsWith("IPA") ? "ipa" : "va";
    const offset = kind === "va" && upper ? (1n << 64n) - (all << shift) : 0n;
    const op = tlbiOp(`R${base}${reach}`);
    const start = offset + (at << shift);
    return {
      ...{ op, tables, range: { kind, start, end: start + (count << shift) } },
      asid: kind === "va" && op.matchesAsid !== "any" ? asid : undefined,
    };
  });

test("the union of what a cover's TLBIs name is the range, each byte once: in every form, granule, level and half", () => {
  fc.assert(
    fc.property(plans, ({ op, tables, range, asid }) => {
      let at = range.start;
      for (const step of coverRange(op, range, tables, asid)) {
        const read = readAnew(step, tables);
        assert.equal(read.start, BigInt.asUintN(read.bits, at));
        at += read.size;
        assert.equal(step.end, at);
      }
      assert.equal(at, range.end);
    }),
    { numRuns: 400 },
  );
});

test("a TLBI of a cover, read back from its word and Xt, names the bytes that it was made for, with its ASID and hint", () => {
  fc.assert(
    fc.property(plans, ({ op, tables, range, asid }) => {
      for (const step of coverRange(op, range, tables, asid).slice(0, 40)) {
        const { op: read } = decodeTlbi(encodeTlbi(step.op, 0))!;
        assert.equal(read, step.op);
        assert.deepEqual(operandRange(read, step.xt, tables), { start: step.start, end: step.end });
        assert.equal(bits(step.xt, 63, 48), BigInt(asid ?? 0));
        const { granuleBits = 12, level } = tables;
        const tg = BigInt({ 12: 1, 14: 2, 16: 3 }[granuleBits]);
        if (read.operand.endsWith("-range")) assert.equal(bits(step.xt, 38, 37), BigInt(level ?? 0));
        else assert.equal(bits(step.xt, 47, 44), level === undefined ? 0n : (tg << 2n) | BigInt(level));
      }
    }),
    { numRuns: 200 },
  );
});

test("with a TTL every base is aligned to its level, else the range would be UNPREDICTABLE; with FEAT_LPA2 to 64 KiB", () => {
  fc.assert(
    fc.property(plans, ({ op, tables, range, asid }) => {
      for (const step of coverRange(op, range, tables, asid)) {
        assert.equal(step.start % (1n << BigInt(leafBits(tables))), 0n);
        if (tables.lpa2 && step.op === op) assert.equal(step.start % 0x10000n, 0n);
      }
    }),
    { numRuns: 200 },
  );
});

test("a cover has at most four ranges and the one page left over, below 2^21 pages of 4 KiB", () => {
  const op = tlbiOp("RIPAS2E1IS");
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 36 - 2 ** 21 }),
      fc.integer({ min: 1, max: 2 ** 21 }),
      (first, pages) => {
        const start = BigInt(first) << 12n;
        const steps = coverRange(op, { kind: "ipa", start, end: start + (BigInt(pages) << 12n) });
        assert.ok(steps.length <= 5);
        assert.equal(steps.filter((s) => s.op.name === "IPAS2E1IS").length, pages % 2);
      },
    ),
  );
});

const listed = (text: string, form?: string, tables: Tables = {}, asid?: number): string[] => {
  const range = parseRange(text, tables.granuleBits);
  return coverRange(tlbiOp(form ?? usualForm(range.kind, asid)), range, tables, asid).map(
    ({ op, xt }) => `${op.name} 0x${xt.toString(16)}`,
  );
};

test("one page is the single form, two pages one range, 8 GiB one range: operands put together by the manual's fields", () => {
  assert.deepEqual(listed("0x40000000+1"), ["IPAS2E1IS 0x40000"]);
  // TG = 1 in [47:46]; SCALE, NUM and TTL 0.
  assert.deepEqual(listed("0x40001000+2"), ["RIPAS2E1IS 0x400000040001"]);
  // SCALE 3 in [45:44], NUM 31 in [43:39].
  assert.deepEqual(listed("0+2097152"), ["RIPAS2E1IS 0x7f8000000000"]);
  // 513 pages are Linux's SCALE 1, NUM 7, and the odd page: __flush_tlb_range_op.
  assert.deepEqual(listed("0x40000000+513"), ["RIPAS2E1IS 0x538000040000", "IPAS2E1IS 0x40200"]);
});

test("the form, its reach and its last level are those asked for, and the odd page's are the same", () => {
  assert.deepEqual(listed("va:0xffff800010000000+3", "rvale1os", {}, 5), [
    // ASID 5; VA[48:12] of the upper half.
    `RVALE1OS 0x${((5n << 48n) | (1n << 46n) | 0x1800010000n).toString(16)}`,
    `VALE1OS 0x${((5n << 48n) | 0xff800010002n).toString(16)}`,
  ]);
  assert.deepEqual(listed("0x40000000+3", "ripas2le1"), ["RIPAS2LE1 0x400000040000", "IPAS2LE1 0x40002"]);
  assert.deepEqual(listed("va:0x1000+2"), ["RVAAE1IS 0x400000000001"]);
});

test("a single form is repeated for each page; with a level, for each leaf", () => {
  assert.deepEqual(listed("0x40000000+3", "ipas2e1is"), [
    "IPAS2E1IS 0x40000",
    "IPAS2E1IS 0x40001",
    "IPAS2E1IS 0x40002",
  ]);
  assert.deepEqual(listed("0x40000000+1024", "ipas2e1is", { level: 2 }), [
    "IPAS2E1IS 0x600000040000",
    "IPAS2E1IS 0x600000040200",
  ]);
});

test("with FEAT_LPA2 pages before the first 64 KiB go one by one, as in Linux's __flush_tlb_range_op", () => {
  assert.deepEqual(listed("0x4000e000+19", undefined, { lpa2: true }), [
    "IPAS2E1IS 0x4000e",
    "IPAS2E1IS 0x4000f",
    // BaseADDR counts 64 KiB: 0x40010000 >> 16. 16 pages are NUM 7.
    `RIPAS2E1IS 0x${((1n << 46n) | (7n << 39n) | 0x4001n).toString(16)}`,
    "IPAS2E1IS 0x40020",
  ]);
  assert.deepEqual(listed("0xfffffffff0000+2", undefined, { lpa2: true }), [
    `RIPAS2E1IS 0x${((1n << 46n) | 0xfffffffffn).toString(16)}`,
  ]);
});

test("what operands cannot say is refused in a sentence", () => {
  const refused = (text: string, message: RegExp, tables: Tables = {}, form?: string, asid?: number): void =>
    assert.throws(() => listed(text, form, tables, asid), { name: "RangeError", message });
  refused("0x40000000", /expected IPA\+PAGES/);
  refused("0x40000000+0", /at least one page/);
  refused("0x40000800+1", /begins at 0x40000800, .* page of 4 KiB$/);
  refused("0x40001000+512", /begins at 0x40001000, .* leaf at level 2 of 2 MiB$/, { level: 2 });
  refused("0x40000000+513", /ends at 0x40201000, .* leaf at level 2 of 2 MiB$/, { level: 2 });
  refused("0x40000000+1", /no leaf at level 0 without FEAT_LPA2$/, { level: 0 });
  refused("0x40000000+1", /the 64 KiB granule has no leaf at level 0$/, { level: 0, granuleBits: 16 });
  refused("0x40000000+1", /FEAT_LPA2 are of the 4 and 16 KiB/, { lpa2: true, granuleBits: 16 });
  refused("0x1000000000000+1", /at most 48 bits \(52 with FEAT_LPA2\)$/);
  refused("0x10000000000000+1", /at most 52 bits$/, { lpa2: true });
  refused("va:0x1000000000000+1", /not all of the lower or the upper half of 48 bits/);
  refused("va:0xfffffffff000+2", /not all of the lower/);
  refused("va:0xfffffffffffff000+2", /not all of the lower/);
  refused("0x40000000+1", /RVAE1IS takes no IPA/, {}, "rvae1is", 1);
  refused("0x40000000+1", /VMALLE1IS takes no IPA/, {}, "vmalle1is");
  refused("va:0x40000000+1", /RVAE1IS needs an ASID/, {}, "rvae1is");
  refused("va:0x40000000+1", /RVAAE1IS takes no ASID/, {}, "rvaae1is", 3);
  refused("0x40000000+65537", /more than 65,536 TLBIs/, {}, "ipas2e1is");
});
