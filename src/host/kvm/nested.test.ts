import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOperand, sysregIndex, vttbr } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import { Access, Recorder } from "../../trace/index.js";
import { Guest } from "./guest.testing.js";
import { KvmNested } from "./nested.js";

const SHAPE = { granuleBits: 12, backingLevel: 3 } as const;

test("a page faults once, and again only after an invalidation dropped it", () => {
  const guest = new Guest().run(0, 1).touch(0, 7, 8, 7, 8);
  assert.deepEqual([guest.counts().firstFaults, guest.counts().refaults], [2, 0]);
  guest.tlbi(0, "ipas2e1is", addressOperand(7)).touch(0, 7, 8);
  assert.deepEqual([guest.counts().firstFaults, guest.counts().refaults], [2, 1]);
  guest.tlbi(0, "vmalls12e1is").touch(0, 7, 8, 9);
  assert.deepEqual([guest.counts().firstFaults, guest.counts().refaults, guest.counts().leavesDropped], [3, 3, 3]);
});

test("VMALLS12E1IS drops only the shadows with the VMID in force, ALLE1IS all of them", () => {
  const guest = new Guest(2).run(0, 1).touch(0, 1, 2).run(1, 2).touch(1, 3);
  guest.tlbi(0, "vmalls12e1is");
  assert.deepEqual([guest.counts().leavesDropped, guest.counts().hardwareTlbi.RIPAS2E1IS], [2, 1024]);
  guest.tlbi(0, "alle1is");
  assert.deepEqual([guest.counts().leavesDropped, guest.counts().hardwareTlbi.RIPAS2E1IS], [3, 3 * 1024]);
});

test("two roots under one VMID are two shadows, and both match it", () => {
  const guest = new Guest().run(0, 1, 0x10).touch(0, 1).run(0, 1, 0x20).touch(0, 1);
  assert.equal(guest.counts().firstFaults, 2);
  guest.tlbi(0, "vmalle1is");
  assert.equal(guest.counts().hardwareTlbi.VMALLE1IS, 2);
  guest.tlbi(0, "vmalls12e1is");
  assert.equal(guest.counts().leavesDropped, 2);
});

test("an invalidation for another guest reaches its shadow when the hypervisor switches VTTBR_EL2 to it", () => {
  const guest = new Guest().run(0, 1).touch(0, 1).run(0, 2).touch(0, 1, 2).run(0, 1).tlbi(0, "vmalls12e1is");
  assert.equal(guest.counts().leavesDropped, 1);
  guest.run(0, 2).touch(0, 1, 2);
  assert.equal(guest.counts().refaults, 0);
});

test("slots are given out round robin, and the full unmap of a recycled one is the host's work, not an exit", () => {
  const guest = new Guest();
  // Two slots for one vCPU: the third VTTBR_EL2 takes over the first's.
  guest.run(0, 1).touch(0, 1, 2).run(0, 2).touch(0, 1);
  assert.deepEqual(guest.counts().hardwareTlbi, { VMALLE1: 2 });
  guest.run(0, 3).touch(0, 1);
  assert.equal(guest.counts().hardwareTlbi.RIPAS2E1IS, 1024);
  assert.deepEqual([guest.counts().leavesDropped, guest.counts().exits], [2, 0]);
  // The second's is next; what it held is gone, and the first's guest faults again on its own pages.
  guest.run(0, 1).touch(0, 1);
  assert.deepEqual([guest.counts().leavesDropped, guest.counts().refaults], [3, 1]);
});

test("a slot in use by another pCPU is not recycled", () => {
  const guest = new Guest(2).run(1, 9).touch(1, 5);
  for (let vmid = 1; vmid <= 5; vmid++) guest.run(0, vmid).touch(0, 1);
  // Slots 1, 2, 3 and then 1 and 2 again; slot 0 stays with VMID 9.
  assert.equal(guest.counts().leavesDropped, 2);
  guest.touch(1, 5);
  assert.equal(guest.counts().refaults, 0);
});

test("the shadow of a guest that is gone keeps matching its VMID until it is recycled", () => {
  const guest = new Guest(2).run(0, 1, 0x10).touch(0, 1).run(0, 1, 0x20).touch(0, 1).tlbi(0, "vae1is");
  assert.equal(guest.counts().hardwareTlbi.VAE1IS, 2);
});

test("a pCPU that first runs on a shadow flushes its TLB context once", () => {
  const guest = new Guest(2).run(0, 1).touch(0, 1).run(1, 1).touch(1, 1).run(0, 1).touch(0, 1);
  assert.equal(guest.counts().hardwareTlbi.VMALLE1, 2);
  assert.deepEqual(guest.counts().parts.flush, { broadcast: 0, local: 2 });
});

test("the CnP bit of VTTBR_EL2 makes no other shadow", () => {
  const guest = new Guest().run(0, 1).touch(0, 1);
  const { lo, hi } = vttbr(1, 0x1001);
  guest.trace.sysreg(0, sysregIndex("VTTBR_EL2")!, { lo: 0, hi: 0 }, { lo: lo | 1, hi });
  assert.equal(guest.touch(0, 1).counts().firstFaults, 1);
});

test("without a write of VTTBR_EL2 the rows' VMID says which guest runs", () => {
  const guest = new Guest();
  for (const vmid of [1, 2, 1]) {
    guest.trace.context(0, vmid, vmid);
    guest.touch(0, 4);
  }
  assert.equal(guest.counts().firstFaults, 2);
  guest.tlbi(0, "vmalls12e1is");
  assert.equal(guest.counts().leavesDropped, 1);
});

test("a leaf is no larger than the guest's mapping and than the host's backing", () => {
  const faults = (backingLevel: 1 | 2 | 3, guestLevel: number): number => {
    const guest = new Guest(1, { granuleBits: 12, backingLevel }).run(0, 1);
    for (const page of [0, 1, 511, 512, 2 ** 18 - 1]) guest.trace.access(0, Access.read, guestLevel, page, page, page);
    return guest.counts().firstFaults;
  };
  assert.deepEqual([faults(3, 1), faults(2, 1), faults(1, 1), faults(1, 2), faults(1, 3)], [5, 3, 1, 3, 5]);
});

test("the price of an empty IPA space does not depend on when the IPA size is asked", () => {
  const guest = new Guest().run(0, 1).touch(0, 1).tlbi(0, "vmalls12e1is").tlbi(0, "vmalls12e1is");
  assert.deepEqual(
    [guest.counts(40).hardwareTlbi.RIPAS2E1IS, guest.counts(48).hardwareTlbi.RIPAS2E1IS],
    [2048, 2 ** 19],
  );
  // One leaf: the level-3, level-2 and, with four levels, level-1 tables were freed, once.
  assert.deepEqual([guest.counts(40).hardwareTlbi.IPAS2E1IS, guest.counts(48).hardwareTlbi.IPAS2E1IS], [2, 3]);
});

test("hypercalls are counted by name, and their round trips stand beside the price", () => {
  const guest = new Guest();
  const mark = guest.trace.names.id("hypercall:XENMEM_remove_from_physmap");
  const phase = guest.trace.names.id("phase:create");
  guest.trace.begin(0, phase);
  for (let i = 0; i < 3; i++) {
    guest.trace.begin(0, mark);
    guest.trace.end(0, mark);
  }
  const counts = guest.counts();
  assert.deepEqual(counts.hypercalls, { XENMEM_remove_from_physmap: 3 });
  assert.deepEqual(counts.rest, { exit: 6, "shadow-fault": 0, "round-trip": 3 });
});

test("an access beyond the smallest IPA size is refused, by row and address", () => {
  const guest = new Guest().run(0, 1).touch(0, 2 ** 28 - 1, 2 ** 28);
  assert.throws(
    () => guest.counts(),
    new InputError("row 3: access to IPA 0x10000000000, expected one below 2^40, the host's IPA size"),
  );
});

test("a pCPU beyond the guest hypervisor's vCPUs is refused, by row", () => {
  const nested = new KvmNested(SHAPE, [40], 1);
  const trace = new Recorder(2, [nested]);
  trace.context(1, 1, 1);
  trace.access(1, Access.read, 3, 1, 1, 1);
  assert.throws(() => trace.flush(), new InputError("row 1: pCPU 1, expected 0 to 0"));
});
