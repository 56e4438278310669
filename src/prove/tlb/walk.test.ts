/** Walks with an empty TLB, held against a walk written down naively, over random tables of both stages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GRANULES } from "../../arch/index.js";
import { modelWithout } from "../rules.js";
import { Catalogue } from "./catalogue.js";
import { Cells } from "./cells.js";
import { type ContextParts, EL2, EL10 } from "./entry.js";
import { Knowledge, peKey } from "./knowledge.js";
import { MayCache } from "./maycache.js";
import { Timeline } from "./timeline.js";
import { Values } from "./values.js";

const PAGE = 4096n;
/** Tables and memory are in these few pages, so that random descriptors meet each other. */
const PAGES = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n];
const VA = 0n;

/** A descriptor in slot 0 of a table: what it points to, and its low bits. */
const descriptor = fc
  .record({
    page: fc.constantFrom(...PAGES),
    kind: fc.constantFrom(0n, 1n, 3n, 3n, 3n),
    ap: fc.bigInt(0n, 3n),
    af: fc.boolean(),
  })
  .map(({ page, kind, ap, af }) => (page * PAGE) | (ap << 6n) | (af ? 1n << 10n : 0n) | (1n << 11n) | kind);

const memories = fc.array(descriptor, { minLength: PAGES.length, maxLength: PAGES.length });

type Walked = { readonly pa: bigint; readonly ap: bigint } | string;

/** One stage from a root, for input address 0; `through` takes the address of each table to memory. */
function naive(memory: readonly bigint[], root: bigint, through: (table: bigint) => Walked, stage: 1 | 2): Walked {
  let table = root;
  for (let level = 0; level < 4; level++) {
    const at = through(table);
    if (typeof at === "string") return at;
    const d = memory[Number(at.pa / PAGE) - 1] ?? 0n;
    const leaf = level === 3 ? (d & 3n) === 3n : level > 0 && (d & 3n) === 1n;
    const size = PAGE << BigInt(9 * (3 - level));
    const base = d & 0xffff_ffff_f000n;
    if (leaf && (d & (1n << 10n)) === 0n) return `stage ${stage} access flag, level ${level}`;
    if (leaf) return { pa: base - (base % size), ap: (d >> 6n) & 3n };
    if (level === 3 || (d & 3n) !== 3n) return `stage ${stage} translation, level ${level}`;
    table = base;
  }
  throw new Error("unreachable");
}

const flat = (pa: bigint): Walked => ({ pa, ap: 3n });

/** What the model's walk from an empty TLB gives for VA 0. */
function modelled(memory: readonly bigint[], context: ContextParts): string[] {
  const values = new Values();
  const timeline = new Timeline();
  const read = (pa: number): bigint => (pa % 4096 === 0 ? (memory[pa / 4096 - 1] ?? 0n) : 0n);
  const cells = new Cells({ read, describe: () => undefined }, values, new Map());
  const catalogue = new Catalogue(modelWithout(), 12);
  const knowledge = new Knowledge();
  knowledge.changing.set(peKey(0, context.regime), [Number(VA)]);
  const cache = new MayCache(
    timeline,
    cells,
    values,
    catalogue,
    knowledge,
    false,
    modelWithout(),
    [],
    false,
    GRANULES[12],
  );
  const whole = catalogue.context(context);
  cache.begin(0, [], []);
  const { entries, faults } = cache.results(0, whole, Number(VA), 0);
  return [
    ...entries.map((id) => {
      const leaf = catalogue.leaves[catalogue.entries[id]!.payload]!;
      return `0x${(leaf.page * 4096).toString(16)} AP ${leaf.ap} S2AP ${leaf.s2ap}`;
    }),
    ...faults.map((f) => `stage ${f.stage} ${f.type.replace("-", " ")}, level ${f.level}`),
  ];
}

const context = (regime: typeof EL10 | typeof EL2, stage2: boolean): ContextParts => ({
  regime,
  stage1: true,
  stage2,
  root0: 1,
  root1: 1,
  asid: 0,
  stage2Root: 2,
  vmid: 0,
  ha: false,
  xs: 0,
  mair: 0xffff_ffff_ffff_ffffn,
  hd: false,
  common: 0,
});

test("one stage: the walk ends where a naive walk ends, or faults as it does", () => {
  fc.assert(
    fc.property(memories, (memory) => {
      const end = naive(memory, PAGE, flat, 1);
      const expected = typeof end === "string" ? end : `0x${end.pa.toString(16)} AP ${end.ap} S2AP 3`;
      assert.deepEqual(modelled(memory, context(EL2, false)), [expected]);
    }),
    { numRuns: 2000 },
  );
});

test("two stages: every table of stage 1 and the final address go through stage 2", () => {
  fc.assert(
    fc.property(memories, (memory) => {
      // Stage 2 sees input addresses other than 0 too: only slot 0 of its tables is filled, so those within 4 KiB map.
      const stage2 = (ipa: bigint): Walked => (ipa < PAGE ? naive(memory, 2n * PAGE, flat, 2) : walkAt(memory, ipa));
      const one = naive(memory, PAGE, stage2, 1);
      const end = typeof one === "string" ? one : stage2(one.pa);
      const expected =
        typeof end === "string" || typeof one === "string"
          ? (end as string)
          : `0x${end.pa.toString(16)} AP ${one.ap} S2AP ${end.ap}`;
      assert.deepEqual(modelled(memory, context(EL10, true)), [expected]);
    }),
    { numRuns: 2000 },
  );
});

/** Stage 2 for an IPA above the first page: slot 0 of levels 0 to 2 is shared, the level-3 slot is another one, and empty. */
function walkAt(memory: readonly bigint[], ipa: bigint): Walked {
  let table = 2n * PAGE;
  for (let level = 0; level < 4; level++) {
    const size = PAGE << BigInt(9 * (3 - level));
    const slot = (ipa / size) % 512n;
    const d = slot === 0n ? (memory[Number(table / PAGE) - 1] ?? 0n) : 0n;
    const base = d & 0xffff_ffff_f000n;
    const leaf = level === 3 ? (d & 3n) === 3n : level > 0 && (d & 3n) === 1n;
    if (leaf && (d & (1n << 10n)) === 0n) return `stage 2 access flag, level ${level}`;
    if (leaf) return { pa: base - (base % size) + (ipa % size), ap: (d >> 6n) & 3n };
    if (level === 3 || (d & 3n) !== 3n) return `stage 2 translation, level ${level}`;
    table = base;
  }
  throw new Error("unreachable");
}
