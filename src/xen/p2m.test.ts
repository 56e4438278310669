import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pagesAtLevel } from "../arch/index.js";
import { NO_DOMAIN } from "../trace/index.js";
import { ENOMEM } from "./errno.js";
import { INVALID_MFN } from "./p2m.js";
import { p2mGeometry } from "./p2m-geometry.js";
import { P2m, type P2mType } from "./types.js";
import { orderOf, testPolicy, tlbisOf, world } from "./world.fixture.js";

/** A domain without memory whose p2m the test fills by hand. */
function table(ipaBits = 40, policy = testPolicy()) {
  const { take, domain, machine } = world({ ipaBits, policy });
  const { p2m } = domain(1, 0);
  const set = (at: number, nr: number, page: number, type: P2mType = P2m.mmio_direct): number => {
    p2m.lock();
    const rc = p2m.setEntry(at, nr, page, page === INVALID_MFN ? P2m.invalid : type);
    p2m.unlock();
    return rc;
  };
  return { p2m, set, take, machine };
}

test("Xen's p2m starts at level 0 with one root page for 48 bits, at level 1 with two for 40", () => {
  const shape = (bits: number) => [p2mGeometry(bits).startLevel, p2mGeometry(bits).concatenated];
  assert.deepEqual([32, 36, 40, 42, 44, 48].map(shape), [
    [1, 1],
    [1, 1],
    [1, 2],
    [1, 8],
    [0, 1],
    [0, 1],
  ]);
  assert.throws(() => p2mGeometry(39), /no p2m of 39 IPA bits/);
});

const MAX = 4 * 512;
for (const ipaBits of [40, 48])
  test(`setting and removing any ranges of a ${ipaBits}-bit p2m does what a map of pages does`, () => {
    const change = fc.record({
      block: fc.boolean(),
      at: fc.nat(MAX - 1),
      pages: fc.integer({ min: 1, max: 700 }),
      to: fc.oneof(fc.constant(INVALID_MFN), fc.nat(4000)),
      type: fc.constantFrom(P2m.ram_rw, P2m.ram_ro, P2m.mmio_direct),
    });
    // Both ends of the table and the border between the two root pages of 40 bits.
    const offset = fc.constantFrom(0, 2 ** 27 - 1024, 2 ** (ipaBits - 12) - MAX);
    fc.assert(
      fc.property(offset, fc.array(change, { maxLength: 12 }), (first, changes) => {
        const { p2m, set } = table(ipaBits);
        const model = new Map<number, readonly [page: number, type: P2mType]>();
        for (const { block, at, pages, to, type } of changes) {
          // Blocks come about by alignment of all three.
          const start = block ? at - (at % 512) : at;
          const nr = Math.min(block ? 512 : pages, MAX - start);
          const page = to === INVALID_MFN || !block ? to : to - (to % 512);
          assert.equal(set(first + start, nr, page, type), 0);
          for (let i = 0; i < nr; i++)
            if (page === INVALID_MFN) model.delete(first + start + i);
            else model.set(first + start + i, [page + i, type]);
        }
        const mapped = [0, 0, 0, 0];
        for (let i = 0; i < MAX; i++) {
          const wanted = model.get(first + i);
          const found = p2m.lookup(first + i) ? [p2m.foundMfn, p2m.foundType] : undefined;
          assert.deepEqual(found, wanted, `gfn 0x${(first + i).toString(16)}`);
          if (found) mapped[p2m.foundLevel]! += 1 / pagesAtLevel(p2m.foundLevel);
        }
        assert.deepEqual(p2m.mappings, mapped, "the statistics count the leaves");
      }),
      { numRuns: 40, seed: 1 },
    );
  });

test("a new mapping costs no flush, whatever its size", () => {
  const { set, take } = table(48);
  set(0, 2 ** 18 + 512 + 1, 0);
  assert.deepEqual(tlbisOf(take()), []);
});

test("a range takes the largest entries that gfn, mfn and length are all aligned to", () => {
  const { p2m, set } = table();
  set(0, 2 ** 18, 0);
  set(2 ** 18, 512, 512);
  set(2 ** 19, 512, 1);
  set(2 ** 20, 513, 1024);
  assert.deepEqual(p2m.mappings, [0, 1, 1, 512 + 513]);
});

test("a removal writes 0 and flushes once, when the lock is released", () => {
  const { p2m, set, take } = table();
  set(0, 3, 8);
  take();
  p2m.lock();
  for (const at of [0, 1, 2]) p2m.setEntry(at, 1, INVALID_MFN, P2m.invalid);
  assert.deepEqual(orderOf(take()), ["clear", "clear", "clear"]);
  p2m.unlock();
  const events = take();
  assert.deepEqual(tlbisOf(events), ["VMALLS12E1IS"]);
  assert.equal(events.find((e) => e.kind === "tlbi")!.site, "p2m_write_unlock");
});

test("removing what is not there writes nothing and flushes nothing", () => {
  const { set, take } = table();
  set(77, 1, INVALID_MFN);
  set(0, 1024, INVALID_MFN);
  assert.deepEqual(orderOf(take()), []);
});

test("a valid entry is replaced by break-before-make: 0, flush, the new entry", () => {
  const { set, take } = table();
  set(5, 1, 8);
  take();
  set(5, 1, 9);
  const events = take();
  assert.deepEqual(orderOf(events), ["clear", "VMALLS12E1IS", "set"]);
  assert.equal(events.find((e) => e.kind === "tlbi")!.site, "__p2m_set_entry");
});

test("a block in the way is split by break-before-make: the new table first, then 0, flush, the table entry", () => {
  const { p2m, set, take } = table();
  set(512, 512, 1024);
  take();
  set(515, 1, INVALID_MFN);
  const order = orderOf(take());
  assert.deepEqual(order.slice(0, 512), new Array(512).fill("set"));
  assert.deepEqual(order.slice(512), ["clear", "VMALLS12E1IS", "set", "clear", "VMALLS12E1IS"]);
  assert.deepEqual(
    [p2m.shattered, p2m.mappings],
    [
      [0, 0, 1, 0],
      [0, 0, 0, 511],
    ],
  );
});

test("a 1 GiB block is split down to the page with one flush: both tables are made before the block goes", () => {
  const { p2m, set, take } = table();
  set(0, 2 ** 18, 0);
  take();
  set(7, 1, INVALID_MFN);
  const order = orderOf(take());
  assert.deepEqual(order.slice(0, 1025), new Array(1025).fill("set"));
  assert.deepEqual(order.slice(1025), ["clear", "VMALLS12E1IS", "set", "clear", "VMALLS12E1IS"]);
  assert.deepEqual(p2m.mappings, [0, 0, 511, 511]);
  assert.deepEqual(p2m.shattered, [0, 1, 1, 0]);
});

test("a 1 GiB block stays as it is where the heap has room for one table only", () => {
  const { p2m, set, take, machine } = table();
  set(0, 2 ** 18, 0);
  take();
  const { heap } = machine;
  while (heap.freePages > 1) heap.allocate(0, NO_DOMAIN);
  assert.equal(set(7, 1, INVALID_MFN), -ENOMEM);
  assert.ok(!orderOf(take()).includes("clear"));
  assert.equal(heap.freePages, 1);
  assert.deepEqual(p2m.mappings, [0, 1, 0, 0]);
  assert.ok(p2m.lookup(7));
});

test("a table that goes is flushed before its page is free, and not once more at unlock", () => {
  const { p2m, set, take, machine } = table();
  set(0, 5, 8);
  take();
  const free = machine.heap.freePages;
  p2m.lock();
  p2m.setEntry(0, 512, INVALID_MFN, P2m.invalid);
  assert.equal(machine.heap.freePages, free + 1);
  assert.deepEqual(orderOf(take()), ["clear", "VMALLS12E1IS"]);
  p2m.unlock();
  assert.deepEqual(orderOf(take()), []);
});

test("a table that goes counts as its pages, not as one entry: each had a leaf of its own", () => {
  const policy = testPolicy({ due: "at-once", revoke: "for entry\ntlbi ipas2e1is, ipa\nend" });
  const { set, take } = table(40, policy);
  set(0, 5, 8);
  set(512, 512, 512);
  take();
  set(512, 512, INVALID_MFN);
  assert.equal(tlbisOf(take()).length, 1, "a block is one");
  set(0, 512, INVALID_MFN);
  assert.equal(tlbisOf(take()).length, 512);
});

test("tracking accesses: the root is invalidated with one flush; so is each table below, when an access comes by", () => {
  const { p2m, set, take } = table(40);
  set(3, 2, 8);
  take();
  p2m.invalidateRoot();
  assert.deepEqual(tlbisOf(take()), ["VMALLS12E1IS"]);
  assert.ok(p2m.lookup(3), "still valid to Xen");
  assert.ok(p2m.resolveTranslationFault(3));
  const repair = take();
  assert.deepEqual(tlbisOf(repair), ["VMALLS12E1IS", "VMALLS12E1IS"]);
  // Root entry, then level 2, then the page: each is valid again after the table below was invalidated.
  assert.deepEqual(
    repair.filter((e) => e.kind === "write").map((e) => [e.level, BigInt(`0x${e.to}`) % 2n === 1n]),
    [
      [2, false],
      [1, true],
      [3, false],
      [3, false],
      [2, true],
      [3, true],
    ],
  );
  assert.equal(p2m.resolveTranslationFault(999), false, "what is not mapped stays a fault");
});

test("an entry that is valid only to Xen is removed without a flush: nothing invalid is cached", () => {
  const { p2m, set, take } = table();
  set(3, 2, 8);
  p2m.invalidateRoot();
  p2m.resolveTranslationFault(4);
  take();
  set(3, 1, INVALID_MFN);
  assert.deepEqual(orderOf(take()), ["clear"]);
  assert.equal(p2m.lookup(3), false);
});

test("entries are changed only with the lock, which is not taken twice", () => {
  const { p2m } = table();
  assert.throws(() => p2m.setEntry(0, 1, 8, P2m.ram_rw), /without the p2m's lock/);
  p2m.lock();
  assert.throws(() => p2m.lock(), /locked already/);
});
