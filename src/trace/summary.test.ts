import assert from "node:assert/strict";
import { test } from "node:test";
import { barrierIndex, tlbiIndex } from "../arch/index.js";
import { NO_DOMAIN } from "./event.js";
import { Recorder } from "./recorder.js";
import { type Summary, Summing } from "./summary.js";

const VMALLS12 = tlbiIndex("VMALLS12E1IS")!;
const ALLE1 = tlbiIndex("ALLE1IS")!;

function summaryOf(source: (r: Recorder) => void): Summary {
  const summing = new Summing();
  const recorder = new Recorder(4, [summing]);
  source(recorder);
  recorder.flush();
  return summing.summary();
}

/** One removal of a page by a hypercall, on a pCPU. */
function removal(r: Recorder, pcpu: number): void {
  const call = r.names.id("hypercall:XENMEM_remove_from_physmap");
  r.begin(pcpu, call);
  r.write(pcpu, 0x90000, 2, 3, 5, 0x403, 0, 0, 0);
  r.at(r.names.id("p2m_force_tlb_flush_sync"));
  r.barrier(pcpu, barrierIndex("dsb ishst")!);
  r.tlbi(pcpu, VMALLS12, 0, 0);
  r.barrier(pcpu, barrierIndex("dsb ish")!);
  r.barrier(pcpu, barrierIndex("isb")!);
  r.at(0);
  r.end(pcpu, call);
}

test("events are counted in the phase in which they stand, and outside any in 'other'", () => {
  const { events, phases } = summaryOf((r) => {
    r.context(1, 0, 1);
    const create = r.names.id("phase:create");
    r.begin(0, create);
    for (let i = 0; i < 3; i++) removal(r, 1);
    r.end(0, create);
    r.context(2, NO_DOMAIN, 0);
    r.at(r.names.id("alloc_heap_pages"));
    r.tlbi(2, ALLE1, 0, 0);
  });
  assert.equal(events, 24);
  assert.deepEqual(phases, {
    create: {
      events: 23,
      tlbi: { VMALLS12E1IS: 3 },
      hypercalls: { XENMEM_remove_from_physmap: 3 },
      stage2Writes: 3,
      stage1Writes: 0,
      byCaller: [{ op: "VMALLS12E1IS", caller: "p2m_force_tlb_flush_sync", vmid: 1, count: 3 }],
      byPcpu: [{ op: "VMALLS12E1IS", pcpu: 1, count: 3 }],
      byDomain: [{ op: "VMALLS12E1IS", domain: 0, count: 3 }],
      barriers: { ISB: 3, "DSB ISH": 3, "DSB ISHST": 3 },
      sysregs: {},
      accesses: {},
      faults: {},
      ownerChanges: 0,
      vcpuSwitches: 0,
    },
    other: {
      events: 1,
      tlbi: { ALLE1IS: 1 },
      hypercalls: {},
      stage2Writes: 0,
      stage1Writes: 0,
      byCaller: [{ op: "ALLE1IS", caller: "alloc_heap_pages", vmid: 0, count: 1 }],
      byPcpu: [{ op: "ALLE1IS", pcpu: 2, count: 1 }],
      byDomain: [{ op: "ALLE1IS", domain: null, count: 1 }],
      barriers: {},
      sysregs: {},
      accesses: {},
      faults: {},
      ownerChanges: 0,
      vcpuSwitches: 0,
    },
  });
});

test("a trace of nothing has no phases", () => {
  assert.deepEqual(
    summaryOf(() => {}),
    { events: 0, phases: {} },
  );
});

test("within a phase the inner one counts, and after its end the outer one again", () => {
  const { phases } = summaryOf((r) => {
    const [run, busy] = [r.names.id("phase:run"), r.names.id("phase:busy")];
    r.begin(0, run);
    r.tlbi(0, ALLE1, 0, 0);
    r.begin(0, busy);
    r.tlbi(0, ALLE1, 0, 0);
    r.tlbi(0, ALLE1, 0, 0);
    r.end(0, busy);
    r.tlbi(0, ALLE1, 0, 0);
    r.tlbi(0, ALLE1, 0, 0);
    r.end(0, run);
    r.barrier(0, barrierIndex("isb")!);
  });
  assert.deepEqual(Object.keys(phases), ["run", "busy", "other"]);
  assert.deepEqual([phases.run!.tlbi, phases.busy!.tlbi], [{ ALLE1IS: 3 }, { ALLE1IS: 2 }]);
  assert.equal(phases.other!.events, 1);
});

test("a phase that begins twice is one phase", () => {
  const { phases } = summaryOf((r) => {
    const run = r.names.id("phase:run");
    for (let i = 0; i < 2; i++) {
      r.begin(0, run);
      r.end(0, run);
    }
  });
  assert.deepEqual([Object.keys(phases), phases.run!.events], [["run"], 4]);
});

test("call sites, VMIDs and pCPUs are told apart, thousands of them, and the most frequent comes first", () => {
  const { phases } = summaryOf((r) => {
    for (let vmid = 0; vmid < 3000; vmid++) {
      r.context(vmid % 4, 0, vmid);
      r.at(r.names.id(`caller${vmid % 7}`));
      for (let n = 0; n <= vmid % 11; n++) r.tlbi(vmid % 4, VMALLS12, 0, 0);
    }
  });
  const { byCaller, byPcpu, tlbi } = phases.other!;
  assert.equal(byCaller.length, 3000);
  assert.equal(byCaller[0]!.count, 11);
  for (const { vmid, caller, count } of byCaller)
    assert.deepEqual([caller, count], [`caller${vmid % 7}`, (vmid % 11) + 1]);
  assert.equal(byPcpu.length, 4);
  assert.equal(
    byPcpu.reduce((sum, { count }) => sum + count, 0),
    tlbi.VMALLS12E1IS,
  );
});

test("vCPU switches and owners are counted", () => {
  const { phases } = summaryOf((r) => {
    r.begin(0, r.names.id("vcpu-switch:d1"), 1);
    r.end(0, r.names.id("vcpu-switch:d1"));
    r.owner(0, 5, 1, NO_DOMAIN);
  });
  assert.deepEqual([phases.other!.vcpuSwitches, phases.other!.ownerChanges], [1, 1]);
});
