import assert from "node:assert/strict";
import { test } from "node:test";
import { barrierIndex } from "../arch/index.js";
import { price } from "../host/index.js";
import { Recorder, type TraceSink } from "../trace/index.js";
import { BATCH_PATH, HEAP_PATH, REMOVAL_PATH } from "../trace/recorded.fixture.js";
import { batched, IPA_BITS, paged, sideOf } from "./difference.fixture.js";
import { differenceOf, inBoth, isChanged, phaseNames, type TraceSide } from "./difference.js";

test("each call path has its TLBIs before and after, the largest difference first", () => {
  const { create } = differenceOf(paged(), batched()).phases;
  assert.deepEqual(create!.byCaller, [
    { op: "VMALLS12E1IS", caller: REMOVAL_PATH, vmid: 1, before: 100, after: 0, difference: -100 },
    { op: "VMALLS12E1IS", caller: BATCH_PATH, vmid: 1, before: 0, after: 3, difference: 3 },
    { op: "ALLE1IS", caller: HEAP_PATH, vmid: 1, before: 1, after: 1, difference: 0 },
  ]);
  assert.deepEqual(create!.tlbi, {
    ALLE1IS: { before: 1, after: 1, difference: 0 },
    VMALLS12E1IS: { before: 100, after: 3, difference: -97 },
  });
  assert.deepEqual(create!.hypercalls, {
    XENMEM_remove_from_physmap: { before: 100, after: 0, difference: -100 },
    XENMEM_remove_from_physmap_batch: { before: 0, after: 3, difference: 3 },
  });
  assert.deepEqual(create!.stage2Writes, { before: 100, after: 100, difference: 0 });
});

test("a phase is changed where anything counted in it differs, and only there", () => {
  const { phases } = differenceOf(paged(), batched());
  assert.deepEqual(
    Object.entries(phases).map(([name, phase]) => [name, isChanged(phase)]),
    [
      ["xen-boot", false],
      ["dom0-build", false],
      ["create", true],
    ],
  );
  assert.ok(Object.values(differenceOf(paged(), paged()).phases).every((phase) => !isChanged(phase)));
});

test("what is before stands against what is after: exchanged, every difference has the other sign", () => {
  const [there, back] = [differenceOf(paged(), batched()), differenceOf(batched(), paged())];
  assert.equal(back.phases.create!.tlbi.VMALLS12E1IS!.difference, 97);
  for (const [i, row] of there.prices.entries()) {
    assert.deepEqual([row.before, row.after], [back.prices[i]!.after, back.prices[i]!.before]);
    if (row.factor !== null) assert.ok(Math.abs(row.factor * back.prices[i]!.factor! - 1) < 1e-12);
  }
});

test("a price is that of the phase on the host, and the factor lies in its range", () => {
  const [a, b] = [paged(), batched()];
  const { prices } = differenceOf(a, b);
  assert.deepEqual([...new Set(prices.map((row) => row.phase))], ["xen-boot", "dom0-build", "create", "total"]);
  const create = prices.filter((row) => row.phase === "create");
  assert.equal(create.length, 2 * IPA_BITS.length);
  for (const row of create) {
    const of = (one: TraceSide) =>
      one.prices.phases().find((p) => p.phase === "create" && p.host.name === row.host && p.ipaBits === row.ipaBits)!;
    assert.equal(row.before!.microseconds, price(of(a).counts, of(a).host).microseconds);
    assert.equal(row.after!.microseconds, price(of(b).counts, of(b).host).microseconds);
    assert.ok(Math.abs(row.factor! - row.before!.microseconds / row.after!.microseconds) < 1e-9);
    assert.ok(row.factorRange![0] <= row.factor! && row.factor! <= row.factorRange![1]);
  }
});

test("only the phases asked for are compared, and then there is no total", () => {
  const { phases, prices } = differenceOf(paged(), batched(), ["create"]);
  assert.deepEqual(Object.keys(phases), ["create"]);
  assert.ok(prices.length > 0 && prices.every((row) => row.phase === "create"));
});

test("of a phase that one trace does not have, everything is null there: not 0, which would be a count", () => {
  const { phases, prices, identical } = differenceOf(
    sideOf("none", () => {}),
    paged(),
  );
  assert.equal(identical, false);
  const events = 100 * 6 + 3 + 2; // removals, a flush of the heap, the marks of the phase
  const create = phases.create!;
  assert.ok(!inBoth(create) && isChanged(create));
  assert.deepEqual(create.events, { before: null, after: events, difference: null });
  assert.deepEqual(create.tlbi.VMALLS12E1IS, { before: null, after: 100, difference: null });
  assert.deepEqual(create.byCaller[0], {
    op: "VMALLS12E1IS",
    caller: REMOVAL_PATH,
    vmid: 1,
    before: null,
    after: 100,
    difference: null,
  });
  const row = prices.find(({ phase, host }) => phase === "create" && host === "kvm-nested-7.2")!;
  assert.deepEqual([row.before, row.factor], [null, null]);
  assert.ok(row.after!.microseconds > 0);
  const back = differenceOf(
    paged(),
    sideOf("none", () => {}),
  );
  assert.deepEqual(back.phases.create!.events, { before: events, after: null, difference: null });
  assert.equal(back.prices.find(({ phase }) => phase === "create")!.after, null);
});

test("a user's own Xen against one that is not of his build is told, and a copy of the same build is not", () => {
  const sideWith = (xen: { own: boolean; buildId: string }): TraceSide => ({
    ...paged(),
    recording: {
      source: "capture",
      cpu: { profile: "arch-maximal", repeatTlbi: false },
      xen: { banner: "4.20.4", ...xen },
    },
  });
  const debian = sideWith({ own: false, buildId: "aa" });
  const mine = sideWith({ own: true, buildId: "bb" });
  assert.equal(differenceOf(debian, mine).otherBuild, true);
  assert.equal(differenceOf(mine, debian).otherBuild, true);
  assert.equal(differenceOf(mine, sideWith({ own: true, buildId: "cc" })).otherBuild, false, "both his own");
  assert.equal(differenceOf(debian, sideWith({ own: true, buildId: "aa" })).otherBuild, false, "patched in place");
  assert.equal(differenceOf(debian, sideWith({ own: true, buildId: "" })).otherBuild, true);
  assert.equal(differenceOf(paged(), mine).otherBuild, false, "a trace that does not say");
});

test("two traces are identical when every event is, not when the counts are", () => {
  assert.equal(differenceOf(paged(), paged()).identical, true);
  const barriers = (...order: string[]): TraceSide =>
    sideOf("barriers", (sinks: readonly TraceSink[]) => {
      const r = new Recorder(1, sinks);
      for (const name of order) r.barrier(0, barrierIndex(name)!);
      r.flush();
    });
  const { identical, phases } = differenceOf(barriers("isb", "dsb ish"), barriers("dsb ish", "isb"));
  assert.equal(identical, false);
  assert.ok(!isChanged(phases.other!));
});

test("phases come in the order of the trace before, then those that only the other has, and what is in none last", () => {
  const summary = (...names: string[]) => ({
    events: 0,
    phases: Object.fromEntries(names.map((name) => [name, paged().summary.phases.create!])),
  });
  assert.deepEqual(phaseNames(summary("boot", "create", "other"), summary("boot", "destroy", "run")), [
    "boot",
    "create",
    "destroy",
    "run",
    "other",
  ]);
});
