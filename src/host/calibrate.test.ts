import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { builtInHost } from "./builtin.fixture.js";
import { calibratedHost, estimate, timePriors } from "./calibrate.js";
import { parseHost } from "./host-file.js";

const base = builtInHost("kvm-nested-7.2");

test("as many exact measurements as prices give the prices back, whatever they are", () => {
  const price = fc.double({ min: 0.1, max: 50, noNaN: true });
  fc.assert(
    fc.property(price, price, (a, b) => {
      const priors = [
        { key: "a", value: 5, sigma: 500 },
        { key: "b", value: 1, sigma: 500 },
      ];
      const observed = [
        { what: "one", steps: { a: 3, b: 1 }, value: 3 * a + b, sigma: 1e-4 },
        { what: "other", steps: { a: 1, b: 7 }, value: a + 7 * b, sigma: 1e-4 },
      ];
      const [first, second] = estimate(priors, observed);
      assert.ok(Math.abs(first!.value - a) < 1e-3 && Math.abs(second!.value - b) < 1e-3);
      assert.deepEqual([first!.determined, second!.determined], ["well", "well"]);
    }),
  );
});

test("a price that no measurement speaks of keeps the file's value, is not determined, and stays out of the file", () => {
  const estimates = estimate(timePriors(base), [{ what: "x", steps: { broadcast: 32_768 }, value: 480e3, sigma: 1e3 }]);
  const of = (key: string) => estimates.find((one) => one.key === key)!;
  assert.equal(of("broadcast").determined, "well");
  assert.ok(Math.abs(of("broadcast").value - 480e3 / 32_768) < 0.1);
  assert.deepEqual([of("local").determined, of("local").value], ["not", base.prices.local!.value]);
  const toml = calibratedHost(base, "mine", estimates, { called: base.name, source: "a test", unit: "time", on: "x" });
  const host = parseHost(toml, "mine.toml", () => base);
  assert.equal(host.prices.local, base.prices.local);
  assert.ok(Math.abs(host.prices.broadcast!.value - 14.648) < 0.1);
  assert.ok(host.prices.broadcast!.low <= 14.648 && host.prices.broadcast!.high >= 14.648);
});
