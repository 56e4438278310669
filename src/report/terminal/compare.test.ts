import assert from "node:assert/strict";
import test from "node:test";
import { assertGolden } from "../golden.fixture.js";
import { sampleResult, smallResult } from "../sample.fixture.js";
import { compareTables } from "./compare.js";

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
  assert.doesNotMatch(text.split("\nNotes\n")[0]!, / refaults\n|kvm-nested|[0-9] bits|range at/);
  assert.match(text, /\n\npolicy +bare-metal +TLBIs\n/);
});

test("a check that was calibrated is never said to agree, one that fails stands out", () => {
  const text = compareTables(smallResult(), 120);
  assert.match(text, /^one VMALLS12E1IS at 48 bits\n {2}calibration +1\.46 s +1\.46 \.\. 9\.5 s$/m);
  assert.match(text, /^an example of a check that fails\n {2}DIFFERS +7,466 calls +9,000 calls$/m);
  assert.match(text, /^ {2}agrees +71,200 \(40,100 \.\. 180,000\) times +70,000 times$/m);
});

test("a policy that is cheap because it does nothing is named where its price stands", () => {
  const text = compareTables(sampleResult(), 140);
  assert.match(
    text,
    /^remove-no-flush executes no TLBI when a mapping is removed: cheap because it does nothing there/m,
  );
  assert.match(text, /^switch-no-flush, series-v3-patch2 and vmid-per-vcpu execute no TLBI when vCPUs/m);
  assert.doesNotMatch(compareTables(smallResult(), 140), /executes? no TLBI/);
});

test("the rest of the work stands beside the prices where a host has a price for it", () => {
  const result = smallResult();
  assert.match(compareTables(result, 140), /^Rest of the work when nested.*\n {2}every policy: 4\.2 s$/m);
  const rows = result.rows.map((row) => ({
    ...row,
    rest: row.policy === "kvm-ipa" && row.host === "kvm-nested-7.2" ? 1e6 : row.rest,
  }));
  assert.match(
    compareTables({ ...result, rows }, 140),
    /^ {2}kvm-ipa: 1 s on kvm-nested-7\.2; 4\.2 s on kvm-nested-unmap-all, kvm-nested-skip-holes$/m,
  );
  const native = { ...result, rows: result.rows.filter((row) => row.host === "bare-metal") };
  assert.doesNotMatch(compareTables(native, 140), /Rest of the work/);
});

test("a count stays on the line of its name at every width", () => {
  for (let width = 40; width <= 140; width += 7)
    assert.doesNotMatch(compareTables(sampleResult(), width), /(TLB|E1|E1IS|physmap|batch)\n +[\d,]+(,|$)/m);
});
