import assert from "node:assert/strict";
import test from "node:test";
import { assertGolden } from "./golden.fixture.js";
import { sampleResult, smallResult } from "./sample.fixture.js";
import { compareTables } from "./table.js";

const longest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));

test("a comparison reads well on 80 columns", () => {
  assertGolden("compare-80.txt", compareTables(smallResult(), 80));
});

test("a comparison uses the room of 140 columns", () => {
  assertGolden("compare-140.txt", compareTables(smallResult(), 140));
});

test("no line of a whole comparison is longer than the terminal is wide", () => {
  for (const width of [80, 100, 120, 140])
    assert.ok(longest(compareTables(sampleResult(), width)) <= width, `${width}`);
});

test("bare metal has one column, whatever number of IPA sizes", () => {
  const head = compareTables(sampleResult(), 140).split("\n")[3]!;
  assert.equal(head.match(/bare-metal/g)?.length, 1);
  assert.equal(head.match(/48 bits/g)?.length, 3);
});

test("a policy that was left out on a host is shown as a dash, not as 0", () => {
  const result = smallResult();
  const rows = result.rows.filter((row) => !(row.policy === "kvm-ipa" && row.host === "bare-metal"));
  const line = compareTables({ ...result, rows }, 80)
    .split("\n")
    .find((text) => text.startsWith("kvm-ipa"));
  assert.match(line!, /^kvm-ipa +- +14,924 /);
});

test("a comparison on bare metal alone has no columns for IPA sizes and no refaults", () => {
  const result = smallResult();
  const rows = result.rows.filter((row) => row.host === "bare-metal");
  const text = compareTables({ ...result, rows, checks: [] }, 80);
  assert.doesNotMatch(text, /refaults|kvm-nested|[0-9] bits|range at/);
  assert.match(text, /\n\npolicy +bare-metal +TLBIs\n/);
});

test("a check that was calibrated is never said to agree, one that fails stands out", () => {
  const text = compareTables(smallResult(), 120);
  assert.match(text, /^calibration +1\.46 s +1\.46 \.\. 9\.5 s/m);
  assert.match(text, /^DIFFERS +7,466 calls +9,000 calls/m);
});
