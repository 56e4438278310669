import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NO_DOMAIN } from "../trace/index.js";
import { Heap } from "./heap.js";

const PAGES = 600; // no power of two: the end of memory is no block

/** The largest order for which an aligned block is all free. */
function fits(free: readonly boolean[], order: number): boolean {
  for (let at = 0; at + 2 ** order <= PAGES; at += 2 ** order)
    if (free.slice(at, at + 2 ** order).every(Boolean)) return true;
  return false;
}

test("the buddy allocator gives exactly what an all-seeing one could give, aligned and never twice", () => {
  const step = fc.oneof(
    fc.record({ allocate: fc.integer({ min: 0, max: 9 }) }),
    fc.record({ free: fc.nat(999) }),
    fc.record({ freeOne: fc.nat(999) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap = new Heap(PAGES);
      const free: boolean[] = new Array(PAGES).fill(true);
      const held: number[] = [];
      const put = (page: number): void => {
        assert.ok(heap.putAllocRef(page));
        free[page] = true;
      };
      for (const s of steps) {
        if ("allocate" in s) {
          const page = heap.allocate(s.allocate, 1);
          assert.equal(page !== undefined, fits(free, s.allocate), `order ${s.allocate}`);
          if (page === undefined) continue;
          assert.equal(page % 2 ** s.allocate, 0);
          for (let p: number = page; p < page + 2 ** s.allocate; p++) {
            assert.ok(p < PAGES && free[p]);
            free[p] = false;
            held.push(p);
          }
        } else if (held.length > 0) {
          const many = "free" in s ? Math.ceil(held.length / 2) : 1;
          const at = ("free" in s ? s.free : s.freeOne) % held.length;
          for (const page of held.splice(at, many)) put(page);
        }
        assert.equal(heap.freePages, free.filter(Boolean).length);
      }
    }),
    { numRuns: 60, seed: 1 },
  );
});

test("a page is free when its last reference goes, the owner's or a mapping's", () => {
  const heap = new Heap(16);
  const page = heap.allocate(0, 5)!;
  assert.ok(heap.get(page));
  assert.equal(heap.putAllocRef(page), false);
  assert.equal(heap.owner[page], 5);
  assert.equal(heap.putAllocRef(page), false, "the owner's reference goes once");
  assert.equal(heap.putPage(page), true);
  assert.equal(heap.owner[page], NO_DOMAIN);
  assert.equal(heap.get(page), false, "nobody takes a reference on a free page");
  assert.throws(() => heap.putPage(page), /put_page of the free page/);
});

test("references do not wrap: the count at its end gives no more", () => {
  const heap = new Heap(16);
  const page = heap.allocate(0, 5)!;
  for (let i = 1; i < 0xffff; i++) assert.ok(heap.get(page));
  assert.equal(heap.get(page), false);
  assert.equal(heap.refs[page], 0xffff);
});

test("a page that a domain used needs one flush before the next use: on Arm no flush in between is known of", () => {
  const heap = new Heap(4);
  const fresh = heap.allocate(2, 1)!;
  assert.equal(heap.takeTlbflush(fresh, 2), false, "never used");
  for (let p = 0; p < 4; p++) heap.putAllocRef(p);
  const again = heap.allocate(1, 2)!;
  assert.equal(heap.takeTlbflush(again, 1), true);
  assert.equal(heap.takeTlbflush(again, 1), false, "once");
  const rest = heap.allocate(1, 2)!;
  assert.equal(heap.takeTlbflush(rest, 1), true, "that allocation was not the one that flushed for these");
});

test("what a dying domain leaves is scrubbed, once, unless it is allocated first; what others free is not", () => {
  const scrubbed = (heap: Heap): number[] => {
    const pages: number[] = [];
    for (const _ of heap.scrubFree((page) => pages.push(page)));
    return pages;
  };
  const heap = new Heap(16);
  const [alive, dying] = [heap.allocate(2, 1)!, heap.allocate(2, 2)!];
  for (let i = 0; i < 4; i++) heap.putAllocRef(alive + i);
  heap.setDying(2, true);
  heap.get(dying);
  for (let i = 0; i < 4; i++) heap.putAllocRef(dying + i);
  assert.deepEqual(scrubbed(heap), [dying + 1, dying + 2, dying + 3], "the first one is still mapped elsewhere");
  assert.deepEqual(scrubbed(heap), []);
  heap.putPage(dying);
  assert.deepEqual(scrubbed(heap), [dying]);
  heap.setDying(3, true);
  const page = heap.allocate(0, 3)!;
  heap.putAllocRef(page);
  heap.allocate(0, 4);
  assert.deepEqual(scrubbed(heap), [], "allocated, and so scrubbed, before");
});

test("a page that was Xen's own needs no flush", () => {
  const heap = new Heap(1);
  heap.putAllocRef(heap.allocate(0, NO_DOMAIN)!);
  assert.equal(heap.takeTlbflush(heap.allocate(0, 1)!, 0), false);
});
