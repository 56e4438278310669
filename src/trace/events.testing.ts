/** Traces for tests: arbitrary events, and what a file gave back as plain values. */
import fc from "fast-check";
import { BARRIERS, SYSREGS, TLBI_OPS } from "../arch/index.js";
import { EventBuffer, type TraceSink } from "./buffer.js";
import { COUNT_FIELDS } from "./columns.js";
import { ACCESSES, EXIT_NAMES, FAULTS, KINDS, Kind, MARKS, Names, nameOf } from "./event.js";

/** An event as plain values; `words` are the halves of address, from, to, time and took, and where there are any of the host's counts. */
export interface PlainEvent {
  readonly kind: number;
  readonly name: string;
  readonly pcpu: number;
  readonly domain: number;
  readonly vmid: number;
  readonly stage: number;
  readonly level: number;
  readonly slot: number;
  readonly site: string;
  readonly unknown: number;
  readonly words: readonly number[];
}

const half = fc.oneof(
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);
const u16 = fc.oneof(fc.constantFrom(0, 0x7ff4, 0xffff), fc.integer({ min: 0, max: 0xffff }));
const mark = fc
  .tuple(fc.constantFrom(...Object.keys(MARKS)), fc.string({ unit: "grapheme", maxLength: 12 }))
  .map(([cls, what]) => `${cls}:${what}`);

const NAMES: Readonly<Record<number, readonly string[]>> = {
  [Kind.write]: ["PTE", "PTE release"],
  [Kind.lock]: ["lock", "trylock", "unlock"],
  [Kind.hint]: [
    "set_root_lock",
    "set_owner_root",
    "release_table",
    "set_pte_thread_owner",
    "mem-init",
    "mem-free",
    "put_page",
  ],
  [Kind.tlbi]: TLBI_OPS.map((op) => op.name),
  [Kind.barrier]: BARRIERS.map((b) => b.name),
  [Kind.sysreg]: SYSREGS,
  [Kind.access]: ACCESSES,
  [Kind.owner]: ["owner"],
  [Kind.fault]: FAULTS,
  [Kind.exit]: EXIT_NAMES,
};
/** Halves of the host's counts, of which most traces have none. */
const COUNT_HALVES = { minLength: 2 * COUNT_FIELDS.length, maxLength: 2 * COUNT_FIELDS.length };

/** Any event of any kind. */
export const anyEvent: fc.Arbitrary<PlainEvent> = fc.integer({ min: 0, max: KINDS.length - 1 }).chain((kind) =>
  fc.record(
    {
      kind: fc.constant(kind),
      name: NAMES[kind] ? fc.constantFrom(...NAMES[kind]) : mark,
      pcpu: fc.integer({ min: 0, max: 255 }),
      domain: u16,
      vmid: u16,
      stage: fc.integer({ min: 0, max: 2 }),
      level: fc.integer({ min: -1, max: 3 }),
      slot: u16,
      site: fc.oneof(fc.constant(""), fc.string({ unit: "grapheme", maxLength: 20 })),
      unknown: fc.integer({ min: 0, max: 3 }),
      words: fc
        .tuple(
          fc.array(half, { minLength: 10, maxLength: 10 }),
          fc.oneof(fc.constant([]), fc.array(half, COUNT_HALVES)),
        )
        .map(([words, counts]) => [...words, ...(counts.some((word) => word !== 0) ? counts : [])]),
    },
    { noNullPrototype: true },
  ),
);

/** Feeds plain events to a sink, in blocks of at most `capacity`. */
export function feed(events: readonly PlainEvent[], sink: TraceSink, capacity = 100): void {
  const names = new Names();
  const b = new EventBuffer(capacity);
  for (const e of events) {
    const i = b.length++;
    b.kind[i] = e.kind;
    b.code[i] = NAMES[e.kind]?.indexOf(e.name) ?? names.id(e.name);
    b.pcpu[i] = e.pcpu;
    b.domain[i] = e.domain;
    b.vmid[i] = e.vmid;
    b.stage[i] = e.stage;
    b.level[i] = e.level;
    b.slot[i] = e.slot;
    b.site[i] = names.id(e.site);
    b.address.set(e.words.slice(0, 2), 2 * i);
    b.from.set(e.words.slice(2, 4), 2 * i);
    b.to.set(e.words.slice(4, 6), 2 * i);
    b.time.set(e.words.slice(6, 8), 2 * i);
    b.took.set(e.words.slice(8, 10), 2 * i);
    const counts = e.words.slice(10);
    if (counts.length > 0) b.counted = true;
    for (const [c, { field }] of COUNT_FIELDS.entries()) b[field].set(counts.slice(2 * c, 2 * c + 2), 2 * i);
    b.unknown[i] = e.unknown;
    if (b.length === capacity) {
      sink.events(b, names);
      b.clear();
    }
  }
  if (b.length > 0) sink.events(b, names);
}

/** Collects events as plain values. */
export class Collected implements TraceSink {
  readonly list: PlainEvent[] = [];

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++)
      this.list.push({
        kind: b.kind[i]!,
        name: nameOf(b.kind[i]!, b.code[i]!, names),
        pcpu: b.pcpu[i]!,
        domain: b.domain[i]!,
        vmid: b.vmid[i]!,
        stage: b.stage[i]!,
        level: b.level[i]!,
        slot: b.slot[i]!,
        site: names.list[b.site[i]!]!,
        unknown: b.unknown[i]!,
        words: [...wordsOf(b, i), ...countsOf(b, i)],
      });
  }
}

const WORDS = ["address", "from", "to", "time", "took"] as const;
const wordsOf = (b: EventBuffer, i: number): number[] =>
  WORDS.flatMap((field) => [...b[field].subarray(2 * i, 2 * i + 2)]);

/** The halves of the host's counts; none where nothing was counted. */
function countsOf(b: EventBuffer, i: number): number[] {
  const halves = COUNT_FIELDS.flatMap(({ field }) => [...b[field].subarray(2 * i, 2 * i + 2)]);
  return halves.some((half) => half !== 0) ? halves : [];
}
