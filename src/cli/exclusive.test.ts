/** Options that exclude each other, or that mean something only beside another, are refused: none is left out in silence. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { shootdown } from "./command.fixture.js";

/** Words of a command, and the two options between which the sentence must say that it cannot choose. */
const EXCLUDE: readonly (readonly [words: string, one: string, other: string])[] = [
  ["compare vcpu-switch --expect sound --set lives=1,2", "--expect", "--set"],
  ["compare vcpu-switch --expect sound --tornado", "--expect", "--tornado"],
  ["show x.ndjson --perfetto y --json", "--perfetto", "--json"],
  ["show x.ndjson --perfetto y --csv", "--perfetto", "--csv"],
  ["show x.ndjson --perfetto y --markdown", "--perfetto", "--markdown"],
  ["show x.ndjson --perfetto y --folded", "--perfetto", "--folded"],
  ["show x.ndjson --perfetto y --events", "--perfetto", "--events"],
  ["show x.ndjson --perfetto y --policy xen-today", "--perfetto", "--policy"],
  ["show x.ndjson --folded --json", "--folded", "--json"],
  ["show x.ndjson --folded --csv", "--folded", "--csv"],
  ["show x.ndjson --folded --markdown", "--folded", "--markdown"],
  ["show x.ndjson --folded --events", "--folded", "--events"],
  ["show x.ndjson --folded --policy xen-today", "--folded", "--policy"],
  ["show x.ndjson --partial --policy xen-today", "--policy", "--partial"],
  ["litmus x.litmus --states --csv", "--states", "--csv"],
  ["litmus x.litmus --witness --markdown", "--witness", "--markdown"],
  ...["--states", "--witness", "--expect", "--csv", "--markdown", "--ets2", "--no-ets2"].map(
    (flag) => [`litmus x.litmus --to isla ${flag}`, "--to", flag] as const,
  ),
  ["litmus x.litmus --to isla --cpu cortex-a72", "--to", "--cpu"],
  ["litmus x.litmus --to isla --without no-buffers", "--to", "--without"],
  ["litmus x.litmus --to isla --max-states 9", "--to", "--max-states"],
  ["litmus x.litmus --to isla --timeout 9", "--to", "--timeout"],
];

for (const [words, one, other] of EXCLUDE)
  test(`wrong usage: ${words}`, async () => {
    const { status, out, err } = await shootdown(words.split(" "));
    assert.deepEqual([status, out], [2, ""]);
    assert.match(err, /^error: [^\n]*(cannot be used|does not go) with [^\n]*\n/);
    for (const flag of [one, other]) assert.ok(err.includes(flag), err);
  });

/** Words of a command, and what its first sentence says. */
const ALONE: readonly (readonly [words: string, sentence: string])[] = [
  ["price x.ndjson --report y.html", "--report goes with --set or --tornado"],
  ["prove xen-today --to herd", "--to goes with --save"],
  ["explain TLB --cpu cortex-a72", "--cpu goes with a policy"],
  ["tlbi vmalls12e1is --ipa-bits 40", "--ipa-bits goes with --host"],
  ["tlbi --range 0+1 --shadow 0+1", "--shadow goes with --host"],
  ["tlbi vmalls12e1is --shadow-leaves 601", "--shadow-leaves goes with --host"],
  ["tlbi vmalls12e1is --repeat-tlbi", "--repeat-tlbi goes with --host"],
];

for (const [words, sentence] of ALONE)
  test(`wrong usage: ${words}`, async () => {
    const { status, out, err } = await shootdown(words.split(" "));
    assert.deepEqual([status, out, err.split("\n")[0]], [2, "", `error: ${sentence}`]);
  });

test("a host without an instruction, and two sizes where one is priced, are refused", async () => {
  for (const [words, sentence] of [
    ["tlbi --host bare-metal", "--host: expected an instruction before it"],
    ["check x.ndjson --ipa-bits 40,48", "--ipa-bits: expected one IPA size, to price what is wasted"],
  ] as const) {
    const { status, out, err } = await shootdown(words.split(" "));
    assert.deepEqual([status, out, err], [1, "", `shootdown: ${sentence}\n`]);
  }
});
