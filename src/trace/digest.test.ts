import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TraceDigest } from "./digest.js";
import { Kind } from "./event.js";
import { anyEvent, feed, type PlainEvent } from "./events.testing.js";

function digestOf(events: readonly PlainEvent[], capacity?: number): string {
  const digest = new TraceDigest();
  feed(events, digest, capacity);
  return digest.digest();
}

const someEvents = fc.array(anyEvent, { minLength: 1, maxLength: 30 });

test("blocks of another size change nothing", () => {
  fc.assert(
    fc.property(someEvents, fc.integer({ min: 1, max: 40 }), (events, capacity) => {
      assert.equal(digestOf(events, capacity), digestOf(events));
    }),
  );
});

test("a name counts by its text, whatever came before it", () => {
  const mark = (name: string): PlainEvent => ({
    kind: Kind.begin,
    name,
    pcpu: 0,
    domain: 0,
    vmid: 0,
    stage: 0,
    level: -1,
    slot: 0,
    site: "f",
    words: [0, 0, 0, 0, 0, 0],
  });
  assert.notEqual(digestOf([mark("phase:a"), mark("phase:b")]), digestOf([mark("phase:b"), mark("phase:a")]));
  assert.notEqual(digestOf([mark("phase:a")]), digestOf([mark("phase:b")]));
});

test("a change of any column of any event, an event more or two that change places change the digest", () => {
  const changes: ((e: PlainEvent) => PlainEvent)[] = [
    (e) => ({ ...e, pcpu: e.pcpu ^ 1 }),
    (e) => ({ ...e, domain: e.domain ^ 1 }),
    (e) => ({ ...e, vmid: e.vmid ^ 0x8000 }),
    (e) => ({ ...e, stage: e.stage ^ 1 }),
    (e) => ({ ...e, level: e.level === 3 ? -1 : e.level + 1 }),
    (e) => ({ ...e, slot: e.slot ^ 0x8000 }),
    (e) => ({ ...e, site: `${e.site}x` }),
    ...[0, 1, 2, 3, 4, 5].map((at) => (e: PlainEvent) => ({
      ...e,
      words: e.words.map((word, i) => (i === at ? (word ^ 0x8000_0000) >>> 0 : word)),
    })),
  ];
  fc.assert(
    fc.property(someEvents, fc.nat(), fc.nat(), (events, which, where) => {
      const at = where % events.length;
      const digest = digestOf(events);
      const change = changes[which % changes.length]!;
      assert.notEqual(digestOf(events.with(at, change(events[at]!))), digest);
      assert.notEqual(digestOf([...events, events[at]!]), digest);
      const swapped = [...events.slice(1), events[0]!];
      if (JSON.stringify(swapped) !== JSON.stringify(events)) assert.notEqual(digestOf(swapped), digest);
    }),
    { numRuns: 300 },
  );
});
