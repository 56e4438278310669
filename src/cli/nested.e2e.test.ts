/**
 * The real KVM: a probe of few cells, and the whole stack with a domU of one page, of 64, and of one under a policy put into Xen. Needs what `capture --setup` and `probe
 * --setup` fetch (scripts/setup-debian.sh does both); where that is not there the tests say that they are skipped. Figures are
 * those counted once with other sources of VMM and plugin.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { findDistribution } from "../capture/index.js";
import type { HostCosts } from "../jobs/index.js";
import { findStack, type ProbeResult } from "../stack/index.js";
import { shootdown } from "./command.fixture.js";

const skip =
  findDistribution() && findStack()
    ? false
    : "SKIPPED: no real KVM was booted, because QEMU, Xen, a compiler or the host's kernels are not here: run scripts/setup-debian.sh";
if (skip) console.error(skip);
const folder = mkdtempSync(join(tmpdir(), "shootdown-nested-"));
after(() => rmSync(folder, { recursive: true }));

test("a probe at 36 bits: TLBIs, leaves and instructions of each cell are those that the model predicts", {
  skip,
}, async () => {
  const done = await shootdown(["probe", "--pa-bits", "36", "--op", "VMALLS12E1IS,IPAS2E1IS", "--json"]);
  assert.equal(done.status, 0, done.err);
  const probe = JSON.parse(done.out) as ProbeResult;
  assert.deepEqual(
    probe.cells.flatMap(({ differences }) => differences),
    [],
  );
  const of = (op: string, operand: string, state: string) =>
    probe.cells.find((cell) => cell.op === op && cell.operand === operand && cell.state === state)!.counted!;
  assert.deepEqual(of("VMALLS12E1IS", "", "empty").tlbi, { RIPAS2E1IS: 64, VMALLE1IS: 64 });
  assert.deepEqual(of("IPAS2E1IS", "page 0, TTL 3", "leaves-601").tlbi, { IPAS2E1IS: 1, VMALLE1IS: 1 });
  assert.equal(of("IPAS2E1IS", "near", "leaves-601").leavesDropped, 601);
  assert.deepEqual(probe.elementary["vttbr-write"].exits, 0);
});

/** Creations that were once counted with other sources of VMM and plugin (see stack/whole-stack.test.ts). */
const COUNTED = [
  {
    ...{ title: "a domU of one page at 36 bits: 7 removals, 10 flushes", bits: 36, pages: 1, removals: 7, flushes: 10 },
    ...{ tlbi: [512, 19, 531], median: 193_000, instructions: 15.4e6, shipped: "stack-one-page-36.parquet" },
  },
  {
    ...{
      title: "a domU of 64 pages at 40 bits: 70 removals, 73 flushes",
      bits: 40,
      pages: 64,
      removals: 70,
      flushes: 73,
    },
    ...{ tlbi: [72_704, 145, 72_849], median: 657_000, instructions: 74.4e6, shipped: "stack-64-pages-40.parquet" },
  },
] as const;

for (const of of COUNTED)
  test(`the whole stack, ${of.title}, and what they cost the host`, { skip }, async () => {
    const trace = join(folder, "nested.parquet");
    const machine = ["--pa-bits", `${of.bits}`, "--domu-pages", `${of.pages}`];
    const done = await shootdown(["capture", "--nested", ...machine, "-o", trace, "--json"]);
    assert.equal(done.status, 0, done.err);
    const { costs, phases } = JSON.parse(done.out) as {
      costs: HostCosts;
      phases: Record<string, { tlbi: Record<string, number>; hypercalls: Record<string, number> }>;
    };
    assert.equal(phases.create!.hypercalls.XENMEM_remove_from_physmap, of.removals);
    assert.equal(phases.create!.tlbi.VMALLS12E1IS! + phases.run!.tlbi.VMALLS12E1IS!, of.flushes);
    assert.equal(costs.unjoined, 0, "every TLBI that the plugin counted is one of the record's");
    const [create] = costs.spans.filter(({ from, to }) => from === 16 && to === 17);
    const { RIPAS2E1IS, IPAS2E1IS, VMALLE1IS } = create!.tlbi;
    assert.deepEqual([RIPAS2E1IS, IPAS2E1IS, VMALLE1IS], of.tlbi);
    const removals = costs.rows.find(
      ({ phase, caller }) => phase === "create" && caller.includes("guest_physmap_remove_page"),
    )!;
    assert.ok(Math.abs(removals.median / of.median - 1) < 0.03, `${removals.median}`);
    // All that the host did within xl create; and its parts are the whole.
    assert.ok(Math.abs(create!.instructions / of.instructions - 1) < 0.03, `${create!.instructions}`);
    const sum = costs.script.reduce((total, { instructions }) => total + instructions, 0);
    assert.equal(sum, create!.instructions);
    const model = costs.predicted.find(({ phase }) => phase === "xl-create")!;
    assert.ok(Math.abs(model.instructions.all / create!.instructions - 1) < 0.15, `${model.instructions.all}`);
    assert.deepEqual(
      ["RIPAS2E1IS", "IPAS2E1IS", "VMALLE1IS"].map((name) => model.hardwareTlbi[name]),
      [RIPAS2E1IS, IPAS2E1IS, VMALLE1IS],
    );
    assert.equal(model.faults, create!.faults);
    await isAsShipped(trace, fileURLToPath(new URL(`../../probes/${of.shipped}`, import.meta.url)));
  });

/** Of the same parts a run is the same each time: that is what the shipped one was made of. */
async function isAsShipped(trace: string, shipped: string): Promise<void> {
  const parts = async (file: string): Promise<unknown> => {
    const { recording } = JSON.parse((await shootdown(["show", file, "--json"])).out) as { recording: Ran };
    return [recording.sha256, recording.qemu, recording.host];
  };
  if (JSON.stringify(await parts(trace)) !== JSON.stringify(await parts(shipped))) {
    console.error("NOT COMPARED with the shipped run, which is of other versions of the parts");
    return;
  }
  const both = await shootdown(["diff", trace, shipped, "--host", "kvm-nested-7.2", "--json"]);
  const { host } = JSON.parse(both.out) as { host: readonly { instructions: { difference: number } }[] };
  assert.ok(host.length > 20);
  assert.deepEqual(
    host.filter(({ instructions }) => instructions.difference !== 0),
    [],
    "to the last instruction of the host's, in every phase and by every way of calls",
  );
}

test("a policy put into the real Xen on the real KVM: its own flushes, told the right pages, each counted", {
  skip,
}, async () => {
  const trace = join(folder, "injected.parquet");
  const args = ["capture", "--inject", "kvm-ipa", "--nested", "--pa-bits", "36", "--domu-pages", "1", "-o", trace];
  const done = await shootdown([...args, "--json"]);
  assert.equal(done.status, 0, done.err);
  const { costs, phases, recording, executed } = JSON.parse(done.out) as {
    costs: HostCosts;
    phases: Record<string, { tlbi: Record<string, number>; hypercalls: Record<string, number> }>;
    recording: { injected: { policy: string; operands: number } };
    executed: { flushes: { occasion: string; instructions: string[]; executes: string[] }[] };
  };
  const { tlbi, hypercalls } = phases.create!;
  const removals = hypercalls.XENMEM_remove_from_physmap!;
  assert.deepEqual([removals, tlbi.IPAS2E1IS, tlbi.VMALLE1IS], [7, 7, 7]);
  assert.equal(recording.injected.policy, "kvm-ipa");
  assert.ok(recording.injected.operands >= removals);
  for (const { occasion, instructions, executes } of executed.flushes)
    if (instructions.length > 0) assert.ok(executes.includes("kvm-ipa"), `${occasion}: ${instructions.join("; ")}`);
  assert.equal(costs.unjoined, 0);
  const own = costs.rows.filter(
    ({ phase, caller }) => phase === "create" && caller.startsWith("policy kvm-ipa, revoke < "),
  );
  assert.deepEqual(own.map(({ name, count }) => `${name} ${count}`).sort(), ["IPAS2E1IS 7", "VMALLE1IS 7"]);
  // Of one leaf that is named with its level the host invalidates that and no more, whatever the size of its address space.
  for (const { name, median } of own) assert.ok(median < 10_000, `${name}: ${median}`);
});

/** What ran, of what a trace says. */
interface Ran {
  readonly sha256: object;
  readonly qemu: string;
  readonly host: object;
}
