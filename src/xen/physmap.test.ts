import assert from "node:assert/strict";
import { test } from "node:test";

import { EDOM, EFAULT, EILSEQ, EINVAL, ENOENT, EOPNOTSUPP, EPERM, ESRCH } from "./errno.js";
import { MAX_BATCH, MapSpace } from "./physmap.js";
import { orderOf, testPolicy, tlbisOf, type World, world } from "./world.fixture.js";

const FOREIGN = 0x10000;

/** dom0 (id 0) with no memory, and domain 1 with 16 pages at gfn 0. */
function two(options: Parameters<typeof world>[0] = {}): World {
  const w = world(options);
  w.domain(0, 0);
  w.domain(1, 16);
  return w;
}

/** dom0 maps domain 1's pages 0 to n-1 at FOREIGN. Returns the errors. */
function mapAll(w: World, n: number): number[] {
  const errs = new Int32Array(n);
  const rc = w.physmap.addToPhysmapBatch({
    domid: 0,
    space: MapSpace.gmfn_foreign,
    size: n,
    foreignDomid: 1,
    idxs: Array.from({ length: n }, (_, i) => i),
    gpfns: Array.from({ length: n }, (_, i) => FOREIGN + i),
    errs,
  });
  assert.equal(rc, 0);
  return [...errs];
}

const gpfns = (n: number): number[] => Array.from({ length: n }, (_, i) => FOREIGN + i);
const removal = (n: number, more: object = {}) => ({
  domid: 0,
  size: n,
  gpfns: gpfns(n),
  errs: new Int32Array(n),
  ...more,
});

const BATCH = testPolicy({ due: "batch-end" });

test("mapping foreign pages costs no flush and takes a reference on each", () => {
  const w = two();
  assert.deepEqual(mapAll(w, 3), [0, 0, 0]);
  assert.deepEqual(tlbisOf(w.take()), []);
  const { p2m } = w.xen.domain(1)!;
  assert.ok(p2m.lookup(0));
  assert.equal(w.machine.heap.refs[p2m.foundMfn], 2);
});

test("XENMEM_remove_from_physmap flushes once a page, in the VMID of the domain, and drops the reference", () => {
  const w = two();
  mapAll(w, 2);
  w.take();
  assert.equal(w.physmap.removeFromPhysmap(0, FOREIGN), 0);
  assert.equal(w.physmap.removeFromPhysmap(0, FOREIGN + 1), 0);
  const events = w.take();
  assert.deepEqual(tlbisOf(events), ["VMALLS12E1IS", "VMALLS12E1IS"]);
  assert.ok(events.every((e) => e.kind !== "tlbi" || e.vmid === 1));
  const { p2m } = w.xen.domain(1)!;
  p2m.lookup(0);
  assert.equal(w.machine.heap.refs[p2m.foundMfn], 1);
});

test("removing from no domain is -ESRCH, removing nothing -ENOENT, neither with a flush", () => {
  const w = two();
  assert.equal(w.physmap.removeFromPhysmap(9, FOREIGN), -ESRCH);
  assert.equal(w.physmap.removeFromPhysmap(0, FOREIGN), -ENOENT);
  const events = w.take();
  assert.deepEqual(tlbisOf(events), []);
  const ends = events.filter((e) => e.kind === "end").map((e) => BigInt.asIntN(64, BigInt(`0x${e.to}`)));
  assert.deepEqual(ends, [-3n, -2n]);
});

test("add_to_physmap: errors as Xen has them", () => {
  const w = two();
  const add = (...args: Parameters<World["physmap"]["addToPhysmap"]>) => w.physmap.addToPhysmap(...args);
  assert.equal(add(9, MapSpace.gmfn, 0, 5), -ESRCH);
  assert.equal(add(1, MapSpace.gmfn, 99, 5), -EINVAL, "nothing at the index");
  assert.equal(add(1, MapSpace.gmfn, 0, 2 ** 28), -EINVAL, "beyond 40 bits");
  assert.equal(add(1, MapSpace.gmfn_foreign, 0, 5), -EINVAL, "foreign to itself");
  assert.equal(add(1, MapSpace.dev_mmio, 0, 5), -EOPNOTSUPP);
});

test("add_to_physmap of a gmfn moves the page: one flush for what it left", () => {
  const w = two();
  const { p2m } = w.xen.domain(1)!;
  p2m.lookup(3);
  const page = p2m.foundMfn;
  assert.equal(w.physmap.addToPhysmap(1, MapSpace.gmfn, 3, 99), 0);
  assert.deepEqual(orderOf(w.take()), ["clear", "set", "VMALLS12E1IS"]);
  assert.equal(p2m.lookup(3), false);
  assert.ok(p2m.lookup(99));
  assert.equal(p2m.foundMfn, page);
});

test("a batch of mappings writes every item's error back, and goes on behind a bad one", () => {
  const w = two();
  const errs = new Int32Array(4).fill(7);
  const batch = { domid: 0, space: MapSpace.gmfn_foreign, size: 4, foreignDomid: 1, errs };
  const rc = w.physmap.addToPhysmapBatch({
    ...batch,
    idxs: [0, 999, 1, 2],
    gpfns: [FOREIGN, FOREIGN + 1, 2 ** 28, FOREIGN + 3],
  });
  assert.equal(rc, 0);
  assert.deepEqual([...errs], [0, -EINVAL, -EINVAL, 0]);
  w.physmap.addToPhysmapBatch({ ...batch, foreignDomid: 9, idxs: [0, 0, 0, 0], gpfns: [1, 2, 3, 4] });
  assert.deepEqual([...errs], [-ESRCH, -ESRCH, -ESRCH, -ESRCH]);
});

test("both batch calls refuse the same arguments with the same codes", () => {
  const w = two();
  const add = (more: object) =>
    w.physmap.addToPhysmapBatch({
      domid: 0,
      space: MapSpace.gmfn_foreign,
      size: 1,
      foreignDomid: 1,
      idxs: [0],
      gpfns: [FOREIGN],
      errs: [0],
      ...more,
    });
  const remove = (more: object) => w.physmap.removeFromPhysmapBatch(removal(1, more));
  for (const call of [add, remove]) {
    assert.equal(call({ domid: 9 }), -ESRCH);
    assert.equal(call({ gpfns: null }), -EFAULT);
    assert.equal(call({ errs: null }), -EFAULT);
    assert.equal(call({ size: MAX_BATCH + 1 }), -EDOM);
    assert.equal(call({ size: -1 }), -EDOM);
    assert.equal(call({ size: 0, gpfns: [], idxs: [], errs: [] }), 0);
  }
  assert.equal(add({ idxs: null }), -EFAULT);
  assert.equal(add({ space: MapSpace.gmfn_range }), -EOPNOTSUPP);
  assert.deepEqual(tlbisOf(w.take()), []);
});

test("a batch of removals flushes once, at its end, and writes every item's error back", () => {
  const w = two({ policy: BATCH });
  mapAll(w, 3);
  w.take();
  const batch = removal(5);
  assert.equal(w.physmap.removeFromPhysmapBatch(batch), 0);
  const events = w.take();
  assert.deepEqual(orderOf(events), ["clear", "clear", "clear", "VMALLS12E1IS"]);
  assert.equal(events.find((e) => e.kind === "tlbi")!.site, "xenmem_remove_from_physmap_batch");
  assert.deepEqual([...batch.errs], [0, 0, 0, -ENOENT, -ENOENT]);
});

test("a batch that gives way flushes before every continuation, which is a hypercall again", () => {
  const w = two({ policy: BATCH, preemptAfter: 2 });
  mapAll(w, 5);
  w.take();
  assert.equal(w.physmap.removeFromPhysmapBatch(removal(5)), 0);
  const events = w.take();
  const marks = events.flatMap((e) => {
    if (e.kind === "begin" || e.kind === "end") return [`${e.kind} ${e.to}`];
    return e.kind === "tlbi" || e.kind === "write" ? [e.kind] : [];
  });
  const part = (result: number, writes: number): string[] => [
    "begin 0",
    ...new Array<string>(writes).fill("write"),
    "tlbi",
    `end ${result}`,
  ];
  assert.deepEqual(marks, [...part(2, 2), ...part(4, 2), ...part(0, 1)]);
});

test("a guest that shrinks its batch between continuations gets -EILSEQ, with what was done flushed", () => {
  for (const shrunk of [1, 2]) {
    const w = two({ policy: BATCH, preemptAfter: 2 });
    mapAll(w, 4);
    w.take();
    let size = 4;
    const errs = {
      length: 4,
      set 1(_: number) {
        size = shrunk;
      },
    };
    const batch = {
      domid: 0,
      get size() {
        return size;
      },
      gpfns: gpfns(4),
      errs,
    };
    assert.equal(w.physmap.removeFromPhysmapBatch(batch), -EILSEQ);
    assert.deepEqual(orderOf(w.take()), ["clear", "clear", "VMALLS12E1IS"]);
  }
});

test("a batch of which nothing is mapped flushes nothing", () => {
  const w = two({ policy: BATCH, preemptAfter: 2 });
  assert.equal(w.physmap.removeFromPhysmapBatch(removal(5)), 0);
  assert.deepEqual(tlbisOf(w.take()), []);
});

test("a fault in the middle of a batch leaves what was done, flushed", () => {
  const w = two({ policy: BATCH });
  mapAll(w, 4);
  w.take();
  const errs = new Int32Array(4).fill(7);
  assert.equal(w.physmap.removeFromPhysmapBatch(removal(4, { gpfns: gpfns(2), errs })), -EFAULT);
  assert.deepEqual(orderOf(w.take()), ["clear", "clear", "VMALLS12E1IS"]);
  assert.deepEqual([...errs], [0, 0, 7, 7]);
  assert.ok(w.xen.domain(0)!.p2m.lookup(FOREIGN + 2));
});

test("what a batch frees is on the heap only after its flush: a page whose domain is gone", () => {
  const w = two({ policy: BATCH });
  mapAll(w, 3);
  w.xen.destroy(1, 4096);
  w.take();
  const before = w.machine.heap.freePages;
  assert.equal(w.physmap.removeFromPhysmapBatch(removal(3)), 0);
  const events = w.take();
  assert.deepEqual(orderOf(events), ["clear", "clear", "clear", "VMALLS12E1IS", "owner", "owner", "owner"]);
  assert.ok(
    events.every((e) => e.kind !== "owner" || e.from === "1"),
    "the pages were the dead domain's, not the mapper's",
  );
  assert.equal(w.machine.heap.freePages, before + 3);
});

test("one removal outside a batch frees after its flush where the policy has only batches", () => {
  const w = two({ policy: BATCH });
  mapAll(w, 1);
  w.take();
  assert.equal(w.physmap.removeFromPhysmap(0, FOREIGN), 0);
  assert.deepEqual(orderOf(w.take()), ["clear", "VMALLS12E1IS"]);
});

test("a table that a batch frees is kept until the flush", () => {
  const w = two({ policy: BATCH });
  mapAll(w, 2);
  w.take();
  const { p2m } = w.xen.domain(0)!;
  const { heap } = w.machine;
  const free = heap.freePages;
  p2m.beginBatch();
  p2m.lock();
  p2m.setEntry(FOREIGN, 512, -1, 0);
  p2m.unlock();
  assert.equal(heap.freePages, free, "not yet");
  assert.deepEqual(tlbisOf(w.take()), []);
  p2m.endBatch();
  assert.equal(heap.freePages, free + 1);
  assert.deepEqual(tlbisOf(w.take()), ["VMALLS12E1IS"]);
});

test("decrease_reservation gives pages back one flush each, and stops at what is not there", () => {
  const w = two();
  const free = w.machine.heap.freePages;
  assert.equal(w.physmap.decreaseReservation(1, [0, 1, 99, 2]), 2);
  assert.deepEqual(orderOf(w.take()), ["clear", "VMALLS12E1IS", "owner", "clear", "VMALLS12E1IS", "owner"]);
  assert.equal(w.machine.heap.freePages, free + 2);
  assert.equal(w.physmap.decreaseReservation(9, [0]), -ESRCH);
  w.machine.heap.owner[w.machine.heap.pages - 1] = 7;
  const { p2m } = w.xen.domain(1)!;
  p2m.lookup(2);
  w.machine.heap.owner[p2m.foundMfn] = 7;
  assert.equal(w.physmap.decreaseReservation(1, [2]), -EPERM);
});

test("a page that others map stays theirs when its owner gives it back", () => {
  const w = two();
  mapAll(w, 1);
  w.take();
  assert.equal(w.physmap.decreaseReservation(1, [0]), 1);
  assert.deepEqual(orderOf(w.take()), ["clear", "VMALLS12E1IS"], "no owner change yet");
  w.physmap.removeFromPhysmap(0, FOREIGN);
  const events = w.take();
  assert.deepEqual(
    events.filter((e) => e.kind === "owner").map((e) => e.from),
    ["1"],
  );
});

test("populate_physmap tells how many extents it filled before memory ended", () => {
  const w = world({ ramMib: 2 });
  w.domain(1, 0);
  const many = Array.from({ length: 1000 }, (_, i) => i);
  const done = w.physmap.populate(1, many, 0);
  assert.ok(done > 400 && done < 512, `${done}`);
  assert.equal(w.physmap.populate(9, many, 0), -ESRCH);
  assert.equal(w.physmap.populate(1, [2 ** 28], 0), 0, "beyond the table");
});
