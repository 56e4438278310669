/**
 * Create-domu against the whole stack run for real: Xen 4.20.4, own builds with one policy each, nested in Linux 7.2.13's KVM
 * with 2 MiB pages behind its guest, under QEMU; 7,456 + 1 image pages and five more. Counts of one run, not times.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { builtInText, loadHost, loadPolicy, loadScenario } from "../catalog/index.js";
import { parseHost } from "../host/index.js";
import { runJob } from "./job.js";
import type { CompareRow } from "./result.js";

const HOST = parseHost(
  builtInText("hosts", "kvm-nested-7.2").replace('backing = "4K"', 'backing = "2M"'),
  "kvm-2m.toml",
  loadHost,
);
/** It has FEAT_TTL. That Xen repeats its TLBIs there adds VALE2IS, which are not counted here. */
const V2 = builtInCpu("neoverse-v2");
/** Pages that the image has in the model; their removals are what the rows below are about. */
const PAGES = 7458;

const rows = ["xen-today", "remove-no-flush", "kvm-ipa-no-ttl", "kvm-ipa"].flatMap((name) =>
  runJob({
    scenario: loadScenario("create-domu"),
    policies: [loadPolicy(name)],
    cpu: V2,
    hosts: [HOST],
    ipaBits: [40, 48],
  }).flatMap((result) => result.rows),
);
const row = (policy: string, bits: number): CompareRow => rows.find((r) => r.policy === policy && r.ipaBits === bits)!;
/** What one image page's removal adds to what is done without flushes, by kind of hardware TLBI. */
function each(policy: string, bits: number): number[] {
  const [of, none] = [row(policy, bits).hardwareTlbi, row("remove-no-flush", bits).hardwareTlbi];
  return ["RIPAS2E1IS", "IPAS2E1IS", "VMALLE1IS"].map((op) => Math.round(((of[op] ?? 0) - (none[op] ?? 0)) / PAGES));
}

test("an IPAS2E1IS without TTL becomes a whole GiB: the page allocator had emptied the shadow", () => {
  // Counted: R + I + 2 V at 40 bits, R + 2 I + 3 V at 48; the VMALLE1IS after it is one V more.
  assert.deepEqual(each("kvm-ipa-no-ttl", 40), [1, 1, 2 + 1]);
  assert.deepEqual(each("kvm-ipa-no-ttl", 48), [1, 2, 3 + 1]);
  // Counted: (70,496 - 7,925) / 7,457 = 8.4 faults of dom0's for each.
  const faults = (policy: string): number => row(policy, 40).refaults / PAGES;
  assert.equal(Math.round(faults("kvm-ipa-no-ttl")), 8);
  assert.equal(Math.round(faults("xen-today")), 8, "counted: 9.6");
});

test("with TTL the very page goes, and nothing of dom0's", () => {
  assert.deepEqual(each("kvm-ipa", 40), [0, 1, 1 + 1]);
  assert.deepEqual(each("kvm-ipa", 48), [0, 1, 1 + 1]);
  assert.ok(row("kvm-ipa", 40).refaults < 100);
});

test("the faults of a creation come out of policy, TTL and dom0's pages by themselves: within 6 %, where all is flushed a sixth short", () => {
  const off = (policy: string, counted: number): number =>
    row(policy, 40).exitKinds.kvm_handle_guest_abort! / counted - 1;
  // Counted: every shadow fault of the creation, whether on a page for the first time or again.
  for (const [policy, counted] of [
    ["kvm-ipa", 7925],
    ["kvm-ipa-no-ttl", 70_496],
    ["remove-no-flush", 7910],
  ] as const)
    assert.ok(Math.abs(off(policy, counted)) < 0.06, `${policy}: ${off(policy, counted)}`);
  // dom0 touches 8 blocks after most removals and 17 after every fifth; the scenario has the 8.
  assert.ok(Math.abs(off("xen-today", 79_731)) < 0.17, `${off("xen-today", 79_731)}`);
});

test("what is left without any flush at a removal is the page allocator's, counted 7 to 9 times", () => {
  for (const policy of ["remove-no-flush", "kvm-ipa", "kvm-ipa-no-ttl"]) assert.equal(row(policy, 48).tlbi.ALLE1IS, 9);
  // Without one in the creation, as Debian's builds of 4.20 have it, the shadow stays full and nothing cascades.
  const quiet = { ...loadScenario("create-domu"), xen: { version: "4.20.4+63" } };
  const [result] = runJob({
    scenario: quiet,
    policies: [loadPolicy("kvm-ipa-no-ttl")],
    cpu: V2,
    hosts: [HOST],
    ipaBits: [40],
  });
  assert.equal(result!.rows[0]!.tlbi.ALLE1IS, undefined);
  assert.ok(result!.rows[0]!.refaults < 100);
});

test("the host's work in a creation is as counted, within what the model is known to differ", () => {
  const instructions = ({ parts }: CompareRow): number => parts.walk / (HOST.prices.instruction!.value / 1000);
  const more = (policy: string, bits: number): number =>
    (instructions(row(policy, bits)) - instructions(row("remove-no-flush", bits))) / PAGES;
  const within = (value: number, counted: number, tolerance: number): void =>
    assert.ok(Math.abs(value / counted - 1) < tolerance, `${value} against ${counted}`);
  // VMALLS12E1IS: 607 K and 141 M, on a CPU whose empty step takes 537 instructions and not the 515 of the price list.
  within(more("xen-today", 40), 607e3, 0.08);
  within(more("xen-today", 48), 141e6, 0.08);
  // IPAS2E1IS without TTL: 59.5 K with the trap's own 4 K. The walk over a table of 2 MiB leaves is a quarter short.
  within(more("kvm-ipa-no-ttl", 40) + 4065, 59.5e3, 0.25);
});
