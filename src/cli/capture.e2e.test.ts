/**
 * A real Xen, booted: QEMU, dom0, the toolstack, a domU. Needs what `shootdown capture --setup` fetches (scripts/
 * setup-debian.sh does); where that is not there the tests say that they are skipped.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { findDistribution } from "../capture/index.js";
import type { Executed } from "../compare/index.js";
import type { RecordedRow } from "../hypervisor/index.js";
import { nameOf } from "../trace/event.js";
import { readTrace, traceDigest } from "../trace/file.js";
import {
  EventBuffer,
  FromPhase,
  Kind,
  type Names,
  type PhaseSummary,
  type TraceRecording,
  type TraceSink,
} from "../trace/index.js";
import { MAIN } from "./command.fixture.js";

const skip = findDistribution()
  ? false
  : "SKIPPED: no real Xen was booted, because Debian's QEMU and Xen are not here: run scripts/setup-debian.sh";
if (skip) console.error(skip);

/** Longest that a capture may take, in seconds: a machine that is slow is not wrong. */
const PATIENCE = 3600;
const folder = mkdtempSync(join(tmpdir(), "shootdown-e2e-"));
const first = join(folder, "first.parquet");
/** The same capture, made earlier by QEMU's log: it comes with the package, from this phase on. */
const SHIPPED = fileURLToPath(new URL("../../traces/xen-4.20-create-small.parquet", import.meta.url));
const SHIPPED_FROM = "dom0-boot";
let told: Told;

interface Told {
  readonly events: number;
  readonly segments: readonly { readonly pages: number }[];
  readonly unknown: readonly string[];
  readonly phases: Readonly<Record<string, PhaseSummary>>;
  readonly comparison: readonly RecordedRow[];
  readonly executed: Executed;
  readonly recording: TraceRecording;
}

/** Runs the command line; resolves with status and output. */
function shootdown(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}

/** Makes a capture; what it says of it. */
async function captured(path: string): Promise<Told> {
  const { status, stdout, stderr } = await shootdown("capture", "--timeout", String(PATIENCE), "-o", path, "--json");
  assert.deepEqual([status, stderr], [0, ""], "nothing but the summary on a pipe");
  return JSON.parse(stdout) as Told;
}

before(
  async () => {
    if (!skip) told = await captured(first);
  },
  { timeout: PATIENCE * 1000 },
);
after(() => rmSync(folder, { recursive: true }));

/** For each XENMEM_remove_from_physmap of the create phase, what happened in it, as words. */
class Removals implements TraceSink {
  readonly list: string[][] = [];
  private creating = false;
  private open: string[] | undefined;

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++) {
      const kind = b.kind[i]!;
      const name = nameOf(kind, b.code[i]!, names);
      const mark = kind === Kind.begin || kind === Kind.end;
      if (mark && name === "phase:create") this.creating = kind === Kind.begin;
      if (mark && name === "hypercall:XENMEM_remove_from_physmap") {
        this.open = kind === Kind.begin && this.creating ? [] : undefined;
        if (this.open) this.list.push(this.open);
      } else if (kind === Kind.write) {
        const [from, to] = [b.from[2 * i]! | b.from[2 * i + 1]!, b.to[2 * i]! | b.to[2 * i + 1]!];
        const what = from !== 0 && to === 0 ? "becomes 0" : "is written";
        this.open?.push(`level ${b.level[i]!} ${what}, VMID ${b.vmid[i]!}`);
      } else if (kind !== Kind.access) this.open?.push(kind === Kind.tlbi ? `${name}, VMID ${b.vmid[i]!}` : name);
    }
  }
}

test("each removal clears one descriptor and flushes the VMID once, just after", { skip }, async () => {
  const removals = new Removals();
  await readTrace(first, [removals]);
  const wanted = [
    "DSB SY",
    "level 3 becomes 0, VMID 1",
    "DSB SY",
    // p2m_free_entry() drops the reference before the unlock flushes.
    "put_page",
    "DSB ISHST",
    "VMALLS12E1IS, VMID 1",
    "DSB ISH",
    "ISB",
  ];
  assert.ok(removals.list.length > 5000, `${removals.list.length} removals`);
  for (const removal of removals.list) assert.deepEqual(removal, wanted);
  assert.equal(removals.list.length, told.phases.create!.hypercalls.XENMEM_remove_from_physmap);
});

test("the removals are the segments' pages, four magic pages and one grant-table frame", { skip }, () => {
  const { create } = told.phases;
  const pages = told.segments.reduce((sum, segment) => sum + segment.pages, 0);
  assert.ok(told.segments.length >= 3, "kernel, ramdisk and device tree");
  assert.equal(create!.hypercalls.XENMEM_remove_from_physmap, pages + 4 + 1);
  assert.equal(create!.hypercalls.XENMEM_add_to_physmap_batch, pages + 4);
  assert.equal(create!.hypercalls.XENMEM_acquire_resource, 1);
  const removal = create!.byCaller.find(({ caller }) => caller.includes("p2m_remove_mapping"))!;
  assert.deepEqual(
    [removal.op, removal.vmid, removal.count],
    ["VMALLS12E1IS", 1, pages + 5],
    "all for dom0, by one way",
  );
  assert.match(removal.caller, /^p2m_force_tlb_flush_sync < .*guest_physmap_remove_page < do_memory_op$/);
});

test("the model predicts every kind of TLBI of the create and run phases; what else differs has a cause", {
  skip,
}, () => {
  for (const row of told.comparison) {
    assert.equal(row.unexplained, 0, `${row.phase}, ${row.what}`);
    if (row.what.startsWith("XENMEM_") || row.phase === "destroy") continue;
    assert.equal(row.recorded, row.predicted, `${row.phase}, ${row.what}`);
  }
  assert.ok(told.comparison.some(({ phase, what }) => phase === "create" && what === "VMALLS12E1IS"));
});

test("nothing of this Xen is unknown, and every phase is there", { skip }, () => {
  assert.deepEqual(told.unknown, []);
  assert.deepEqual(Object.keys(told.phases), ["xen-boot", "dom0-build", "dom0-boot", "create", "run", "destroy"]);
  assert.ok(told.phases["dom0-build"]!.stage2Writes > 100_000, "dom0's table is recorded");
});

test("its flushes are xen-today's, instruction by instruction, from Xen's boot on", { skip }, () => {
  const { executes, unknown, occasions, beyond, unplaced, unfinished } = told.executed;
  assert.ok(executes.includes("xen-today"), JSON.stringify(occasions));
  assert.ok(!executes.includes("kvm-ipa") && !executes.includes("remove-no-flush"));
  assert.deepEqual([unknown, beyond, unplaced, unfinished], [[], 0, 0, 0]);
});

test("the trace says what ran, and can be held against a policy again from the file alone", { skip }, async () => {
  const { xen, sha256, blind } = told.recording;
  assert.match(xen!.banner, /^4\.\d+/);
  assert.match(xen!.buildId, /^[0-9a-f]{40}$/);
  assert.equal(xen!.own, false);
  assert.equal(sha256!["dom0-kernel"], sha256!["domu-kernel"], "Debian's, both");
  assert.ok(blind!.length > 0);
  const again = JSON.parse((await shootdown("show", first, "-p", "xen-today", "--json")).stdout);
  assert.deepEqual([again.comparison, again.executed], [told.comparison, told.executed]);
});

/** Passes on all but who owns what: a trace that leaves out the beginning says first what came of it, and a whole one does not. */
class WithoutOwners implements TraceSink {
  constructor(private readonly to: TraceSink) {}

  events(b: EventBuffer, names: Names): void {
    let first = 0;
    for (let i = 0; i <= b.length; i++) {
      if (i < b.length && b.kind[i] !== Kind.owner) continue;
      if (i > first) this.to.events(new EventBuffer(i - first, b, first), names);
      first = i + 1;
    }
  }
}

test("two captures of the same inputs give the same trace", { skip, timeout: PATIENCE * 1000 }, async () => {
  const digestsOf = async (path: string): Promise<string[]> => {
    const [most, all] = [traceDigest(), traceDigest()];
    await readTrace(path, [new FromPhase(SHIPPED_FROM, new WithoutOwners(most)), new FromPhase("create", all)]);
    return [most.digest(), all.digest()];
  };
  const { info } = await readTrace(SHIPPED, []);
  // Once Debian has other packages than those of the shipped capture, there must be a second boot.
  const alike = isDeepStrictEqual(info.recording?.sha256, told.recording.sha256);
  const other = alike ? SHIPPED : join(folder, "second.parquet");
  if (!alike) await captured(other);
  assert.deepEqual(await digestsOf(first), await digestsOf(other));
});

test("show reads the capture by the contract of its JSON, and the console's log is kept beside it", {
  skip,
}, async () => {
  const shown = JSON.parse((await shootdown("show", first, "--json")).stdout) as Told;
  assert.equal(shown.events, told.events);
  assert.deepEqual(shown.phases, told.phases);
  assert.match(readFileSync(first.replace(".parquet", ".console.log"), "latin1"), /xc_dom_alloc_segment/);
});
