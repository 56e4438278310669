import assert from "node:assert/strict";
import { test } from "node:test";
import { BARRIERS, barrierFromWord, barrierIndex, completes, completesInside, completesTlbi, tlbiOp } from "./index.js";

const barrier = (text: string) => BARRIERS[barrierIndex(text)!]!;

test("every barrier is found again by its name and by its word", () => {
  BARRIERS.forEach((b, i) => {
    assert.equal(barrierIndex(b.name), i, b.name);
    assert.equal(barrierIndex(` ${b.name.toLowerCase().replace(" ", "  ")} `), i, b.name);
    assert.equal(barrierFromWord(b.word), i, b.name);
    assert.equal(barrierFromWord(b.word | 0), i, "a signed 32-bit word is the same word");
  });
  assert.equal(new Set(BARRIERS.map((b) => b.word)).size, 1 + 2 * 12 + 4);
});

test("barrier words come out as an assembler gives them", () => {
  const known: [string, number][] = [
    ["dsb sy", 0xd5033f9f],
    ["dsb st", 0xd5033e9f],
    ["dsb ld", 0xd5033d9f],
    ["dsb ish", 0xd5033b9f],
    ["dsb ishst", 0xd5033a9f],
    ["dsb ishld", 0xd503399f],
    ["dsb nsh", 0xd503379f],
    ["dsb nshst", 0xd503369f],
    ["dsb osh", 0xd503339f],
    ["dsb oshld", 0xd503319f],
    ["dmb ish", 0xd5033bbf],
    ["dmb ishst", 0xd5033abf],
    ["dsb ishnxs", 0xd5033a3f],
    ["dsb synxs", 0xd5033e3f],
    ["isb", 0xd5033fdf],
  ];
  for (const [name, word] of known) assert.equal(barrier(name).word, word, name);
});

test("isb sy, dsb and dmb alone are the forms assemblers mean; other names are no barriers", () => {
  assert.equal(barrierIndex("ISB SY"), barrierIndex("isb"));
  assert.equal(barrierIndex("dsb"), barrierIndex("dsb sy"));
  assert.equal(barrierIndex("dmb"), barrierIndex("dmb sy"));
  for (const name of ["", "dsb is", "dsb ish st", "dmb ishnxs", "isb ish", "dsbish"])
    assert.equal(barrierIndex(name), undefined, name);
  assert.equal(barrierFromWord(0xd503201f), undefined, "a NOP");
});

test("only a DSB of loads and stores completes TLBIs: NSH the PE's own, wider ones all", () => {
  const expected: Record<string, "none" | "own" | "all"> = {
    ISB: "none",
    "DSB NSH": "own",
    "DSB NSHNXS": "own",
    "DSB ISH": "all",
    "DSB ISHNXS": "all",
    "DSB OSH": "all",
    "DSB OSHNXS": "all",
    "DSB SY": "all",
    "DSB SYNXS": "all",
  };
  for (const b of BARRIERS) assert.equal(completesTlbi(b), expected[b.name.toUpperCase()] ?? "none", b.name);
  for (const name of ["dsb ishst", "dsb st", "dsb ishld", "dsb ld", "dsb nshst", "dmb ish", "dmb sy"])
    assert.equal(completesTlbi(barrier(name)), "none", name);
});

test("a DSB completes a TLBI when its domain covers the TLBI's reach, and nXS only one with nXS", () => {
  const completing = (op: string): string[] =>
    BARRIERS.filter((b) => completes(b, tlbiOp(op)))
      .map((b) => b.name)
      .sort();
  assert.deepEqual(completing("vmalle1"), ["DSB ISH", "DSB NSH", "DSB OSH", "DSB SY"]);
  assert.deepEqual(completing("vmalle1is"), ["DSB ISH", "DSB OSH", "DSB SY"]);
  assert.deepEqual(completing("vmalle1os"), ["DSB OSH", "DSB SY"]);
  assert.deepEqual(completing("vmalle1osnxs"), ["DSB OSH", "DSB OSHnXS", "DSB SY", "DSB SYnXS"]);
});

test("for the PEs of the Inner Shareable domain an OS TLBI is complete with whatever completes that of IS", () => {
  for (const [outer, inner] of [
    ["vmalle1os", "vmalle1is"],
    ["vmalle1osnxs", "vmalle1isnxs"],
  ] as const)
    for (const b of BARRIERS) assert.equal(completesInside(b, tlbiOp(outer)), completes(b, tlbiOp(inner)), b.name);
  for (const b of BARRIERS)
    assert.equal(completesInside(b, tlbiOp("vmalle1")), completes(b, tlbiOp("vmalle1")), b.name);
});
