/** When KVM makes a shadow stage-2: as counted on Xen inside the real KVM (Linux 7.2.13, Xen 4.20, QEMU). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../input/index.js";
import { builtInHost } from "../builtin.fixture.js";
import { price } from "../price.js";
import { Guest } from "./guest.testing.js";

const SHAPE = { granuleBits: 12, backingLevel: 3 } as const;
const FULL = 1024;

test("a vCPU that enters its guest makes its shadow, without any access", () => {
  const guest = new Guest().enter(0, 1).tlbi(0, "vmalls12e1is");
  assert.equal(guest.steps(), FULL);
  assert.deepEqual(guest.counts().noShadow, { ran: {}, notRun: {} });
});

test("a write of VTTBR_EL2 around a flush makes none: a new p2m's first flush finds no shadow", () => {
  const guest = new Guest().enter(0, 1).flushOf(0, 2, 1);
  assert.equal(guest.steps(), 0);
  assert.deepEqual(guest.counts().noShadow, { ran: {}, notRun: { 2: 1 } });
  guest.enter(0, 2).enter(0, 1).flushOf(0, 2, 1);
  assert.equal(guest.steps(), FULL);
  assert.deepEqual(guest.counts().noShadow, { ran: {}, notRun: { 2: 1 } });
});

test("the flush of a switch comes before the entry: the first of all finds no shadow", () => {
  const guest = new Guest();
  guest.enter(0, 1, undefined, () => guest.tlbi(0, "vmalls12e1"));
  assert.equal(guest.steps(), 0);
  guest.enter(0, 1, undefined, () => guest.tlbi(0, "vmalls12e1"));
  assert.equal(guest.steps(), FULL);
});

test("a dead domain's slot keeps its VMID: the first flush of the next p2m with it finds that shadow", () => {
  const guest = new Guest(2).enter(0, 1).enter(1, 2, 0x20).idle(1, 2);
  guest.flushOf(0, 2, 1, 0x30);
  assert.equal(guest.steps(), FULL);
  guest.enter(1, 2, 0x30).flushOf(0, 2, 1, 0x30);
  assert.equal(guest.steps(), 3 * FULL, "the dead one's and the new one's");
});

test("ALLE1IS costs twice as much as soon as a domU has run, alive or dead", () => {
  const guest = new Guest().enter(0, 1).tlbi(0, "alle1is");
  assert.equal(guest.steps(), FULL);
  guest.enter(0, 2).enter(0, 1).tlbi(0, "alle1is");
  assert.equal(guest.steps(), 3 * FULL);
  assert.deepEqual(new Guest().tlbi(0, "alle1is").counts().noShadow, { ran: {}, notRun: { all: 1 } });
});

test("xl create of one page at 48 bits: 8 VMALLS12E1IS, 7 x 262,144 steps", () => {
  const guest = new Guest().enter(0, 1);
  guest.mark(0, "domain:create", () => guest.flushOf(0, 2, 1));
  for (let i = 0; i < 7; i++)
    guest.mark(0, "hypercall:XENMEM_remove_from_physmap", () => guest.tlbi(0, "vmalls12e1is"));
  const { tlbi, hardwareTlbi } = guest.counts(48);
  assert.equal(tlbi.VMALLS12E1IS, 8);
  assert.equal(hardwareTlbi.RIPAS2E1IS, 1_835_008);
  assert.equal(hardwareTlbi.VMALLE1IS, 1_835_008);
});

test("475 switches between two vCPUs of a domU cost 11.6 minutes at 48 bits, though no access of it is in the trace", () => {
  const guest = new Guest().enter(0, 1).enter(0, 2);
  for (let i = 0; i < 475; i++) guest.enter(0, 2, undefined, () => guest.tlbi(0, "vmalls12e1"));
  const { microseconds } = price(guest.counts(48), builtInHost("kvm-nested-7.2"));
  assert.ok(Math.abs(microseconds / 475 / 1.46e6 - 1) < 0.01, `${microseconds / 475} us each`);
  assert.ok(Math.abs(microseconds / 60e6 - 11.6) < 0.1, `${microseconds / 60e6} minutes`);
});

test("hypercalls, faults and operations on domains end in the guest that they came from, and tell that it had run", () => {
  for (const name of ["hypercall:XENMEM_add_to_physmap", "fault:translation", "domain:unpause"]) {
    const guest = new Guest().run(0, 1);
    guest.mark(0, name, () => guest.tlbi(0, "vmalls12e1is"));
    assert.equal(guest.steps(), FULL, `${name}: the guest that called had a shadow`);
  }
  const phase = new Guest().run(0, 1);
  phase.mark(0, "phase:create").tlbi(0, "vmalls12e1is");
  assert.equal(phase.steps(), 0, "a phase is nobody's entry");
});

test("an idle vCPU, and Xen before there is a domain, enter no guest", () => {
  const guest = new Guest().run(0, 1).idle(0, 1);
  guest.mark(0, "domain:create").mark(0, "vcpu-switch:idle").mark(0, "vcpu-switch:d32767");
  guest.tlbi(0, "vmalls12e1is");
  assert.equal(guest.steps(), 0);
  assert.deepEqual(guest.counts().noShadow, { ran: {}, notRun: { 1: 1 } });
});

test("a hand-made switch needs no domain column: its mark names the domain", () => {
  const guest = new Guest().run(0, 1).idle(0, 1);
  guest.mark(0, "vcpu-switch:d1").tlbi(0, "vmalls12e1is");
  assert.equal(guest.steps(), FULL);
});

test("in a trace that begins amid a run, the first write of VTTBR_EL2 tells the root of what ran, and makes no second shadow", () => {
  const root = 0x1001;
  const whole = new Guest().enter(0, 1, root);
  // The same rows without the switch.
  const late = new Guest();
  late.trace.context(0, 1, 1);
  late.was(0, 1, root);
  for (const guest of [whole, late]) {
    guest.mark(0, "domain:create", () => guest.flushOf(0, 2, 1));
    guest.mark(0, "hypercall:XENMEM_remove_from_physmap", () => guest.tlbi(0, "vmalls12e1is"));
  }
  assert.deepEqual([whole.steps(), late.steps()], [FULL, FULL]);
  assert.deepEqual(late.counts().noShadow, whole.counts().noShadow);
});

test("a TLBI for a VMID whose shadow was recycled is counted as of one that ran", () => {
  const guest = new Guest().enter(0, 1).enter(0, 2).enter(0, 3);
  const before = guest.steps();
  guest.enter(0, 3).flushOf(0, 1, 3);
  assert.equal(guest.steps(), before, "two slots a vCPU: VMID 1's went to VMID 3");
  assert.deepEqual(guest.counts().noShadow, { ran: { 1: 1 }, notRun: {} });
  assert.deepEqual(guest.nested.vmidsRun(), [1, 2, 3]);
});

test("a slot may be recycled while its guest's vCPU is at EL2 or idle, and not while it runs", () => {
  const entered = (leave: (guest: Guest) => unknown) => {
    const guest = new Guest(2).enter(1, 9);
    leave(guest);
    for (const vmid of [1, 2, 3, 4]) guest.enter(0, vmid);
    // Slot 0 is VMID 9's. Slots 1 to 3 are given out, then the next free one is recycled.
    const before = guest.steps();
    guest.flushOf(0, 9, 4);
    return guest.steps() - before;
  };
  assert.equal(
    entered(() => undefined),
    FULL,
    "it runs: its slot stays",
  );
  assert.equal(
    entered((guest) => guest.trace.begin(1, guest.trace.names.id("hypercall:XENMEM_add_to_physmap"))),
    0,
  );
  assert.equal(
    entered((guest) => guest.idle(1, 9).tlbi(1, "vae2is")),
    0,
  );
});

test("a guest whose slot was recycled while it was at EL2 gets another one, and faults anew", () => {
  const guest = new Guest(2).enter(1, 9).touch(1, 5);
  guest.mark(1, "hypercall:XENMEM_add_to_physmap", () => {
    for (const vmid of [1, 2, 3, 4]) guest.enter(0, vmid);
  });
  assert.equal(guest.touch(1, 5).counts().refaults, 1);
  assert.equal(guest.flushOf(0, 9, 4).counts().noShadow.ran[9], undefined);
});

test("VMIDs said to have run before the trace have a shadow; no more of them than the host keeps", () => {
  const list = () => new Guest(1, SHAPE, [1, 3]);
  const guest = list();
  guest.trace.context(0, 0, 1);
  guest.tlbi(0, "vmalls12e1is");
  assert.equal(guest.steps(), FULL);
  assert.equal(list().run(0, 3).tlbi(0, "vmalls12e1is").steps(), FULL, "whatever its root");
  assert.equal(list().enter(0, 3).tlbi(0, "alle1is").steps(), 2 * FULL, "and it is that shadow on which it runs");
  assert.throws(
    () => new Guest(1, SHAPE, [1, 2, 3]),
    new InputError("3 VMIDs have run before the trace, expected at most 2: two shadows for each of 1 vCPUs"),
  );
});
