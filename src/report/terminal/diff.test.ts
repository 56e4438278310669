import assert from "node:assert/strict";
import { test } from "node:test";
import { barrierIndex } from "../../arch/index.js";
import { batched, paged, sideOf } from "../../compare/difference.fixture.js";
import { differenceOf } from "../../compare/index.js";
import { Recorder } from "../../trace/index.js";
import { BATCH_PATH, HEAP_PATH, REMOVAL_PATH } from "../../trace/recorded.fixture.js";
import { differenceText } from "./diff.js";

const bare = (text: string): string => text.replace(/\s+/g, "");

test("what changed comes first: TLBIs in all, by call path, hypercalls; what did not is summed up", () => {
  const [work] = differenceText(differenceOf(paged(), batched()), 80).split("\nhost ");
  assert.equal(
    work,
    `before:  a.parquet: 615 events, made by: a test
after:   b.parquet: 130 events, made by: a test

Phase create: 605 events before, 120 after

  TLBI            VMID  before  after  difference
  in all
    VMALLS12E1IS           100      3         -97
  p2m_force_tlb_flush_sync < p2m_tlb_flush_sync < p2m_set_entry <
      guest_physmap_remove_page < xenmem_remove_from_physmap < do_memory_op
    VMALLS12E1IS     1     100      0        -100
  p2m_force_tlb_flush_sync < p2m_tlb_flush_sync <
      xenmem_remove_from_physmap_batch < do_memory_op
    VMALLS12E1IS     1       0      3          +3
  unchanged: 1 TLBI by flush_guest_tlb < alloc_heap_pages <
      alloc_domheap_pages < p2m_alloc_page < p2m_create_table < p2m_next_level

                                              before  after  difference
  hypercall XENMEM_remove_from_physmap           100      0        -100
  hypercall XENMEM_remove_from_physmap_batch       0      3          +3
  DSB ISH                                        101      4         -97
  DSB ISHST                                      101      4         -97
  unchanged: stage-2 descriptor write 100

Unchanged: phase xen-boot and phase dom0-build.
`,
  );
});

for (const width of [80, 140])
  test(`at ${width} columns no line is longer, and no call path is cut`, () => {
    for (const all of [false, true]) {
      const text = differenceText(differenceOf(paged(), batched()), width, all);
      for (const line of text.split("\n")) assert.ok(line.length <= width, `${line.length}: ${line}`);
      for (const path of [REMOVAL_PATH, BATCH_PATH, ...(all ? [HEAP_PATH] : [])])
        assert.ok(bare(text).includes(bare(path)), `${path}\n${text}`);
      assert.ok(!/^ *</m.test(text), "an arrow stays on the line of the function before it");
    }
  });

test("prices have what was before, what is after and the factor on each host, its range where there is room", () => {
  const difference = differenceOf(paged(), batched(), ["create"]);
  const [head, ...rows] = differenceText(difference, 80).split("\nhost")[1]!.split("\n");
  assert.match(head!, /^ +bits +phase +before +after +factor +range$/);
  assert.deepEqual(
    rows.slice(0, 3).map((row) => row.trim().split(/ {2,}/).slice(0, 2)),
    [
      ["bare-metal", "any"],
      ["kvm-nested-7.2", "40"],
      ["48", "create"],
    ],
  );
  assert.ok(!differenceText(difference, 50).includes("range"));
});

test("traces that are the same are said to be, and nothing else is", () => {
  const text = differenceText(differenceOf(paged(), paged()), 80);
  assert.deepEqual(text.split("\n").slice(2), ["", "The two traces are the same, event for event.", ""]);
  const all = differenceText(differenceOf(paged(), paged()), 80, true);
  assert.match(all, /Phase create: 605 events before, 605 after/);
  assert.match(all, /^kvm-nested-7\.2 .* 1 +1$/m, "each price is the one before");
});

test("traces of the same counts in another order are said to differ in what is not counted", () => {
  const barriers = (...order: string[]) =>
    sideOf("barriers", (sinks) => {
      const r = new Recorder(1, sinks);
      for (const name of order) r.barrier(0, barrierIndex(name)!);
      r.flush();
    });
  const text = differenceText(differenceOf(barriers("isb", "dsb ish"), barriers("dsb ish", "isb")), 200);
  assert.match(text, /Nothing that is counted differs: .*The events themselves do/);
});

test("a phase that is the same in traces that are not is said to be the same, and no more", () => {
  const text = differenceText(differenceOf(paged(), batched(), ["dom0-build"]), 200);
  assert.match(text, /^Nothing that is counted differs in phase dom0-build: [^.]*accesses\.\n\nNo price differs: /m);
});

test("control characters in a call path do not reach the terminal", () => {
  const coloured = sideOf("a", (sinks) => {
    const r = new Recorder(1, sinks);
    r.at(r.names.id("\u001b[31mf < g"));
    r.tlbi(0, 0, 0, 0);
    r.flush();
  });
  assert.ok(
    !differenceText(
      differenceOf(
        sideOf("b", () => {}),
        coloured,
      ),
      80,
    ).includes("\u001b"),
  );
});
