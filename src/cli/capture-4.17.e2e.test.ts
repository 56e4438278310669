/**
 * Another real Xen than capture.e2e.test.ts boots: 4.17, of Debian bookworm. Where that is not set up (scripts/setup-debian.sh
 * does it) the test says that it is skipped.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findDistribution } from "../capture/index.js";
import type { RecordedRow } from "../hypervisor/index.js";
import type { PhaseSummary } from "../trace/index.js";
import { MAIN } from "./command.fixture.js";

const bookworm = findDistribution("bookworm");
const skip = bookworm
  ? false
  : "SKIPPED: no Xen 4.17 was booted, because Debian bookworm's is not here: run scripts/setup-debian.sh";
if (skip) console.error(skip);
/** Longest that the machine may run, in seconds: one that is slow is not wrong. */
const PATIENCE = 3600;
const folder = mkdtempSync(join(tmpdir(), "shootdown-e2e-"));
after(() => rmSync(folder, { recursive: true }));

interface Told {
  readonly version: string;
  readonly policy: string;
  readonly segments: readonly { readonly pages: number }[];
  readonly unknown: readonly string[];
  readonly phases: Readonly<Record<string, PhaseSummary>>;
  readonly comparison: readonly RecordedRow[];
  readonly executed: { readonly executes: readonly string[] };
}

function shootdown(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

test("Xen 4.17 with a toolstack and a module that were named: the model, told the version, has or explains every figure", {
  skip,
}, () => {
  const drivers = join(bookworm!.root, "usr", "lib", "modules");
  const evtchn = join(drivers, readdirSync(drivers)[0]!, "kernel", "drivers", "xen", "xen-evtchn.ko.xz");
  const path = join(folder, "old.parquet");
  // The release's own folder stands for an install of one's own: its programs and libraries are found by name.
  const own = ["--toolstack", bookworm!.toolstack, "--dom0-module", evtchn];
  const run = ["--debian", "bookworm", ...own, "--timeout", String(PATIENCE), "--from", "create", "-o", path, "--json"];
  const told = JSON.parse(shootdown("capture", ...run)) as Told;
  assert.deepEqual([told.version, told.policy, told.unknown], ["4.17", "xen-4.17", []]);
  for (const row of told.comparison) assert.equal(row.unexplained, 0, `${row.phase}, ${row.what}`);
  assert.ok(told.executed.executes.includes("xen-4.17"), "instruction by instruction");
  const { tlbi, hypercalls } = told.phases.create!;
  const pages = told.segments.reduce((sum, segment) => sum + segment.pages, 0);
  assert.deepEqual(tlbi, { VMALLS12E1IS: pages + 4 + 1 + 1, ALLE1IS: hypercalls.XENMEM_populate_physmap });
  assert.ok(!("ALLE1IS" in told.phases.destroy!.tlbi), "it scrubs without flushing");
  assert.match(
    shootdown("show", path),
    /made by: .*xen-hypervisor-4\.17-arm64 .*dom0 with 1 vCPU, toolstack arm64, xen-evtchn\.ko\.xz/,
  );
});
