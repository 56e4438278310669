/** The shipped captures of a real Xen against the model. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../builtin/index.js";
import { loadPolicy } from "../catalog/index.js";
import { readTrace } from "../trace/file.js";
import {
  type EventBuffer,
  FromPhase,
  Kind,
  type Names,
  type Summary,
  Summing,
  type TraceSink,
} from "../trace/index.js";
import { predictRun, type RecordedRow, RunFacts, recordedRows } from "./recorded.js";
import { parseScenario } from "./scenario.js";
import { simulate } from "./simulate.js";

const EVERYTHING = builtInCpu("arch-maximal");

const TRACES = fileURLToPath(new URL("../../traces", import.meta.url));

/** What the toolstack logged when they were recorded (xc_dom_alloc_segment); the traces do not say it. */
const SHIPPED = {
  "xen-4.20-create-small": { ramdisk: 483, dom0Vcpus: 1 },
  "xen-4.20-create-ramdisk": { ramdisk: 6627, dom0Vcpus: 1 },
  "xen-4.20-dom0-2vcpu": { ramdisk: 483, dom0Vcpus: 2 },
} as const;
const KERNEL = 9212;

async function held(name: keyof typeof SHIPPED): Promise<{ rows: RecordedRow[]; recorded: Summary }> {
  const summing = new Summing();
  const facts = new RunFacts();
  const gaveWay = new GaveWay();
  await readTrace(join(TRACES, `${name}.parquet`), [summing, facts, gaveWay]);
  const { ramdisk, dom0Vcpus } = SHIPPED[name];
  const segments = [
    { name: "kernel", gfn: 0x40000, pages: KERNEL },
    { name: "module0", gfn: 0x47fff - ramdisk, pages: ramdisk },
    { name: "devicetree", gfn: 0x47fff, pages: 1 },
  ];
  const run = { segments, memoryMib: 128, vcpus: 1, dom0Vcpus, pcpus: 2 };
  const recorded = summing.summary();
  const predicted = predictRun(run, facts, loadPolicy("xen-today"), false, EVERYTHING);
  return { rows: recordedRows(recorded, predicted, gaveWay.continued), recorded };
}

/** Each XENMEM_populate_physmap that gave way comes back with 0, that it has done nothing yet, and is called again. */
class GaveWay implements TraceSink {
  private calls = 0;
  get continued(): Parameters<typeof recordedRows>[2] {
    return { create: { XENMEM_populate_physmap: this.calls } };
  }

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++)
      if (b.kind[i] === Kind.end && names.list[b.code[i]!] === "hypercall:XENMEM_populate_physmap")
        if (b.to[2 * i] === 0) this.calls++;
  }
}

for (const [name, { ramdisk }] of Object.entries(SHIPPED))
  test(`${name}: the model predicts every TLBI of create and run, and the rest has a cause`, async () => {
    const { rows, recorded } = await held(name as keyof typeof SHIPPED);
    for (const row of rows) {
      assert.equal(row.unexplained, 0, `${row.phase}, ${row.what}`);
      if (!row.what.startsWith("XENMEM_") && row.phase !== "destroy")
        assert.equal(row.recorded, row.predicted, `${row.phase}, ${row.what}`);
    }
    const removals = KERNEL + ramdisk + 1 + 4 + 1;
    assert.equal(recorded.phases.create!.hypercalls.XENMEM_remove_from_physmap, removals);
    assert.equal(recorded.phases.create!.tlbi.VMALLS12E1IS, removals + 1, "and one for the new VMID");
  });

test("a domU that needs no kernel is predicted from its pages: nothing of it is logged", async () => {
  const [summing, facts] = [new Summing(), new RunFacts()];
  const { info } = await readTrace(join(TRACES, "..", "probes", "stack-one-page-36.parquet"), [summing, facts]);
  const run = info.recording!.run!;
  assert.deepEqual(run.segments, []);
  const recorded = summing.summary();
  const of = (pages: number): RecordedRow[] =>
    recordedRows(recorded, predictRun({ ...run, pages }, facts, loadPolicy("xen-today"), false, EVERYTHING), {});
  for (const row of of(1)) assert.equal(row.unexplained, 0, `${row.phase}, ${row.what}: ${row.unexplained}`);
  const removals = of(3).find(({ phase, what }) => phase === "create" && what === "VMALLS12E1IS");
  assert.equal(removals!.unexplained, -2, "two pages more than there were");
});

test("the two-vCPU dom0 shows the local flushes of the vCPU switch, as last_vcpu_ran says", async () => {
  const { rows } = await held("xen-4.20-dom0-2vcpu");
  const local = rows.filter(({ what }) => what === "VMALLS12E1");
  assert.ok(local.reduce((sum, { recorded }) => sum + recorded, 0) > 400);
  for (const { recorded, predicted } of local) assert.equal(recorded, predicted);
});

test("a prediction depends on what is predicted: a segment more, and the record has too few", async () => {
  const facts = new RunFacts();
  const summing = new Summing();
  await readTrace(join(TRACES, "xen-4.20-create-small.parquet"), [summing, facts]);
  const segments = [{ name: "kernel", gfn: 0x40000, pages: KERNEL + 484 + 7 }];
  const run = { segments, memoryMib: 128, vcpus: 1, dom0Vcpus: 1, pcpus: 2 };
  const rows = recordedRows(summing.summary(), predictRun(run, facts, loadPolicy("xen-today"), true, EVERYTHING), {});
  const find = (what: string): RecordedRow => rows.find((r) => r.phase === "create" && r.what === what)!;
  const row = (what: string): number => find(what).unexplained;
  assert.equal(row("VMALLS12E1IS"), -7);
  assert.equal(row("VALE2IS"), -(KERNEL + 484 + 7 + 5 + 1), "a CPU on which Xen repeats its TLBIs");
  assert.deepEqual(find("VMALLS12E1IS").missing, [
    { count: KERNEL + 484 + 7 + 5, caller: "p2m_write_unlock" },
    { count: 1, caller: "p2m_alloc_vmid" },
  ]);
  assert.equal(row("XENMEM_populate_physmap"), 16, "nothing says that calls were continued");
});

test("which ranges a domU's death leaves follows from where its Linux put its shared info page", async () => {
  const facts = new RunFacts();
  await readTrace(join(TRACES, "xen-4.20-create-small.parquet"), [facts]);
  const segments = [{ name: "kernel", gfn: 0x40000, pages: 1 }];
  const run = { segments, memoryMib: 128, vcpus: 1, dom0Vcpus: 1, pcpus: 2 };
  const ranges = (): (number | undefined)[] => {
    const { tlbi } = predictRun(run, facts, loadPolicy("kvm-ipa-range"), false, EVERYTHING).phases.destroy!;
    return [tlbi.RIPAS2E1IS, tlbi.IPAS2E1IS, tlbi.VMALLE1IS];
  };
  assert.equal(facts.sharedInfo, 0x42a00);
  // A capture of this domU with kvm-ipa-range put into the Xen recorded these.
  assert.deepEqual(ranges(), [6, 3, 3]);
  facts.sharedInfo = undefined;
  assert.deepEqual(ranges(), [4, 3, 3], "at the beginning of its RAM, unless it is known");
});

/** A run under a policy with batches, whose calls give way after `preempt` pages. */
function batchedRun(preempt: number): { facts: RunFacts; recorded: Summary; pages: number } {
  const pages = 1200;
  const scenario = parseScenario(
    `name = "batches"
title = "t"
source = "s"
[machine]
pcpus = 2
ram-mib = 1400
[dom0]
memory-mib = 1024
[toolstack]
magic-pages = 4
grant-frames = 1
removal-batch = 512
preempt-after = ${preempt}
[[domu]]
memory-mib = 128
[[domu.segment]]
name = "kernel"
gfn = 0x40000
pages = ${pages}
`,
    "batches.toml",
  );
  const [facts, summing] = [new RunFacts(), new Summing()];
  const policy = loadPolicy("remove-batch");
  simulate(scenario, builtInCpu("neoverse-v2"), [{ policy, sinks: [facts, summing] }], { boot: false });
  return { facts, recorded: summing.summary(), pages };
}

test("a batch is replayed in the calls that were recorded, its continuations too", () => {
  const { facts, recorded, pages } = batchedRun(300);
  // Chunks of 512 that give way after 300; before them the magic pages, which a real privcmd hands on without a batch.
  assert.deepEqual(facts.batches.splice(0, 4), [1, 1, 1, 1]);
  assert.deepEqual(facts.batches.slice(0, 5), [300, 212, 300, 212, 176]);
  const segments = [{ name: "kernel", gfn: 0x40000, pages }];
  const run = { segments, memoryMib: 128, vcpus: 1, dom0Vcpus: 1, pcpus: 2 };
  const of = (policy: string): Summary["phases"][string] =>
    predictRun(run, facts, loadPolicy(policy), false, EVERYTHING).phases.create!;
  const batch = of("remove-batch");
  assert.equal(batch.hypercalls.XENMEM_remove_from_physmap_batch, 5);
  assert.equal(batch.hypercalls.XENMEM_remove_from_physmap, 4 + 1, "single pages go as before");
  assert.equal(batch.tlbi.VMALLS12E1IS, 5 + 5 + 1, "a flush a call, and one for the new VMID");
  assert.equal(of("xen-today").hypercalls.XENMEM_remove_from_physmap, pages + 5);
  const rows = recordedRows(recorded, predictRun(run, facts, loadPolicy("xen-today"), false, EVERYTHING), {});
  const row = rows.find(({ what }) => what === "XENMEM_remove_from_physmap_batch")!;
  assert.deepEqual([row.recorded, row.predicted], [5 + 5, 0], "told though this policy has no such call");
});

test("where a record has no batches, the model makes them as Linux would: 512 pages a call, none given way", () => {
  const segments = [{ name: "kernel", gfn: 0x40000, pages: 1200 }];
  const facts = new RunFacts();
  facts.phases.push("create");
  const run = { segments, memoryMib: 128, vcpus: 1, dom0Vcpus: 1, pcpus: 2 };
  const { hypercalls } = predictRun(run, facts, loadPolicy("remove-batch"), false, EVERYTHING).phases.create!;
  assert.equal(hypercalls.XENMEM_remove_from_physmap_batch, 3);
});

test("what a trace keeps of the time before it stands in for the switches that it lacks", async () => {
  const whole = new RunFacts();
  await readTrace(join(TRACES, "xen-4.20-dom0-2vcpu.parquet"), [whole]);
  const [late, summing] = [new RunFacts(), new Summing()];
  await readTrace(join(TRACES, "xen-4.20-dom0-2vcpu.parquet"), [new FromPhase("create", new Both([late, summing]))]);
  assert.equal(late.switches.boot.length, 0);
  assert.ok(whole.switches.boot.length > 10);
  const kept = whole.facts();
  assert.ok(kept.lastRan.length <= 4, "a pCPU and a domain each");
  late.know(kept);
  const segments = [{ name: "kernel", gfn: 0x40000, pages: KERNEL + 484 }];
  const run = { segments, memoryMib: 128, vcpus: 1, dom0Vcpus: 2, pcpus: 2 };
  const predict = (facts: RunFacts): Summary => predictRun(run, facts, loadPolicy("xen-today"), false, EVERYTHING);
  assert.deepEqual(predict(late), predict(whole));
});

class Both implements TraceSink {
  constructor(private readonly to: readonly TraceSink[]) {}

  events(b: EventBuffer, names: Names): void {
    for (const sink of this.to) sink.events(b, names);
  }
}

test("the shipped traces are there and small", () => {
  assert.ok(existsSync(TRACES));
  const files = readdirSync(TRACES).filter((name) => name.endsWith(".parquet"));
  assert.deepEqual(
    files.sort(),
    Object.keys(SHIPPED)
      .map((name) => `${name}.parquet`)
      .sort(),
  );
  const bytes = files.reduce((sum, name) => sum + statSync(join(TRACES, name)).size, 0);
  assert.ok(bytes < 4e6, `${bytes} bytes`);
});
