/** `shootdown diff` as a user has it. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { usualHosts } from "../catalog/index.js";
import type { TraceDifference } from "../compare/index.js";
import { writeTrace } from "../trace/file.js";
import { FromPhase } from "../trace/index.js";
import { recordRemovals } from "../trace/recorded.fixture.js";
import { type Given, shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-diff-"));
after(() => rmSync(folder, { recursive: true }));
process.chdir(folder);

async function output(args: readonly string[], given?: Given): Promise<string> {
  const { status, out, err } = await shootdown(args, given);
  assert.deepEqual({ status, err }, { status: 0, err: "" }, args.join(" "));
  return out;
}
const json = async (...args: string[]): Promise<TraceDifference> =>
  JSON.parse(await output(["diff", ...args, "--json"])) as TraceDifference;

before(async () => {
  for (const [file, policy] of [
    ["today.parquet", "xen-today"],
    ["batch.parquet", "remove-batch"],
    ["batch.ndjson", "remove-batch"],
  ])
    await output(["simulate", "create-domu", "-p", policy!, "-o", file!]);
  for (const [name, batch] of [
    ["recorded-a.parquet", undefined],
    ["recorded-b.parquet", 64],
  ] as const) {
    const file = await writeTrace(join(folder, name), "a test");
    recordRemovals([file], 1000, batch);
    file.close();
  }
});

test("--json keeps its contract, and has the figures of show and of price", async () => {
  const { before, after, identical, phases, prices } = await json(
    "today.parquet",
    "batch.parquet",
    "--ipa-bits",
    "40,48",
  );
  const show = async (trace: string) => JSON.parse(await output(["show", trace, "--json"]));
  const [today, batch] = [await show("today.parquet"), await show("batch.parquet")];
  assert.deepEqual(
    [before.trace, before.events, after.trace, after.events, identical],
    ["today.parquet", today.events, "batch.parquet", batch.events, false],
  );
  assert.match(before.producer, /^shootdown simulate create-domu --policy xen-today/);
  assert.deepEqual(Object.keys(phases), Object.keys(today.phases));
  const { tlbi, hypercalls, stage2Writes, byCaller } = phases.create!;
  assert.deepEqual(tlbi.VMALLS12E1IS, { before: 7464, after: 9, difference: -7455 });
  assert.deepEqual(hypercalls.XENMEM_remove_from_physmap, { before: 7463, after: 0, difference: -7463 });
  assert.equal(stage2Writes.before, today.phases.create.stage2Writes);
  for (const { op, caller, vmid, count } of today.phases.create.byCaller)
    assert.equal(byCaller.find((r) => r.op === op && r.caller === caller && r.vmid === vmid)!.before, count);
  for (const { op, caller, vmid, count } of batch.phases.create.byCaller)
    assert.equal(byCaller.find((r) => r.op === op && r.caller === caller && r.vmid === vmid)!.after, count);

  assert.deepEqual(new Set(prices.map((row) => row.host)), new Set(usualHosts()), "the usual hosts by default");
  for (const [side, trace] of [
    ["before", "today.parquet"],
    ["after", "batch.parquet"],
  ] as const) {
    const { rows } = JSON.parse(await output(["price", trace, "--ipa-bits", "40,48", "--json"]));
    for (const row of rows) {
      const of = prices.find((p) => p.phase === row.phase && p.host === row.host && p.ipaBits === row.ipaBits)!;
      const { microseconds, microsecondsRange, parts, rest, refaults, leavesDropped, noShadow } = row;
      assert.deepEqual(of[side], { microseconds, microsecondsRange, parts, rest, refaults, leavesDropped, noShadow });
    }
  }
});

test("the form of a trace makes no difference, and one of them may come by a pipe", async () => {
  assert.equal((await json("batch.parquet", "batch.ndjson")).identical, true);
  assert.match(
    await output(["diff", "batch.ndjson", "batch.parquet"]),
    /The two traces are the same, event for event\.\n$/,
  );
  const stdin = readFileSync(join(folder, "batch.ndjson"));
  const piped = await output(["diff", "today.parquet", "-", "--json"], { stdin });
  const { phases, prices } = JSON.parse(piped) as TraceDifference;
  const whole = await json("today.parquet", "batch.parquet");
  assert.deepEqual({ phases, prices }, { phases: whole.phases, prices: whole.prices });
  assert.match(
    await output(["diff", "-", "batch.parquet"], { stdin }),
    /^before: +-: [\s\S]*the same, event for event/,
  );
});

for (const columns of [80, 140])
  test(`at ${columns} columns no line is longer, for simulated traces and recorded ones`, async () => {
    for (const args of [
      ["today.parquet", "batch.parquet"],
      ["recorded-a.parquet", "recorded-b.parquet", "--ipa-bits", "40,44,48"],
      ["recorded-a.parquet", "recorded-b.parquet", "--all"],
    ]) {
      const text = await output(["diff", ...args], { columns });
      for (const line of text.split("\n")) assert.ok(line.length <= columns, `${line.length}: ${line}`);
    }
  });

test("a phase that a capture left out is told as not recorded, not counted as 0; two Xens are named", async () => {
  for (const [name, own, buildId] of [
    ["whole.parquet", false, "aa"],
    ["late.parquet", true, "bb"],
  ] as const) {
    const file = await writeTrace(join(folder, name), "a test");
    const leftOut = own ? ["xen-boot", "dom0-build"] : [];
    recordRemovals([own ? new FromPhase("create", file) : file], 100);
    const xen = { banner: `4.20.4 (${name})`, buildId, own };
    file.describe({ source: "capture", cpu: { profile: "arch-maximal", repeatTlbi: false }, xen, leftOut });
    file.close();
  }
  const text = await output(["diff", "whole.parquet", "late.parquet"]);
  assert.match(text, /^Phase xen-boot: not recorded after \(it was left out of the capture\); 5.events\s+before$/m);
  assert.match(text, /Xen: 4\.20\.4 \(whole\.parquet\), build-id aa\n/);
  assert.match(text, /Xen: the user's own, 4\.20\.4 \(late\.parquet\), build-id bb\n/);
  assert.match(text, /Capture your own build without the\s+change first/);
  const { phases, prices, before, after, otherBuild } = await json("whole.parquet", "late.parquet");
  assert.deepEqual([before.recording!.leftOut, after.recording!.leftOut!.length, otherBuild], [[], 2, true]);
  const { events } = phases["xen-boot"]!;
  assert.deepEqual([events.after, events.difference, events.before! > 0], [null, null, true]);
  assert.equal(prices.find(({ phase }) => phase === "xen-boot")?.after ?? null, null);
  assert.equal(phases.create!.events.difference, 0);
});

test("--phase leaves the other phases out, and --host the other hosts", async () => {
  const { phases, prices } = await json(
    ...["recorded-a.parquet", "recorded-b.parquet", "--phase", "create,dom0-build", "--host", "kvm-nested-7.2"],
  );
  assert.deepEqual(Object.keys(phases), ["dom0-build", "create"]);
  assert.deepEqual(
    prices.map(({ phase, host }) => [phase, host]),
    [
      ["dom0-build", "kvm-nested-7.2"],
      ["create", "kvm-nested-7.2"],
    ],
  );
});

test("what cannot be compared is refused in one sentence, and nothing is printed", async () => {
  const far = [
    '{"shootdown":"trace","version":1}',
    '{"kind":"access","name":"read","vmid":1,"level":3,"from":"0x200000000"}',
    '{"end":true,"events":1}',
  ];
  writeFileSync(join(folder, "far.ndjson"), `${far.join("\n")}\n`);
  writeFileSync(join(folder, "cut.parquet"), readFileSync(join(folder, "batch.parquet")).subarray(0, 9000));
  for (const [message, ...args] of [
    [/missing\.parquet: no such file/, "today.parquet", "missing.parquet"],
    [/missing\.ndjson: no such file/, "missing.ndjson", "today.parquet"],
    [/cut\.parquet: cut off/, "today.parquet", "cut.parquet"],
    [/unknown ending, expected/, "today.parquet", "batch.csv"],
    [
      /--phase: neither trace has a phase 'creat', expected boot, create/,
      ...["today.parquet", "batch.parquet", "--phase", "creat"],
    ],
    [/no host is named 'kvm'/, "today.parquet", "batch.parquet", "--host", "kvm"],
    [/access to IPA 0x200000000, expected one below 2\^32/, "today.parquet", "far.ndjson", "--ipa-bits", "32"],
  ] as [RegExp, ...string[]][]) {
    const { status, out, err } = await shootdown(["diff", ...args]);
    assert.match(err, message);
    assert.match(err, /^shootdown: [^\n]+\n$/);
    assert.deepEqual({ status, out }, { status: 1, out: "" });
  }
  for (const [message, ...args] of [
    [/only one of the traces can be standard input/, "-", "-"],
    [/missing required argument 'after'/, "today.parquet"],
    [/Expected numbers from 32 to 52/, "today.parquet", "batch.parquet", "--ipa-bits", "1"],
  ] as [RegExp, ...string[]][]) {
    const { status, out, err } = await shootdown(["diff", ...args]);
    assert.match(err, message);
    assert.deepEqual({ status, out }, { status: 2, out: "" });
  }
});

test("policies are compared by their simulation as their traces are, and a policy with a trace", async () => {
  const made = await json("xen-today", "remove-batch", "--host", "kvm-nested-7.2");
  const read = await json("today.parquet", "batch.parquet", "--host", "kvm-nested-7.2", "--vcpus", "2");
  assert.deepEqual(made, {
    ...read,
    before: { ...read.before, trace: "xen-today" },
    after: { ...read.after, trace: "remove-batch" },
  });
  assert.ok((await json("today.parquet", "xen-today", "--host", "bare-metal")).identical);
});

test("policies are simulated in the scenario asked for, or in that of the trace beside them", async () => {
  const asked = await json("xen-today", "switch-vmalle1", "--scenario", "vcpu-switch", "--host", "bare-metal");
  assert.match(asked.before.producer, /^shootdown simulate vcpu-switch --policy xen-today /);
  await output(["simulate", "vcpu-switch", "-p", "xen-today", "-o", "switch.parquet"]);
  assert.ok((await json("switch.parquet", "xen-today", "--host", "bare-metal")).identical);
  const { status, err } = await shootdown(["diff", "today.parquet", "batch.parquet", "--scenario", "vcpu-switch"]);
  assert.deepEqual([status, /--scenario goes with a policy/.test(err)], [2, true]);
});

test("hosts of two CPUs are no one simulation", async () => {
  writeFileSync(
    join(folder, "a72.toml"),
    'name = "a72"\ntitle = "t"\nsource = "s"\nbase = "bare-metal"\ncpu = "cortex-a72"\n',
  );
  const args = ["diff", "xen-today", "remove-batch", "--host", "bare-metal,./a72.toml"];
  const { status, err } = await shootdown(args);
  assert.equal(status, 1);
  assert.match(err, /host bare-metal is a neoverse-v2, host a72 a cortex-a72: expected hosts of one CPU, or --cpu/);
  assert.equal((await shootdown([...args, "--cpu", "neoverse-v2"])).status, 0);
});
