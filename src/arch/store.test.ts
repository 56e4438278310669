import assert from "node:assert/strict";
import { test } from "node:test";
import { accessesMemory, accessesStack, decodeStores, type Store, storesPerhaps } from "./index.js";

// Words as the LLVM assembler makes them.

const plain = { offset: 0, writeback: false };
const store = (word: number): Store => {
  const list = decodeStores(word);
  assert.equal(list.length, 1, word.toString(16));
  return list[0]!;
};

test("STR of a 64-bit register tells its registers and its address, in all its forms", () => {
  assert.deepEqual(store(0xf9000360), { ...plain, rt: 0, rn: 27 }, "STR X0, [X27]");
  assert.deepEqual(store(0xf9000505), { ...plain, rt: 5, rn: 8, offset: 8 }, "STR X5, [X8, #8]");
  assert.deepEqual(store(0xf81f8020), { ...plain, rt: 0, rn: 1, offset: -8 }, "STUR X0, [X1, #-8]");
  assert.deepEqual(store(0xf8008420), { rt: 0, rn: 1, offset: 0, writeback: true }, "STR X0, [X1], #8");
  assert.deepEqual(store(0xf81f0c20), { rt: 0, rn: 1, offset: -16, writeback: true }, "STR X0, [X1, #-16]!");
  assert.deepEqual(store(0xf8008820), { ...plain, rt: 0, rn: 1, offset: 8 }, "STTR X0, [X1, #8]");
});

test("an index is an X register or one extended from 32 bits, shifted by 3 or not", () => {
  assert.deepEqual(store(0xf8226820).index, { rm: 2, shift: 0 }, "STR X0, [X1, X2]");
  assert.deepEqual(store(0xf8227820).index, { rm: 2, shift: 3 }, "STR X0, [X1, X2, LSL #3]");
  assert.deepEqual(store(0xf8225820).index, { rm: 2, extend: "UXTW", shift: 3 }, "STR X0, [X1, W2, UXTW #3]");
  assert.deepEqual(store(0xf822c820).index, { rm: 2, extend: "SXTW", shift: 0 }, "STR X0, [X1, W2, SXTW]");
  assert.deepEqual(store(0xf822f820).index, { rm: 2, shift: 3 }, "STR X0, [X1, X2, SXTX #3]");
});

test("a store-release and a swap are stores; a swap stores its first register", () => {
  assert.deepEqual(store(0xc89ffc83), { ...plain, rt: 3, rn: 4 }, "STLR X3, [X4]");
  assert.deepEqual(store(0xc89f7c83), { ...plain, rt: 3, rn: 4 }, "STLLR X3, [X4]");
  assert.deepEqual(store(0xd91f8083), { ...plain, rt: 3, rn: 4, offset: -8 }, "STLUR X3, [X4, #-8]");
  assert.deepEqual(store(0xf82580e6), { ...plain, rt: 5, rn: 7 }, "SWP X5, X6, [X7]");
  assert.deepEqual(store(0xf8e580ff), { ...plain, rt: 5, rn: 7 }, "SWPAL X5, XZR, [X7]");
});

test("a pair is two stores, eight bytes apart", () => {
  const pair = (word: number) => decodeStores(word).map(({ rt, rn, offset, writeback }) => [rt, rn, offset, writeback]);
  assert.deepEqual(
    pair(0xa9bf07e0),
    [
      [0, 31, -16, true],
      [1, 31, -8, true],
    ],
    "STP X0, X1, [SP, #-16]!",
  );
  assert.deepEqual(
    pair(0xa9010c82),
    [
      [2, 4, 16, false],
      [3, 4, 24, false],
    ],
    "STP X2, X3, [X4, #16]",
  );
  assert.deepEqual(
    pair(0xa8be0c82),
    [
      [2, 4, 0, true],
      [3, 4, 8, true],
    ],
    "STP X2, X3, [X4], #-32",
  );
  assert.deepEqual(
    pair(0xa83f0c82),
    [
      [2, 4, -16, false],
      [3, 4, -8, false],
    ],
    "STNP X2, X3, [X4, #-16]",
  );
});

/** CAS, CASAL, CASP, STXR, STLXR, STXP, LDSET, LDCLRAL, STADD, all of 64 bits */
const PERHAPS = [
  0xc8a17c62, 0xc8e1fc62, 0x48207c82, 0xc8007c41, 0xc800fc41, 0xc8200861, 0xf8213062, 0xf8e11062, 0xf821007f,
];
/** STR W, LDR (also a literal), LDAR, LDXR, STLR W, SWP W, CAS W, STXR W, STRB, STP W, STR Q, PRFM, LDAPR, LD1 */
const OTHER_ACCESSES = [
  0xb9000020, 0xf9400360, 0x58000040, 0xc8dffc20, 0xc85f7c20, 0x889ffc83, 0xb82580e6, 0x88a17c62, 0x88007c41,
  0x39000020, 0x29000440, 0x3d800020, 0xf9800020, 0xf8bfc020, 0x4c407020,
];
/** DSB SY, ADD, TST, B.NE, BRK, HVC, MRS, NOP */
const NO_ACCESSES = [0xd5033f9f, 0x8b020020, 0xf240081f, 0x54000041, 0xd4200020, 0xd4000002, 0xd5387400, 0xd503201f];

test("what an atomic operation stores only its execution tells: it is none of the stores", () => {
  for (const word of PERHAPS) {
    assert.ok(storesPerhaps(word), word.toString(16));
    assert.deepEqual(decodeStores(word), [], word.toString(16));
  }
});

test("other accesses store no 64-bit register, and what is no access is none", () => {
  for (const word of [...OTHER_ACCESSES, ...NO_ACCESSES]) {
    assert.deepEqual(decodeStores(word), [], word.toString(16));
    assert.ok(!storesPerhaps(word), word.toString(16));
  }
  for (const word of [...OTHER_ACCESSES, ...PERHAPS, 0xf9000360, 0xa9010c82]) assert.ok(accessesMemory(word));
  for (const word of NO_ACCESSES) assert.ok(!accessesMemory(word), word.toString(16));
});

test("an access by SP is one of the stack; a literal has no base", () => {
  for (const word of [0xa9bf07e0, 0xf94007e0]) assert.ok(accessesStack(word), word.toString(16));
  // LDR X0, [X27]; LDR X31 as a literal of all offset bits: bits 9:5 say 31.
  for (const word of [0xf9400360, 0x580003e0, 0xd503201f]) assert.ok(!accessesStack(word), word.toString(16));
});
