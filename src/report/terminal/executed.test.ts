import assert from "node:assert/strict";
import { test } from "node:test";
import type { Executed, ExecutedFlush } from "../../compare/index.js";
import { executedText } from "./executed.js";

const flush = (more: Partial<ExecutedFlush>): ExecutedFlush => ({
  occasion: "revoke",
  count: 1,
  callers: [{ caller: "p2m_flush < do_memory_op", count: 1 }],
  ownerCurrent: true,
  entries: 1,
  pages: 1,
  bySlot: false,
  instructions: ["tlbi vmalls12e1is", "isb"],
  executes: [],
  unknown: [],
  beside: [],
  ...more,
});

const executed = (more: Partial<Executed>): Executed => ({
  occasions: [{ occasion: "revoke", flushes: 5, executes: [], unknown: [] }],
  executes: [],
  unknown: [],
  flushes: [],
  others: [],
  beyond: 0,
  unplaced: 0,
  unfinished: 0,
  ...more,
});

const beside = {
  policy: "mine",
  execution: "unknown",
  first: 1,
  expected: ["tlbi vmalls12e1is", "dsb ish", "isb"],
} as const;

test("what is unknown is marked with a question, and told as unknown", () => {
  const text = executedText(
    executed({ unknown: ["mine"], flushes: [flush({ unknown: ["mine"], beside: [beside] })] }),
    { policy: "mine", partlyBlind: true },
    80,
  );
  assert.match(text, /On all of these occasions it may be mine; that is unknown\./);
  assert.match(text, / \? +isb +dsb ish\n/);
});

test("flushes with the same sequences are one, with their number; those beyond three ways are told", () => {
  const differs = { ...beside, execution: "differs" } as const;
  const ways = ["isb", "dsb sy", "dsb nsh", "dsb ld"].map((last, i) =>
    flush({ count: 10 - i, instructions: [last], beside: [differs] }),
  );
  const text = executedText(executed({ flushes: [...ways, ways[0]!] }), { policy: undefined, partlyBlind: false }, 80);
  assert.match(text, /^revoke, 20 times by p2m_flush < do_memory_op; the first: one entry of 1 page\nremoved:$/m);
  assert.match(text, /On the occasion 'revoke' flushes differ in 1 more ways/);
});

test("a missing flush is nothing beside what the policy executes", () => {
  const none = flush({ instructions: [], callers: [{ caller: "", count: 1 }], beside: [{ ...beside, first: 0 }] });
  const text = executedText(executed({ flushes: [none] }), { policy: "mine", partlyBlind: false }, 80);
  assert.match(text, /nothing +tlbi vmalls12e1is/);
});

test("what could not be compared is told, and then nothing is said of the whole", () => {
  const text = executedText(
    executed({ beyond: 2, unplaced: 3, unfinished: 1, others: [{ op: "ALLE1IS", caller: "f", count: 7 }] }),
    { policy: undefined, partlyBlind: false },
    200,
  );
  for (const part of [/2 flushes more were not compared/, /Of 3 removals/, /1 removals? when/, /7 ALLE1IS by f/])
    assert.match(text, part);
  assert.doesNotMatch(text, /No policy is what was executed/);
});
