/** Which occasion a flush is lifted as, by what stands around it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { barrierIndex, leafHi, leafLo, S2AP_W, sysregIndex, tlbiIndex, vttbr } from "../arch/index.js";
import { Recorder } from "../trace/index.js";
import { Flushes } from "./flushes.js";

const ROOT = 0x100;
const [LO, HI] = [leafLo(0x4000, 3, 0), leafHi(0x4000, 0)];

/** The occasions of a trace in which one pCPU, under VMID 1, clears a descriptor, flushes and writes it (or `now`) again, on these ways. */
function lifted(clears: string, sets: string, now = leafLo(0x5000, 3, 0)): string[] {
  const flushes = new Flushes();
  const recorder = new Recorder(1, [flushes]);
  const on = (site: string, body: () => void): void => {
    const before = recorder.at(recorder.names.id(site));
    body();
    recorder.at(before);
  };
  recorder.sysreg(0, sysregIndex("VTTBR_EL2")!, vttbr(0, 0), vttbr(1, ROOT));
  recorder.context(0, 0, 1);
  on(sets, () => recorder.write(0, ROOT, 2, 3, 7, 0, 0, LO, HI));
  on(clears, () => recorder.write(0, ROOT, 2, 3, 7, LO, HI, 0, 0));
  on("p2m_force_tlb_flush_sync", () => {
    recorder.barrier(0, barrierIndex("dsb ishst")!);
    recorder.tlbi(0, tlbiIndex("vmalls12e1is")!, 0, 0);
    recorder.barrier(0, barrierIndex("dsb ish")!);
  });
  on(sets, () => recorder.write(0, ROOT, 2, 3, 7, 0, 0, now, HI));
  recorder.flush();
  flushes.finish();
  return flushes.list.map(({ occasion, count }) => `${occasion} ${count}`);
}

const UNMAP = "__p2m_set_entry < p2m_set_entry < p2m_remove_mapping < replace_grant_host_mapping";
const MAP = "__p2m_set_entry < p2m_set_entry < p2m_insert_mapping < create_grant_host_mapping";

test("a gfn that is mapped anew behind its removal's flush is no break-before-make, unless one way of calls did both", () => {
  assert.deepEqual(lifted(UNMAP, MAP), ["revoke 1"]);
  assert.deepEqual(lifted(MAP, MAP), ["split 1"]);
});

test("what goes in relinquish_p2m_mapping() goes because the domain dies", () => {
  assert.deepEqual(lifted("__p2m_set_entry < p2m_set_entry < relinquish_p2m_mapping < domain_kill", MAP), [
    "domain-dies 1",
  ]);
  assert.deepEqual(lifted("not_relinquish_p2m_mapping_at_all", MAP), ["revoke 1"]);
});

test("a descriptor that comes back as it was, behind a flush, was broken and made: its permissions are the same", () => {
  assert.deepEqual(lifted(MAP, MAP, LO), ["split 1"]);
  assert.deepEqual(lifted(MAP, MAP, (LO ^ S2AP_W) >>> 0), ["permission-relaxed 1"]);
});

test("what p2m_resolve_translation_fault makes invalid below an entry that is so already is no removal", () => {
  const way = (of: string): [string, string] => [`p2m_invalidate_table < ${of}`, `p2m_force_tlb_flush_sync < ${of}`];
  const of = (on: string): [string[], number] => {
    const flushes = new Flushes();
    const recorder = new Recorder(1, [flushes]);
    recorder.context(0, 0, 1);
    const [invalidates, flushing] = way(on);
    recorder.begin(0, recorder.names.id("hypercall:x"));
    recorder.at(recorder.names.id(invalidates));
    for (let slot = 0; slot < 8; slot++) recorder.write(0, ROOT, 2, 2, slot, LO, HI, (LO & ~1) >>> 0, HI);
    recorder.at(recorder.names.id(flushing));
    recorder.barrier(0, barrierIndex("dsb ishst")!);
    recorder.tlbi(0, tlbiIndex("vmalls12e1is")!, 0, 0);
    recorder.end(0, recorder.names.id("hypercall:x"));
    recorder.flush();
    flushes.finish();
    return [flushes.list.map(({ occasion, count }) => `${occasion} ${count}`), flushes.others.length];
  };
  assert.deepEqual(of("p2m_resolve_translation_fault < do_trap_stage2_abort_guest"), [[], 1]);
  assert.deepEqual(of("p2m_remove_mapping < guest_physmap_remove_page"), [["revoke 1"], 0]);
});
