import assert from "node:assert/strict";
import { test } from "node:test";
import type { PhaseSummary } from "../trace/index.js";
import { xenVersion } from "../xen/versions.js";
import { causesOf, type Known } from "./recorded-causes.js";
import type { XenVersion } from "./versions.js";

const phase = (op: string, callers: Readonly<Record<string, number>>): PhaseSummary => ({
  ...({} as PhaseSummary),
  tlbi: { [op]: Object.values(callers).reduce((sum, count) => sum + count, 0) },
  byCaller: Object.entries(callers).map(([caller, count]) => ({ op, caller, count, vmid: 1 })),
});
const known = (version: string | undefined, more: Partial<Known> = {}): Known => ({
  version: version === undefined ? undefined : (xenVersion(version) as XenVersion),
  repeatsTlbis: false,
  continued: {},
  grants: 0,
  scrubs: 0,
  ...more,
});
const POPULATE = "arch_flush_tlb_mask < do_memory_op";
const SCRUB = "arch_flush_tlb_mask < scrub_free_pages < idle_loop";

function explained(is: PhaseSummary, predicted: number, what: Known): { counts: number[]; unexplained: number } {
  const { causes, unexplained } = causesOf(Object.keys(is.tlbi)[0]!, is, predicted, what);
  return { counts: causes.map(({ count }) => count), unexplained };
}

test("where a version flushes once in each populate_physmap, the calls that go on explain so many and no more", () => {
  const is = phase("ALLE1IS", { [POPULATE]: 18 });
  const continued = { XENMEM_populate_physmap: 16 };
  assert.deepEqual(explained(is, 2, known("4.17", { continued })), { counts: [16], unexplained: 0 });
  assert.deepEqual(explained(is, 2, known("4.17", { continued: { XENMEM_populate_physmap: 9 } })), {
    counts: [9],
    unexplained: 7,
  });
  assert.deepEqual(explained(is, 0, known("4.20.4+63", { continued })), { counts: [], unexplained: 18 });
  assert.deepEqual(explained(is, 0, known(undefined, { continued })), { counts: [], unexplained: 18 });
  const elsewhere = phase("ALLE1IS", { "arch_flush_tlb_mask < something < do_memory_op": 18 });
  assert.deepEqual(explained(elsewhere, 2, known("4.17", { continued })), { counts: [], unexplained: 16 });
});

test("scrubbing explains no more flushes than the domU left pages", () => {
  const is = phase("ALLE1IS", { [SCRUB]: 500 });
  assert.deepEqual(explained(is, 0, known("4.20.4+63", { scrubs: 32_774 })), { counts: [500], unexplained: 0 });
  assert.deepEqual(explained(is, 0, known("4.20.4+63", { scrubs: 499 })), { counts: [499], unexplained: 1 });
});

test("grants that a backend unmaps explain what the model has not of them, and a balloon's pages all", () => {
  const lock = "p2m_force_tlb_flush_sync < p2m_tlb_flush_sync < p2m_remove_mapping < guest_physmap_remove_page <";
  const grants = phase("VMALLS12E1IS", { [`${lock} replace_grant_host_mapping < unmap_common`]: 1058, elsewhere: 2 });
  assert.deepEqual(explained(grants, 2, known("4.20.4+63")), { counts: [1058], unexplained: 0 });
  assert.deepEqual(explained(grants, 2, known("4.20.4+63", { grants: 2 })), { counts: [1056], unexplained: 2 });
  const balloon = phase("VMALLS12E1IS", { [`${lock} guest_remove_page < do_memory_op`]: 40, elsewhere: 2 });
  assert.deepEqual(explained(balloon, 2, known("4.20.4+63")), { counts: [40], unexplained: 0 });
});

test("a ring that was still mapped when the machine went off is missing, also where something else makes up for it", () => {
  const unmaps = "p2m_remove_mapping < guest_physmap_remove_page < replace_grant_host_mapping < unmap_common";
  const dies = "p2m_write_unlock < relinquish_p2m_mapping < domain_kill";
  const two = known("4.20.4+63", { grants: 2 });
  const of = (unmapped: number, died: number) => phase("IPAS2E1IS", { [unmaps]: unmapped, [dies]: died });
  assert.deepEqual(explained(of(1, 40), 42, two), { counts: [-1], unexplained: 0 });
  assert.deepEqual(explained(of(1, 41), 42, two), { counts: [-1, 1], unexplained: 0 });
  assert.deepEqual(explained(of(2, 40), 42, two), { counts: [], unexplained: 0 });
  assert.deepEqual(explained(of(2, 39), 42, two), { counts: [], unexplained: -1 }, "both are there");
  assert.deepEqual(explained(phase("IPAS2E1IS", { [dies]: 40 }), 42, two), { counts: [], unexplained: -2 }, "not told");
});

test("a remedy that is the same TLBI again doubles every one, those with another cause too", () => {
  const is = phase("VMALLS12E1IS", { "p2m_force_tlb_flush_sync < p2m_write_unlock < guest_physmap_remove_page": 20 });
  const repeats = { repeatsTlbis: true };
  assert.deepEqual(explained(is, 10, known("4.17", repeats)), { counts: [10], unexplained: 0 });
  assert.deepEqual(explained(is, 12, known("4.17", repeats)), { counts: [10], unexplained: -2 });
  assert.deepEqual(
    explained(is, 10, known("4.20.4", repeats)),
    { counts: [], unexplained: 10 },
    "VALE2IS in its place",
  );
  assert.deepEqual(explained(is, 10, known("4.17")), { counts: [], unexplained: 10 }, "on another CPU");
  const own = phase("VAE2IS", { "xen_pt_update < vunmap": 2 });
  assert.deepEqual(
    explained(own, 0, known("4.17", repeats)),
    { counts: [2], unexplained: 0 },
    "not Xen's own mappings",
  );
  const both = phase("ALLE1IS", { [POPULATE]: 36 });
  const continued = { XENMEM_populate_physmap: 16 };
  assert.deepEqual(explained(both, 2, known("4.17", { ...repeats, continued })), { counts: [18, 16], unexplained: 0 });
});
