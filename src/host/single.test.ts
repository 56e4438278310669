import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../input/index.js";
import { builtInHost } from "./builtin.fixture.js";
import { priceTlbi } from "./single.js";

const nested = builtInHost("kvm-nested-7.2");
type SingleTlbi = Parameters<typeof priceTlbi>[0];
const priced = (single: Partial<SingleTlbi>) =>
  priceTlbi({ op: "vmalls12e1is", operand: 0n, host: nested, ipaBits: 40, shadow: 0, ...single });

test("a shadow described by a number has that many leaves, the last one apart", () => {
  for (const leaves of [0, 1, 2, 601, 2 ** 18, 2 ** 18 + 5])
    assert.equal(priced({ shadow: leaves }).leavesDropped, leaves);
  const two = [0, 0x3ffff].map((first) => ({ first, pages: 1, level: 3 as const }));
  assert.deepEqual(priced({ shadow: 2 }), priced({ shadow: two }));
});

test("touched pages that overlap are mapped once", () => {
  const shadow = [
    { first: 0, pages: 10, level: 3 },
    { first: 5, pages: 10, level: 3 },
  ] as const;
  assert.equal(priced({ shadow }).leavesDropped, 15);
});

test("on bare metal one TLBI is itself with its DSB, whatever the IPA size", () => {
  const host = builtInHost("bare-metal");
  const { value, low, high } = host.prices.broadcast!;
  assert.deepEqual(priced({ host, ipaBits: 0 }), {
    tlbi: { VMALLS12E1IS: 1 },
    instructions: 0,
    leavesDropped: 0,
    microseconds: value,
    microsecondsRange: [low, high],
  });
  assert.equal(priced({ host, op: "vmalle1" }).microseconds, host.prices.local!.value);
});

test("what cannot be simulated is refused in one sentence", () => {
  const refused = (single: Partial<SingleTlbi>, message: string) =>
    assert.throws(() => priced(single), new InputError(message));
  refused({ op: "tlbi" }, "unknown TLBI operation 'tlbi'");
  refused(
    { shadow: [{ first: 2 ** 28, pages: 1, level: 3 }] },
    "the shadow reaches page 268435456, beyond 40 IPA bits",
  );
  refused({ shadow: 2 ** 24 + 1 }, "a shadow of more than 16777216 leaves is not simulated");
  refused({ ipaBits: 20 }, "host kvm-nested-7.2: 20 IPA bits, expected 32 to 52 with a 4 KiB granule");
});
