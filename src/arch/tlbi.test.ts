import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeTlbi,
  encodeTlbi,
  type OperandKind,
  type Reach,
  TLBI_OPS,
  type TlbiOp,
  tlbiIndex,
  tlbiOp,
} from "./index.js";

/** DDI 0487, C5.5: names by op1 and CRm, the position in the list being op2; "-" is not allocated. */
const MANUAL: Record<string, string> = {
  "0 7": "VMALLE1 VAE1 ASIDE1 VAAE1 - VALE1 - VAALE1",
  "0 3": "VMALLE1IS VAE1IS ASIDE1IS VAAE1IS - VALE1IS - VAALE1IS",
  "0 1": "VMALLE1OS VAE1OS ASIDE1OS VAAE1OS - VALE1OS - VAALE1OS",
  "0 6": "- RVAE1 - RVAAE1 - RVALE1 - RVAALE1",
  "0 2": "- RVAE1IS - RVAAE1IS - RVALE1IS - RVAALE1IS",
  "0 5": "- RVAE1OS - RVAAE1OS - RVALE1OS - RVAALE1OS",
  "4 7": "ALLE2 VAE2 - - ALLE1 VALE2 VMALLS12E1 -",
  "4 3": "ALLE2IS VAE2IS - - ALLE1IS VALE2IS VMALLS12E1IS -",
  "4 1": "ALLE2OS VAE2OS - - ALLE1OS VALE2OS VMALLS12E1OS -",
  "4 0": "- IPAS2E1IS RIPAS2E1IS - - IPAS2LE1IS RIPAS2LE1IS -",
  "4 4": "IPAS2E1OS IPAS2E1 RIPAS2E1 RIPAS2E1OS IPAS2LE1OS IPAS2LE1 RIPAS2LE1 RIPAS2LE1OS",
  "4 6": "- RVAE2 - - - RVALE2 - -",
  "4 2": "- RVAE2IS - - - RVALE2IS - -",
  "4 5": "- RVAE2OS - - - RVALE2OS - -",
};

/** Instruction word with Rt = 0 by name, from the listing above and SYS's arithmetic; nXS forms stand at CRn = 9. */
function manualWords(): Map<string, number> {
  const words = new Map<string, number>();
  for (const [place, names] of Object.entries(MANUAL)) {
    const [op1, crm] = place.split(" ").map(Number) as [number, number];
    names.split(" ").forEach((name, op2) => {
      if (name === "-") return;
      for (const [suffix, crn] of [
        ["", 8],
        ["NXS", 9],
      ] as const)
        words.set(name + suffix, 0xd5080000 + op1 * 2 ** 16 + crn * 2 ** 12 + crm * 2 ** 8 + op2 * 2 ** 5);
    });
  }
  return words;
}

test("the table holds the manual's TLBIs of EL1&0 and EL2, with their words, and no other", () => {
  const manual = manualWords();
  assert.equal(manual.size, 126);
  assert.deepEqual(new Map(TLBI_OPS.map((op) => [op.name, op.word])), manual);
});

test("known instruction words come out as an assembler gives them", () => {
  const known: [string, number, number][] = [
    ["vmalls12e1is", 31, 0xd50c83df],
    ["vmalls12e1", 31, 0xd50c87df],
    ["vmalle1is", 31, 0xd508831f],
    ["vmalle1", 31, 0xd508871f],
    ["alle1is", 31, 0xd50c839f],
    ["ipas2e1is", 0, 0xd50c8020],
    ["ipas2e1", 0, 0xd50c8420],
    ["ripas2e1is", 0, 0xd50c8040],
    ["vae1is", 1, 0xd5088321],
    ["rvae1os", 2, 0xd5088522],
    ["vale2is", 31, 0xd50c83bf],
    ["vae1isnxs", 3, 0xd5089323],
  ];
  for (const [name, rt, word] of known) assert.equal(encodeTlbi(tlbiOp(name), rt), word, name);
});

test("every TLBI with every register decodes to itself", () => {
  TLBI_OPS.forEach((op, index) => {
    for (let rt = 0; rt < 32; rt++) assert.deepEqual(decodeTlbi(encodeTlbi(op, rt)), { op, index, rt });
  });
});

test("a word of SYS space decodes exactly when the manual names it", () => {
  const words = new Set(manualWords().values());
  for (let low = 0; low < 2 ** 19; low += 32) {
    const word = 0xd5080000 + low;
    assert.equal(decodeTlbi(word) !== undefined, words.has(word), word.toString(16));
  }
});

test("any word is either no TLBI or what its own decoding encodes to", () => {
  const words = new Set(manualWords().values());
  const anyWord = fc.oneof(
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    fc.integer({ min: 0, max: 2 ** 19 - 1 }).map((low) => 0xd5080000 + low),
  );
  fc.assert(
    fc.property(anyWord, (word) => {
      const decoded = decodeTlbi(word);
      assert.equal(decoded && encodeTlbi(decoded.op, decoded.rt), words.has(word - (word % 32)) ? word : undefined);
      assert.deepEqual(decodeTlbi(word | 0), decoded, "a signed 32-bit word is the same word");
    }),
    { numRuns: 2000 },
  );
});

test("names are found in any case, and only whole names", () => {
  assert.equal(TLBI_OPS[tlbiIndex(" VaE1isNxs ")!]!.name, "VAE1ISNXS");
  for (const name of ["", "VAE1I", "VMALLE2", "VAE3", "TLBI VAE1", "ISB"])
    assert.equal(tlbiIndex(name), undefined, name);
  assert.throws(() => tlbiOp("VAE3"), /unknown TLBI operation 'VAE3'/);
  for (const rt of [-1, 32, 1.5]) assert.throws(() => encodeTlbi(tlbiOp("VAE1"), rt), RangeError);
});

/** The manual's table of effects: base name, Xt, stage-1, stage-2, combined rows (y/n), VMID, ASID, last level. */
const EFFECTS: [string, OperandKind, string, boolean, TlbiOp["matchesAsid"], boolean][] = [
  ["VMALLE1", "none", "yny", true, "any", false],
  ["VAE1", "va", "yny", true, "exact-or-global", false],
  ["RVAE1", "va-range", "yny", true, "exact-or-global", false],
  ["VALE1", "va", "yny", true, "exact-or-global", true],
  ["RVALE1", "va-range", "yny", true, "exact-or-global", true],
  ["VAAE1", "va", "yny", true, "any", false],
  ["RVAAE1", "va-range", "yny", true, "any", false],
  ["VAALE1", "va", "yny", true, "any", true],
  ["RVAALE1", "va-range", "yny", true, "any", true],
  ["ASIDE1", "asid", "yny", true, "exact", false],
  ["IPAS2E1", "ipa", "nyn", true, "any", false],
  ["RIPAS2E1", "ipa-range", "nyn", true, "any", false],
  ["IPAS2LE1", "ipa", "nyn", true, "any", true],
  ["RIPAS2LE1", "ipa-range", "nyn", true, "any", true],
  ["VMALLS12E1", "none", "yyy", true, "any", false],
  ["ALLE1", "none", "yyy", false, "any", false],
  ["ALLE2", "none", "ynn", false, "any", false],
  ["VAE2", "va", "ynn", false, "exact-or-global", false],
  ["RVAE2", "va-range", "ynn", false, "exact-or-global", false],
  ["VALE2", "va", "ynn", false, "exact-or-global", true],
  ["RVALE2", "va-range", "ynn", false, "exact-or-global", true],
];

test("each TLBI matches what the manual's table of effects says, whatever its reach and nXS", () => {
  const seen = new Set<string>();
  for (const [base, operand, rows, vmid, asid, lastLevel] of EFFECTS)
    for (const op of TLBI_OPS.filter((o) => o.base === base)) {
      seen.add(op.name);
      assert.equal(op.operand, operand, op.name);
      const found = [op.stage1, op.stage2, op.combined].map((row) => (row ? "y" : "n")).join("");
      assert.equal(found, rows, op.name);
      assert.equal(op.matchesVmid, vmid, op.name);
      assert.equal(op.matchesAsid, asid, op.name);
      assert.equal(op.lastLevel, lastLevel, op.name);
      assert.equal(op.regime, base.endsWith("E2") ? "EL2" : "EL1&0", op.name);
    }
  assert.equal(seen.size, TLBI_OPS.length);
});

test("a name's suffix says its reach, and its forms need their features", () => {
  const reaches: Record<string, Reach> = { "": "local", IS: "inner", OS: "outer" };
  for (const op of TLBI_OPS) {
    const [, base, suffix, nXS] = /^(\w+?E[12])(IS|OS|)(NXS)?$/.exec(op.name)!;
    assert.equal(op.base, base);
    assert.equal(op.reach, reaches[suffix!]);
    assert.equal(op.nXS, nXS !== undefined);
    const needs = [base!.startsWith("R") && "FEAT_TLBIRANGE", suffix === "OS" && "FEAT_TLBIOS", nXS && "FEAT_XS"];
    assert.deepEqual(op.needs, needs.filter(Boolean), op.name);
  }
});
