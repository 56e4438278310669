/** The prices against measurements of others: xen-devel, 30 October to 8 December 2025, Xen under KVM on AWS Graviton4. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BUILT_IN, builtInHost } from "./builtin.fixture.js";
import { addAmounts, type Counts, PARTS } from "./counts.js";
import type { Host } from "./host.js";
import { price, ratioRange } from "./price.js";
import { countTlbi, priceTlbi } from "./single.js";

const host = builtInHost("kvm-nested-7.2");
const one = (op: string, ipaBits = 48, shadow = 601) => priceTlbi({ op, operand: 0n, host, ipaBits, shadow });

test("calibration: one VMALLS12E1IS at 48 bits takes from 1.464 to 9.495 s", () => {
  const { microseconds, microsecondsRange } = one("vmalls12e1is");
  assert.ok(Math.abs(microseconds / 1_464_441 - 1) < 0.01);
  assert.ok(Math.abs(microsecondsRange[1] / 9_495_486 - 1) < 0.01);
});

test("calibration: one EL1 TLBI takes from 10 to 27 us", () => {
  const { microseconds, microsecondsRange } = one("vmalle1");
  assert.ok(microseconds >= 10 && microseconds <= 27);
  assert.ok(microsecondsRange[0] <= 10 && microsecondsRange[1] >= 27);
});

test("48 bits against 40 bits is 256 times, within 2 %", () => {
  for (const shadow of [0, 2]) {
    const ratio = one("vmalls12e1is", 48, shadow).microseconds / one("vmalls12e1is", 40, shadow).microseconds;
    assert.ok(Math.abs(ratio / 256 - 1) < 0.02, `${ratio}`);
  }
});

test("7,458 VMALLS12E1IS at 48 bits take 180 to 200 minutes", () => {
  const minutes = (7458 * one("vmalls12e1is").microseconds) / 60e6;
  assert.ok(minutes > 180 && minutes < 200, `${minutes}`);
});

/** Counts with these steps, all in one part. */
const countsOf = (flush: Counts["parts"]["flush"]): Counts => ({
  tlbi: {},
  hardwareTlbi: {},
  hypercalls: {},
  noShadow: { ran: {}, notRun: {} },
  exits: 0,
  exitKinds: {},
  leavesDropped: 0,
  refaults: 0,
  firstFaults: 0,
  parts: { trap: {}, walk: {}, flush, refault: {} },
  rest: undefined,
});

test("VMALLS12E1IS against IPAS2E1IS: the range holds the measured 70,000", () => {
  const [full, single] = ["vmalls12e1is", "ipas2e1is"].map((op) =>
    countTlbi({ op, operand: 0n, host, ipaBits: 48, shadow: 601 }),
  );
  const { value, range } = ratioRange(full!, single!, host);
  assert.ok(range[0] < 70_000 && 70_000 < range[1], `${range}`);
  assert.ok(range[0] < value && value < range[1]);
});

const KEYS: readonly string[] = ["exit", "broadcast", "local", "handler", "chunk-step", "flush-call"];
const amounts = fc.record(Object.fromEntries(KEYS.map((key) => [key, fc.integer({ min: 0, max: 9 })])));
const ranged = builtInHost("kvm-nested-unmap-all");
/** The host with each price somewhere within its range. */
const within = (shares: readonly number[]): Host => ({
  ...ranged,
  prices: Object.fromEntries(
    Object.entries(ranged.prices).map(([key, price], i) => [
      key,
      { ...price, value: price.low + (price.high - price.low) * shares[i % shares.length]! },
    ]),
  ),
});

test("no prices within their ranges take a price, or a ratio of two, out of its range", () => {
  const share = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 7, maxLength: 7 });
  fc.assert(
    fc.property(amounts, amounts, share, (a, b, shares) => {
      const [above, below] = [countsOf(a), countsOf({ ...b, exit: 1 })];
      const some = within(shares);
      const { range } = ratioRange(above, below, ranged);
      const ratio = price(above, some).microseconds / price(below, some).microseconds;
      assert.ok(ratio >= range[0] * (1 - 1e-9) && ratio <= range[1] * (1 + 1e-9), `${ratio} in ${range}`);
      const { microsecondsRange } = price(above, ranged);
      const { microseconds } = price(above, some);
      assert.ok(microseconds >= microsecondsRange[0] - 1e-9 && microseconds <= microsecondsRange[1] + 1e-9);
    }),
    { numRuns: 200 },
  );
});

test("a ratio of counts to themselves is 1 at every corner", () => {
  const counts = countsOf({ exit: 3, broadcast: 5, handler: 3 });
  assert.deepEqual(ratioRange(counts, counts, host), { value: 1, range: [1, 1] });
});

test("the parts sum to the price, on every host", () => {
  for (const name of BUILT_IN) {
    const host = builtInHost(name);
    const { microseconds, parts } = price(countsOf({ broadcast: 7, local: 3 }), host);
    const sum = PARTS.reduce((total, part) => total + parts[part], 0);
    assert.equal(sum, microseconds);
    assert.equal(microseconds, 7 * host.prices.broadcast!.value + 3 * host.prices.local!.value);
  }
});

test("counts of another kind of host are refused", () => {
  assert.throws(() => price(countsOf({ exit: 1 }), builtInHost("bare-metal")), RangeError);
});

test("amounts add up key by key", () => {
  assert.deepEqual(addAmounts([{ exit: 1, local: 2 }, { exit: 3 }]), { exit: 4, local: 2 });
});
