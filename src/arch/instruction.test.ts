import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeAtS12, decodeBranch, decodeMsr, decodeReadPar, endsInException } from "./index.js";

// Words as the LLVM assembler makes them.

test("branches tell where they go, whether they come back, and whether the next word may be next", () => {
  const at = 0x1000;
  const call = { call: true, conditional: false };
  const jump = { call: false, conditional: false };
  const maybe = { call: false, conditional: true };
  assert.deepEqual(decodeBranch(0x94000001, at), { ...call, target: at + 4 }, "BL . + 4");
  assert.deepEqual(decodeBranch(0x17ffffff, at), { ...jump, target: at - 4 }, "B . - 4");
  assert.deepEqual(decodeBranch(0x16000000, 2 ** 40), { ...jump, target: 2 ** 40 - 2 ** 27 }, "B, farthest back");
  assert.deepEqual(decodeBranch(0x54000040, at), { ...maybe, target: at + 8 }, "B.EQ . + 8");
  assert.deepEqual(decodeBranch(0xb4000040, at), { ...maybe, target: at + 8 }, "CBZ X0, . + 8");
  assert.deepEqual(decodeBranch(0x35ffffe0, at), { ...maybe, target: at - 4 }, "CBNZ W0, . - 4");
  assert.deepEqual(decodeBranch(0x36000040, at), { ...maybe, target: at + 8 }, "TBZ W0, #0, . + 8");
  assert.deepEqual(decodeBranch(0xb747ffe3, at), { ...maybe, target: at - 4 }, "TBNZ X3, #40, . - 4");
  assert.deepEqual(decodeBranch(0xd63f0020, at), call, "BLR X1");
  for (const word of [0xd61f0020, 0xd65f03c0, 0xd69f03e0]) assert.deepEqual(decodeBranch(word, at), jump);
});

test("what is no branch is none: stores, barriers, system registers, arithmetic", () => {
  for (const word of [0xf9000360, 0xd5033f9f, 0xd51c2103, 0xd508871f, 0x91000400, 0xd503201f, 0])
    assert.equal(decodeBranch(word, 0), undefined, word.toString(16));
});

test("an MSR tells its register and where the value comes from; an MRS is none", () => {
  assert.deepEqual(decodeMsr(0xd51c2103), { register: "VTTBR_EL2", rt: 3 });
  assert.deepEqual(decodeMsr(0xd51c2149), { register: "VTCR_EL2", rt: 9 });
  assert.equal(decodeMsr(0xd53c2103), undefined);
  assert.equal(decodeMsr(0xd508871f), undefined, "a TLBI");
});

test("a translation of both stages tells where the VA is, a read of PAR_EL1 where the result goes", () => {
  assert.equal(decodeAtS12(0xd50c7881), 1, "AT S12E1R, X1");
  assert.equal(decodeAtS12(0xd50c78b7), 23, "AT S12E1W, X23");
  assert.equal(decodeAtS12(0xd5087818), undefined, "AT S1E1R, X24");
  assert.equal(decodeReadPar(0xd5387404), 4, "MRS X4, PAR_EL1");
  assert.equal(decodeReadPar(0xd5187402), undefined, "MSR PAR_EL1, X2");
});

test("UDF, BRK and HLT end in an exception; what calls or returns from one does not", () => {
  for (const word of [0, 0xd4200020, 0xd4400040]) assert.ok(endsInException(word), word.toString(16));
  for (const word of [0xd4000001, 0xd4000002, 0xd503201f]) assert.ok(!endsInException(word), word.toString(16));
});
