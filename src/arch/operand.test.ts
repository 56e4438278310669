import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bigintOf } from "./address.js";
import {
  decodeOperand,
  encodeOperand,
  type GranuleBits,
  halvesOf,
  largestRange,
  low48,
  type OperandFields,
  type OperandKind,
  operandHalves,
  rangeOperand,
  singleFormOf,
  TLBI_OPS,
  ttlOf,
} from "./index.js";

const upTo = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
const fieldsOf = {
  none: fc.constant({ kind: "none" as const }),
  asid: fc.record({ kind: fc.constant("asid" as const), asid: upTo(16) }),
  va: fc.record({ kind: fc.constant("va" as const), asid: upTo(16), page: upTo(44), ttl: upTo(4) }),
  ipa: fc.record({ kind: fc.constant("ipa" as const), page: upTo(40), ttl: upTo(4) }),
  "va-range": rangeFields("va-range", upTo(16)),
  "ipa-range": rangeFields("ipa-range", fc.constant(0)),
};

function rangeFields(kind: "va-range" | "ipa-range", asid: fc.Arbitrary<number>) {
  return fc
    .record({
      kind: fc.constant(kind),
      asid,
      granuleBits: fc.constantFrom<GranuleBits>(12, 14, 16),
      scale: upTo(2),
      num: upTo(5),
      ttl: upTo(2),
      base: upTo(37),
    })
    .map((f) => ({ ...f, granules: (f.num + 1) * 2 ** (5 * f.scale + 1) }));
}

const decode = (kind: OperandKind, value: bigint): OperandFields => {
  const { lo, hi } = halvesOf(value);
  return decodeOperand(kind, lo, hi);
};

test("an operand of every kind decodes to the fields that it was made from", () => {
  for (const [kind, fields] of Object.entries(fieldsOf))
    fc.assert(fc.property(fields, (f) => assert.deepEqual(decode(kind as OperandKind, encodeOperand(f)), { ...f })));
});

test("any 64 bits decode, and encoding the fields again loses only RES0 bits", () => {
  // Bits that have a meaning, per kind (DDI 0487, C5.5); a range with TG = 0 cannot be encoded.
  const meant: [OperandKind, bigint][] = [
    ["none", 0n],
    ["asid", 0xffff_0000_0000_0000n],
    ["va", 0xffff_ffff_ffff_ffffn],
    ["ipa", 0x0000_f0ff_ffff_ffffn],
    ["va-range", 0xffff_ffff_ffff_ffffn],
    ["ipa-range", 0x0000_ffff_ffff_ffffn],
  ];
  for (const [kind, mask] of meant)
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (value) => {
        const fields = decode(kind, value);
        if ("granules" in fields && fields.granuleBits === undefined) {
          assert.equal((value >> 46n) & 3n, 0n);
          assert.throws(() => encodeOperand(fields), /needs a granule/);
        } else assert.equal(encodeOperand(fields), value & mask);
      }),
    );
});

test("fields stand at the manual's bit positions", () => {
  assert.equal(encodeOperand({ kind: "asid", asid: 0x1234 }), 0x1234n << 48n);
  assert.equal(
    encodeOperand({ kind: "va", asid: 7, page: 0x89abc, ttl: ttlOf(3) }),
    (7n << 48n) | (0b0111n << 44n) | 0x89abcn,
  );
  assert.equal(encodeOperand({ kind: "ipa", page: 0x40000, ttl: ttlOf(2) }), (0b0110n << 44n) | 0x40000n);
  for (const [granuleBits, tg] of [
    [12, 1n],
    [14, 2n],
    [16, 3n],
  ] as const)
    assert.equal(
      encodeOperand({
        kind: "va-range",
        asid: 9,
        granuleBits,
        scale: 2,
        num: 21,
        ttl: 1,
        base: 0x12345,
        granules: 22 * 2 ** 11,
      }),
      (9n << 48n) | (tg << 46n) | (2n << 44n) | (21n << 39n) | (1n << 37n) | 0x12345n,
    );
});

test("halves of an operand hold its low 48 bits and the ASID", () => {
  fc.assert(
    fc.property(upTo(48), upTo(16), (low, asid) => {
      const { lo, hi } = operandHalves(low, asid);
      assert.equal(bigintOf(lo, hi), (BigInt(asid) << 48n) | BigInt(low));
      assert.equal(low48(lo, hi), low);
    }),
  );
});

test("SCALE and NUM cover 2 to 2^21 granules: 8 KiB to 8 GiB with 4 KiB", () => {
  const sizes: number[] = [];
  for (let scale = 0; scale < 4; scale++)
    for (let num = 0; num < 32; num++) {
      const fields = decode("ipa-range", BigInt(rangeOperand(0x123, scale, num)));
      assert.ok(fields.kind === "ipa-range");
      sizes.push(fields.granules);
      assert.deepEqual([fields.scale, fields.num, fields.granules], [scale, num, (num + 1) * 2 ** (5 * scale + 1)]);
    }
  assert.equal(Math.min(...sizes), 2);
  assert.equal(Math.max(...sizes), 2 ** 21);
});

test("the largest encodable range is the largest of all 128 that fit", () => {
  const sizes = [0, 1, 2, 3].flatMap((scale) =>
    Array.from({ length: 32 }, (_, num) => (num + 1) * 2 ** (5 * scale + 1)),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.integer({ min: 2, max: 300 }),
        upTo(22).filter((n) => n > 1),
      ),
      (granules) => {
        const range = largestRange(granules)!;
        assert.equal(range.granules, Math.max(...sizes.filter((size) => size <= granules)));
        assert.equal((range.num + 1) * 2 ** (5 * range.scale + 1), range.granules);
      },
    ),
  );
  assert.equal(largestRange(1), undefined);
  assert.equal(largestRange(0), undefined);
});

test("the ranges of Linux's unmap come out: 1 GiB is SCALE 3 NUM 3, 2 MiB is SCALE 1 NUM 7", () => {
  assert.deepEqual(largestRange(2 ** 18), { scale: 3, num: 3, granules: 2 ** 18 });
  assert.deepEqual(largestRange(512), { scale: 1, num: 7, granules: 512 });
});

test("every range TLBI has the single form of the same reach, and no other TLBI has one", () => {
  for (const op of TLBI_OPS) {
    const single = TLBI_OPS[singleFormOf(op)];
    assert.equal(single?.name, op.name.startsWith("R") ? op.name.slice(1) : undefined, op.name);
    if (single) assert.deepEqual([single.reach, single.nXS, single.lastLevel], [op.reach, op.nXS, op.lastLevel]);
  }
});
