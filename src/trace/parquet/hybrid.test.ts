import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Bytes, encodeBits, encodeHybrid, widthOf } from "./hybrid.js";
import { HybridReader } from "./hybrid-reader.js";

const identity = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);

test("indexes come back as they were, at every width, whether they run or vary, however few are read at a time", () => {
  const runs = fc.integer({ min: 1, max: 17 }).chain((width) =>
    fc.tuple(
      fc.constant(width),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 2 ** width - 1 }), fc.oneof(fc.constant(1), fc.nat(30))), {
        minLength: 1,
        maxLength: 60,
      }),
    ),
  );
  fc.assert(
    fc.property(runs, fc.integer({ min: 1, max: 40 }), ([width, list], step) => {
      const values = Uint32Array.from(list.flatMap(([value, times]) => new Array<number>(times).fill(value)));
      const out = new Bytes(1);
      encodeHybrid(values, values.length, width, out);
      const decoded = new Int32Array(values.length);
      const reader = new HybridReader();
      reader.start(out.view(), 0, out.length, width);
      for (let at = 0; at < values.length; at += step)
        reader.read(Math.min(step, values.length - at), 2 ** width, identity(2 ** width), 1, decoded, at);
      assert.deepEqual([...decoded], [...values]);
      const pairs = new Int32Array(2 * values.length);
      reader.start(out.view(), 0, out.length, width);
      for (let at = 0; at < values.length; at += step)
        reader.read(Math.min(step, values.length - at), 2 ** width, identity(2 ** (width + 1)), 2, pairs, at);
      assert.deepEqual(
        [...pairs],
        [...values].flatMap((value) => [2 * value, 2 * value + 1]),
      );
    }),
  );
});

test("bits come back as they were, and are counted, however few are read at a time", () => {
  const lists = fc.array(fc.tuple(fc.nat(1), fc.oneof(fc.constant(1), fc.nat(30))), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(lists, fc.integer({ min: 1, max: 40 }), fc.boolean(), (list, step, packed) => {
      const bits = list.flatMap(([bit, times]) => new Array<number>(times).fill(bit));
      const out = new Bytes(1);
      if (packed) encodeBits(Uint8Array.from(bits), bits.length, bits.filter((bit) => bit === 1).length, out);
      else encodeHybrid(Uint32Array.from(bits), bits.length, 1, out);
      const reader = new HybridReader();
      const decoded = new Int32Array(bits.length);
      reader.start(out.view(), 0, out.length, 1);
      for (let at = 0; at < bits.length; at += step) reader.bits(Math.min(step, bits.length - at), decoded, at);
      assert.deepEqual([...decoded], bits);
      reader.start(out.view(), 0, out.length, 1);
      for (let at = 0; at < bits.length; at += step) {
        const some = bits.slice(at, at + step);
        assert.equal(reader.ones(some.length), some.filter((bit) => bit === 1).length);
      }
    }),
  );
});

test("the example of parquet-format's Encodings.md packs 0 to 7 at 3 bits into 88 c6 fa", () => {
  const out = new Bytes(8);
  encodeHybrid(identity(8) as unknown as Uint32Array, 8, 3, out);
  assert.equal(Buffer.from(out.view()).toString("hex"), "0388c6fa");
});

test("too few bytes, an empty run and an index beyond the dictionary are refused", () => {
  const decode = (hex: string, n: number, entries: number): void => {
    const reader = new HybridReader();
    reader.start(Buffer.from(hex, "hex"), 0, hex.length / 2, 3);
    reader.read(n, entries, identity(entries), 1, new Int32Array(n), 0);
  };
  decode("0388c6fa", 8, 8);
  assert.throws(() => decode("0388c6", 8, 8), /end too early/);
  assert.throws(() => decode("0388c6fa", 9, 8), /end too early/);
  assert.throws(() => decode("0388c6fa", 8, 7), /beyond the dictionary/);
  assert.throws(() => decode("1007", 8, 7), /beyond the dictionary/);
  const level = new HybridReader();
  level.start(Uint8Array.of(16, 2), 0, 2, 1);
  assert.throws(() => level.ones(8), /beyond the dictionary/);
  assert.throws(() => decode("ffffffffff01", 8, 7), /end too early/);
  assert.throws(() => decode("0000", 8, 8), /run of no values/);
});

test("a dictionary of n entries needs the bits of n - 1, and never none", () => {
  assert.deepEqual([1, 2, 3, 256, 257, 65_536].map(widthOf), [1, 1, 2, 8, 9, 16]);
});

test("a run of another value than the one that is looked for is left to be read", () => {
  // Of rows that could be null none is: a run of 100 ones, of a width of 1.
  const levels = new HybridReader();
  levels.start(Uint8Array.of(((100 << 1) & 0x7f) | 0x80, (100 << 1) >> 7, 1), 0, 3, 1);
  assert.equal(levels.same(100, 1), -1);
  const out = new Int32Array(100);
  assert.equal(levels.bits(100, out, 0), 100);
  // So is an index beyond a dictionary, which is refused where it is read.
  const beyond = new HybridReader();
  beyond.start(Uint8Array.of(8 << 1, 5), 0, 2, 3);
  assert.equal(beyond.same(8, 5), -1);
  assert.throws(() => beyond.raw(8, 5, out), /beyond the dictionary/);
});
