/** The model's host beside the counts of the shipped runs of the whole stack. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadHost } from "../catalog/index.js";
import { stackHost } from "../stack/index.js";
import { readTrace } from "../trace/file.js";
import { type HostRow, HostSumming, type TraceRecording } from "../trace/index.js";
import { besideCounts } from "./nested.js";

const PROBES = fileURLToPath(new URL("../../probes", import.meta.url));
/** Those that come with the project: one that is gone is a fault. */
const runs = ["one-page-36", "one-page-48", "64-pages-40", "report-40", "two-vcpus-36", "one-page-36-linux-7.3"].map(
  (name) => `stack-${name}.parquet`,
);
const read = new Map<string, { work: HostSumming; recording: TraceRecording | undefined }>();

before(async () => {
  for (const file of runs) {
    const work = new HostSumming();
    const { info } = await readTrace(join(PROBES, file), [work]);
    read.set(file, { work, recording: info.recording });
  }
});

for (const file of runs)
  test(`${file}: in create the model has the handlers' TLBIs within 5 %, the faults, and all instructions within 15 %`, async () => {
    const { work, recording } = read.get(file)!;
    const rows = (await besideCounts(join(PROBES, file), work, recording)).filter(({ phase }) => phase === "xl-create");
    const off = (what: string): number => {
      const { counted, model } = rows.find((row) => row.what === what)!;
      return Math.abs(model! / counted! - 1);
    };
    for (const name of ["RIPAS2E1IS", "IPAS2E1IS", "VMALLE1IS", "instructions in TLBIs"])
      assert.ok(off(name) <= 0.05, `${name}: ${off(name)}`);
    assert.ok(off("shadow faults") <= 0.05, `shadow faults: ${off("shadow faults")}`);
    assert.ok(off("all instructions") <= 0.15, `all instructions: ${off("all instructions")}`);
  });

for (const file of ["stack-one-page-36.parquet", "stack-one-page-36-linux-7.3.parquet"])
  test(`the prices of exits of its kernel are the means of ${file} until it begins to create, which is held against them`, () => {
    const run = read.get(file)!;
    const until = run.work.rows().filter(({ phase }) => !["create", "run", "other"].includes(phase));
    const mean = (...names: readonly string[]): number => {
      const of = (row: HostRow): boolean => row.kind === "exit" && names.includes(row.name);
      return names.reduce((total, name) => {
        const rows = until.filter((row) => of(row) && row.name === name);
        return total + instructionsIn(rows) / rows.reduce((sum, { count }) => sum + count, 0);
      }, 0);
    };
    const { prices } = loadHost(stackHost("neoverse-n2", run.recording!.host!.kernel));
    const found = {
      "shadow-fault": mean("shadow-fault"),
      "round-trip": mean("to-hypervisor", "to-guest"),
      translate: mean("translate"),
      register: mean("register"),
      device: mean("device"),
      interrupt: mean("interrupt"),
      "host-fault": mean("host-fault"),
    };
    for (const [key, value] of Object.entries(found))
      assert.ok(
        Math.abs(prices[key]!.value / value - 1) < 0.001,
        `${key}: ${prices[key]!.value}, the mean is ${value}`,
      );
  });

const instructionsIn = (rows: readonly HostRow[]): number =>
  rows.reduce((sum, { instructions }) => sum + instructions, 0);
