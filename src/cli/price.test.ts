/** `shootdown price` on the recorded traces and on hand-made lists: what a nested host has a shadow stage-2 of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { PriceRow } from "../compare/index.js";
import { type Done, shootdown } from "./command.fixture.js";

const capture = (name: string): string =>
  fileURLToPath(new URL(`../../traces/xen-4.20-${name}.parquet`, import.meta.url));
/** steps of a full unmap at 48 bits */
const C = 2 ** 18;

const price = (args: readonly string[], stdin = ""): Promise<Done> =>
  shootdown(["price", ...args, "--host", "kvm-nested-7.2"], { stdin });

interface Priced {
  readonly vmidsRun: readonly number[];
  readonly notes: readonly string[];
  readonly rows: readonly PriceRow[];
}

async function priced(args: readonly string[], input = ""): Promise<Priced & { of: (phase: string) => PriceRow }> {
  const { status, out, err } = await price([...args, "--json"], input);
  assert.equal(status, 0, err);
  const json = JSON.parse(out) as Priced;
  return { ...json, of: (phase) => json.rows.find((row) => row.phase === phase)! };
}

test("the recorded domU has a shadow from its first run on, though no access of it was recorded", async () => {
  const { vmidsRun, of } = await priced([capture("create-small")]);
  assert.deepEqual(vmidsRun, [1, 2]);
  assert.deepEqual(of("run").tlbi, { VMALLS12E1IS: 2 });
  assert.equal(of("run").hardwareTlbi.RIPAS2E1IS, 2 * C);
  assert.ok(Math.abs(of("run").microseconds / 2.93e6 - 1) < 0.01, `${of("run").microseconds} us`);
  // Each ALLE1IS unmaps dom0's shadow and the dead domU's; the five others only the latter.
  assert.deepEqual([of("destroy").tlbi.ALLE1IS, of("destroy").tlbi.VMALLS12E1IS], [530, 5]);
  assert.equal(of("destroy").hardwareTlbi.RIPAS2E1IS, (2 * 530 + 5) * C);
  assert.deepEqual(of("create").noShadow, { ran: {}, notRun: { 2: 1 } }, "the new p2m's first flush");
  assert.deepEqual(of("total").noShadow, { ran: {}, notRun: { 2: 1 } });
});

const HEADER = '{"shootdown":"trace","version":1}\n';
const lines = (...rows: object[]): string =>
  HEADER + [...rows, { end: true, events: rows.length }].map((row) => `${JSON.stringify(row)}\n`).join("");
const flush = { kind: "tlbi", name: "VMALLS12E1IS", vmid: 5 };

test("a bare list of TLBIs is said to show no guest; with --ran its VMID has a shadow", async () => {
  const list = lines(flush, flush);
  const { status, out } = await price(["-"], list);
  assert.equal(status, 0);
  assert.ok(out.replaceAll(/\s+/g, " ").includes("This trace shows no guest that runs"), out);
  assert.ok(out.includes("--ran 5"));
  const none = await priced(["-"], list);
  assert.deepEqual([none.vmidsRun, none.of("total").noShadow], [[], { ran: {}, notRun: { 5: 2 } }]);
  const ran = await priced(["-", "--ran", "5"], list);
  assert.deepEqual([ran.vmidsRun, ran.of("total").noShadow], [[5], { ran: {}, notRun: {} }]);
  assert.equal(ran.of("total").hardwareTlbi.RIPAS2E1IS, 2 * C);
  assert.ok(!(await price(["-", "--ran", "5"], list)).out.includes("no shadow"));
});

test("each row that tells of a guest makes its shadow", async () => {
  const { of: before } = await priced(["-"], lines(flush));
  assert.equal(before("total").hardwareTlbi.RIPAS2E1IS, undefined);
  for (const rows of [
    [
      { kind: "begin", name: "vcpu-switch:d1", vmid: 5 },
      { kind: "end", name: "vcpu-switch:d1", vmid: 5 },
    ],
    [{ kind: "begin", name: "hypercall:XENMEM_add_to_physmap", vmid: 5 }],
    [{ kind: "access", name: "read", vmid: 5, level: 3, from: "0x40000000" }],
  ])
    assert.ok(
      ((await priced(["-"], lines(...rows, flush))).of("total").hardwareTlbi.RIPAS2E1IS ?? 0) > 0,
      JSON.stringify(rows),
    );
});

test("52 bits are priced, and said to be those of a host with FEAT_LPA2", async () => {
  const { notes, of } = await priced(["-", "--ran", "5", "--ipa-bits", "52"], lines(flush));
  assert.equal(of("total").hardwareTlbi.RIPAS2E1IS, 4_194_304);
  assert.equal(notes.length, 1);
  assert.match(notes[0]!, /^52 IPA bits with 4 KiB pages .* FEAT_LPA2/);
});

test("what --ran cannot be is refused in one sentence", async () => {
  const { status, err } = await price(["-", "--ran", "1,2,3", "--vcpus", "1"], lines(flush));
  assert.equal(status, 1);
  assert.match(err, /^shootdown: 3 VMIDs have run before the trace, expected at most 2: .*\n$/);
  assert.equal((await price(["-", "--ran", "65536"])).status, 2);
});
