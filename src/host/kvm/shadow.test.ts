import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ShadowPool, ShadowStage2, WalkCounts } from "./shadow.js";

const GIB = 2 ** 18;
/** Distinct values of page / unit over a set of pages: how many tables of a level the pages need. */
const regions = (pages: Iterable<number>, unit: number): number =>
  new Set([...pages].map((page) => Math.floor(page / unit))).size;

/** What one step must count, from the set of mapped pages alone. */
function naiveStep(mapped: Set<number>, chunk: number, first: number, last: number): WalkCounts {
  const counts = new WalkCounts();
  const inChunk = [...mapped].filter((page) => Math.floor(page / GIB) === chunk).map((page) => page - chunk * GIB);
  const inUpper = [...mapped].some((page) => Math.floor(page / GIB / 512) === Math.floor(chunk / 512));
  counts.upperDescends = Number(inUpper);
  if (inChunk.length === 0) return counts;
  counts.upperDescendsPopulated = counts.populatedChunks = 1;
  counts.descends = 1;
  const tables = new Set(inChunk.map((page) => page >> 9));
  const here = new Set(inChunk);
  for (let slot = first >> 9; slot <= last >> 9; slot++)
    if (!tables.has(slot)) counts.emptySlots++;
    else {
      counts.descends++;
      for (let page = Math.max(first, slot << 9); page <= Math.min(last, (slot << 9) + 511); page++)
        if (here.has(page)) counts.leaves++;
        else counts.emptySlots++;
    }
  const before = [...mapped];
  for (const page of inChunk) if (page >= first && page <= last) mapped.delete(page + chunk * GIB);
  counts.freed = regions(before, 512) + regions(before, GIB) - regions(mapped, 512) - regions(mapped, GIB);
  counts.upperFreed = regions(before, 512 * GIB) - regions(mapped, 512 * GIB);
  return counts;
}

const CHUNKS = [0, 1, 511, 512, 1030];
const place = fc.constantFrom(0, 1, 5, 511, 512, 1000, GIB - 1);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ map: fc.constantFrom(...CHUNKS), at: place }) },
  { weight: 1, arbitrary: fc.record({ unmap: fc.constantFrom(...CHUNKS), ends: fc.tuple(place, place) }) },
);

test("shadow tables hold, drop, free and walk what a plain set of pages says", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const shadow = new ShadowStage2(new ShadowPool(12));
      const mapped = new Set<number>();
      for (const s of steps)
        if ("map" in s) {
          const page = s.map * GIB + s.at;
          assert.equal(shadow.find(page) >= 0, mapped.has(page));
          if (!mapped.has(page)) shadow.map(3, 3);
          mapped.add(page);
        } else {
          const [first, last] = [Math.min(...s.ends), Math.max(...s.ends)];
          const counts = new WalkCounts();
          shadow.unmapPiece(s.unmap, first, last, counts);
          assert.deepEqual(counts, naiveStep(mapped, s.unmap, first, last));
        }
      for (const chunk of CHUNKS)
        for (const at of [0, 1, 5, 511, 512, 1000, GIB - 1])
          assert.equal(shadow.find(chunk * GIB + at) >= 0, mapped.has(chunk * GIB + at));
    }),
    { numRuns: 150 },
  );
});

const leaf = fc.record({ chunk: fc.constantFrom(...CHUNKS), at: place, level: fc.constantFrom(1, 2, 3) });

test("dropping a whole shadow counts what one step after the other over every chunk counts", () => {
  fc.assert(
    fc.property(fc.array(leaf, { maxLength: 12 }), fc.array(leaf, { maxLength: 6 }), (leaves, later) => {
      const pool = new ShadowPool(12);
      const shadows = [new ShadowStage2(pool), new ShadowStage2(pool)] as const;
      // The second round runs on tables that went back to the pool.
      for (const round of [leaves, later]) {
        for (const shadow of shadows)
          for (const { chunk, at, level } of round) if (shadow.find(chunk * GIB + at) < 0) shadow.map(level, level);
        const [whole, stepped] = [new WalkCounts(), new WalkCounts()];
        shadows[0].unmapAll(whole);
        for (let chunk = 0; chunk < 1200; chunk++) shadows[1].unmapPiece(chunk, 0, GIB - 1, stepped);
        assert.deepEqual(whole, stepped);
      }
    }),
    { numRuns: 100 },
  );
});

test("the same above 48 bits of 16 KiB pages, with top tables below the root", () => {
  const CHUNK = 2 ** 11;
  const far = [0, 3, 2047, 2048, 2 ** 22, 2 ** 22 + 5, 3 * 2 ** 22 + 2049];
  const pages = fc.array(fc.record({ chunk: fc.constantFrom(...far), at: fc.constantFrom(0, 7, CHUNK - 1) }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(pages, (leaves) => {
      const pool = new ShadowPool(14, 52);
      const shadows = [new ShadowStage2(pool), new ShadowStage2(pool)] as const;
      for (const shadow of shadows)
        for (const { chunk, at } of leaves) if (shadow.find(chunk * CHUNK + at) < 0) shadow.map(3, 3);
      const [whole, stepped] = [new WalkCounts(), new WalkCounts()];
      shadows[0].unmapAll(whole);
      // Steps over chunks that no table holds count nothing: those of the top tables at hand, and the next one's first.
      const tops = [...new Set(leaves.map(({ chunk }) => Math.floor(chunk / 2 ** 22)))].sort((a, b) => a - b);
      const last = Math.max(0, ...leaves.map(({ chunk }) => chunk % 2 ** 22));
      for (const top of tops)
        for (let i = 0; i <= last; i++) shadows[1].unmapPiece(top * 2 ** 22 + i, 0, CHUNK - 1, stepped);
      assert.deepEqual(whole, stepped);
    }),
    { numRuns: 100 },
  );
});

test("a block maps all its pages, and goes whole when any part is unmapped", () => {
  const shadow = new ShadowStage2(new ShadowPool(12));
  shadow.find(512 + 7);
  shadow.map(2, 2);
  assert.deepEqual(
    [511, 512, 1023, 1024].map((page) => shadow.find(page)),
    [-1, 2, 2, -1],
  );
  const counts = new WalkCounts();
  shadow.unmapPiece(0, 600, 600, counts);
  assert.equal(counts.leaves, 1);
  assert.equal(shadow.find(512), -1);
});

test("where a table stands, a block is not put in its place", () => {
  const shadow = new ShadowStage2(new ShadowPool(12));
  shadow.find(0);
  assert.equal(shadow.map(3, 3), 3);
  shadow.find(5);
  assert.equal(shadow.map(2, 2), 3);
  assert.deepEqual(
    [0, 5, 6].map((page) => shadow.find(page)),
    [3, 2, -1],
  );
});
