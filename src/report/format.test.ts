import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { count, duration, durationRange, list, quantityIn, quantityRange, tally } from "./format.js";

test("a duration is given in the unit that a human would use, to three digits", () => {
  const cases: readonly [number, string][] = [
    [0, "0"],
    [0.25, "250 ns"],
    [21, "21 us"],
    [5664, "5.66 ms"],
    [42_700_000, "42.7 s"],
    [1_464_441, "1.46 s"],
    [7458 * 1_464_441, "182 min"],
    [7458 * 9_495_486, "19.7 h"],
    [222_815 * 1_464_441, "90.6 h"],
    [222_815 * 9_495_486, "24.5 d"],
  ];
  for (const [microseconds, text] of cases) assert.equal(duration(microseconds), text);
});

test("a duration that rounds up to the next unit is given in that unit", () => {
  assert.equal(duration(999.7), "1 ms");
  assert.equal(duration(999_999), "1 s");
});

test("a duration, read back, is the price to half a percent", () => {
  const scale: Record<string, number> = { ns: 1e-3, us: 1, ms: 1e3, s: 1e6, min: 60e6, h: 3600e6, d: 86_400e6 };
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e13, noNaN: true }), (microseconds) => {
      const [number, unit] = duration(microseconds).split(" ");
      const back = Number(number!.replaceAll(",", "")) * scale[unit!]!;
      assert.ok(Math.abs(back / microseconds - 1) <= 0.005001, `${microseconds} as ${number} ${unit}`);
    }),
  );
});

test("a range names a shared unit once and equal ends once", () => {
  assert.equal(durationRange(10, 27), "10 .. 27 us");
  assert.equal(durationRange(182 * 60e6, 19.7 * 3600e6), "182 min .. 19.7 h");
  assert.equal(durationRange(0, 27), "0 .. 27 us");
  assert.equal(durationRange(21, 21), "21 us");
  assert.equal(durationRange(10, 27, "–"), "10–27 us");
});

test("every digit of a count is kept, in groups of three", () => {
  assert.equal(count(7), "7");
  assert.equal(count(7458), "7,458");
  assert.equal(count(1_955_069_952), "1,955,069,952");
  assert.equal(count(1.0456), "1.05");
});

test("quantities in units of time are durations, others keep their unit", () => {
  assert.equal(quantityIn(182.2, undefined, "min"), "182 min");
  assert.equal(quantityIn(7458, undefined, "calls"), "7,458 calls");
  assert.equal(quantityIn(7458, undefined, ""), "7,458");
  assert.equal(quantityRange(1_464_441, 9_495_486, "us"), "1.46 .. 9.5 s");
  assert.equal(quantityRange(40_000, 180_000, "times"), "40,000 .. 180,000 times");
  assert.equal(quantityRange(256, 256, "times"), "256 times");
});

test("a range stands in brackets behind the value, and not at all where there is none", () => {
  assert.equal(quantityIn(182.2, [178, 1182], "min"), "182 min (178 min .. 19.7 h)");
  assert.equal(quantityIn(71_200, [40_100, 180_000], "times", "–"), "71,200 (40,100–180,000) times");
  assert.equal(quantityIn(7458, undefined, "calls"), "7,458 calls");
  assert.equal(quantityIn(7458, [7458, 7458], "calls"), "7,458 calls");
});

test("a tally begins with the most frequent and leaves out what never happened", () => {
  assert.equal(tally({ ALLE1IS: 20, VMALLE1: 0, VMALLS12E1IS: 7458 }), "VMALLS12E1IS 7,458, ALLE1IS 20");
  assert.equal(tally({ B: 1, A: 1 }), "A 1, B 1");
  assert.equal(tally({ VMALLE1: 0 }), "none");
});

test("a list reads as in a sentence", () => {
  assert.equal(list([]), "");
  assert.equal(list(["a"]), "a");
  assert.equal(list(["a", "b", "c"]), "a, b and c");
});
