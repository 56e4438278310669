/** The shipped captures of a real Xen against the model. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadPolicy } from "../catalog/index.js";
import { readTrace } from "../trace/file.js";
import { type EventBuffer, Kind, type Names, type Summary, Summing, type TraceSink } from "../trace/index.js";
import { type ContinuedCalls, predictRun, type RecordedRow, RunFacts, recordedRows } from "./recorded.js";

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
  const predicted = predictRun(run, facts, loadPolicy("xen-today"), false);
  return { rows: recordedRows(recorded, predicted, gaveWay.continued), recorded };
}

/** Each XENMEM_populate_physmap that gave way comes back with 0, that it has done nothing yet, and is called again. */
class GaveWay implements TraceSink {
  private calls = 0;
  get continued(): ContinuedCalls {
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
  const rows = recordedRows(summing.summary(), predictRun(run, facts, loadPolicy("xen-today"), true), {});
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
