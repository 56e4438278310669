import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { BLOCK_EVENTS } from "./buffer.js";
import { KINDS, Kind } from "./event.js";
import { anyEvent, feed, type PlainEvent } from "./events.testing.js";
import { traceDigest } from "./file.js";

function digestOf(events: readonly PlainEvent[], capacity?: number): string {
  const digest = traceDigest();
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
    unknown: 0,
    words: new Array(10).fill(0),
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
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((at) => (e: PlainEvent) => ({
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

/** The bytes that digest.ts describes, written down event by event. */
function bytesOf(events: readonly PlainEvent[]): Buffer {
  const texts: string[] = [];
  const pieces: Buffer[] = [];
  const put = (bytes: number, values: readonly number[]): void => {
    const piece = Buffer.alloc(bytes * values.length);
    values.forEach(
      (value, i) => void piece.writeUIntLE(value < 0 ? value + 2 ** (8 * bytes) : value, i * bytes, bytes),
    );
    pieces.push(piece);
  };
  for (let at = 0; at < events.length; at += BLOCK_EVENTS) {
    const chunk = events.slice(at, at + BLOCK_EVENTS);
    const fresh = [...new Set(chunk.flatMap((e) => [e.name, e.site]))].filter((text) => !texts.includes(text));
    texts.push(...fresh);
    put(4, [chunk.length, fresh.length]);
    for (const text of fresh) {
      put(4, [text.length]);
      pieces.push(Buffer.from(text, "utf16le"));
    }
    const of = (bytes: number, value: (e: PlainEvent) => number): void => put(bytes, chunk.map(value));
    of(1, (e) => e.kind);
    of(1, (e) => e.pcpu);
    of(4, (e) => texts.indexOf(e.name));
    of(2, (e) => e.domain);
    of(2, (e) => e.vmid);
    of(1, (e) => e.stage);
    of(1, (e) => e.level);
    of(2, (e) => e.slot);
    of(4, (e) => texts.indexOf(e.site));
    for (const first of [0, 2, 4])
      put(
        4,
        chunk.flatMap((e) => e.words.slice(first, first + 2)),
      );
    of(1, (e) => e.unknown);
    const wide = (first: number): number[] => chunk.flatMap((e) => [e.words[first] ?? 0, e.words[first + 1] ?? 0]);
    for (const first of [6, 8]) put(4, wide(first));
    // The host's counts, where one of the chunk was counted: so the digests of all other traces are what they were.
    if (chunk.some((e) => e.words.length > 10)) for (let first = 10; first < 24; first += 2) put(4, wide(first));
  }
  return Buffer.concat(pieces);
}

test("the digest is the SHA-256 of the bytes that are documented, also of more than one chunk", () => {
  const sha256 = (events: readonly PlainEvent[]): string => createHash("sha256").update(bytesOf(events)).digest("hex");
  fc.assert(
    fc.property(someEvents, (events) => assert.equal(digestOf(events), sha256(events))),
    { numRuns: 30 },
  );
  const few = fc.sample(anyEvent, { numRuns: 50, seed: 1 });
  const many = Array.from({ length: 2 * BLOCK_EVENTS + 7 }, (_, i) => few[(i * i) % few.length]!);
  for (const capacity of [1, 1000, BLOCK_EVENTS, 3 * BLOCK_EVENTS])
    assert.equal(digestOf(many, capacity), sha256(many));
  assert.ok(new Set(many.map((e) => e.kind)).size > KINDS.length / 2);
});

test("texts that no encoding tells apart are told apart", () => {
  const at = (site: string): PlainEvent => ({ ...fc.sample(anyEvent, { numRuns: 1, seed: 1 })[0]!, site });
  assert.notEqual(digestOf([at("\ud800")]), digestOf([at("\udc00")]));
});
