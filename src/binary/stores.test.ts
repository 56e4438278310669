import assert from "node:assert/strict";
import { test } from "node:test";
import { BARRIERS } from "../arch/index.js";
import {
  BASE,
  BRK,
  type BuildSpec,
  b,
  bNe,
  buildText,
  DSB_ISH,
  DSB_ISHST,
  DSB_SY,
  ISB,
  RET,
  str,
  tst7,
  VMALLS12E1IS,
} from "./build.testing.js";
import { findSites } from "./sites.js";

const LDR_X3_SP = 0xf94007e3; // LDR X3, [SP, #8]
const LDR_X3_X19 = 0xf9400663; // LDR X3, [X19, #8]
const STR_X3_X19_64 = 0xf9002263; // STR X3, [X19, #64]
const DC_CVAC_X9 = 0xd50b7a29;
const MOV_X0_X19 = 0xaa1303e0;
const CASAL_X1_X2_X3 = 0xc8e1fc62;

const named = (list: readonly number[]): string[] => list.map((i) => BARRIERS[i]!.name);

/** Words from BASE at which descriptors are written, with the barriers recorded with each; and what is told of the others. */
function found(code: BuildSpec["code"]) {
  const { list, stores } = findSites(buildText({ code }));
  const sites = list.flatMap((site) => (site.kind === "store" ? [site] : []));
  return {
    ...stores,
    at: sites.map(({ address }) => (address - BASE) / 4).sort((x, y) => x - y),
    barriers: sites.map(({ barriers: { before, after } }) => [named(before), named(after)]),
    shared: sites.map(({ shared }) => shared),
  };
}

/** write_pte with CONFIG_DEBUG=y: the address is checked between the barrier and the store. */
const DEBUG = [DSB_SY, tst7(9), bNe(4), str(3, 9), DSB_SY, RET, BRK];

test("a check between barrier and store hides no store, and both barriers are recorded with it", () => {
  const { at, barriers, lost, without } = found({ __p2m_set_entry: DEBUG });
  assert.deepEqual([at, barriers], [[3], [[["DSB SY"], ["DSB SY"]]]]);
  assert.deepEqual([lost, without], [[], []]);
});

test("spills, NOPs and a branch forward between barrier and store hide none either", () => {
  const spilled = [DSB_SY, LDR_X3_SP, tst7(9), bNe(2), b(2), BRK, 0xd503201f, str(3, 9), MOV_X0_X19, DSB_SY, RET];
  assert.deepEqual(found({ p2m_next_level: spilled }).at, [7]);
});

test("one store that gcc uses for two ways, of which one comes back to it, is found with its barriers", () => {
  // The second way: DSB SY; B to the first's store.
  const { at, barriers } = found({ __p2m_set_entry: [DSB_SY, bNe(6), str(3, 9), DSB_SY, RET, DSB_SY, b(-4), BRK] });
  assert.deepEqual([at, barriers], [[2], [[["DSB SY"], ["DSB SY"]]]]);
});

test("where one way to the store has no barrier, none is recorded before it", () => {
  const { at, barriers } = found({ __p2m_set_entry: [bNe(3), DSB_SY, tst7(9), str(3, 9), DSB_SY, RET] });
  assert.deepEqual([at, barriers], [[3], [[[], ["DSB SY"]]]]);
});

test("stores in all forms are found: STP is two, STLR, SWP, with a register for an index", () => {
  const STP = 0xa9010c82;
  for (const [word, count] of [
    [0xf8227820, 1],
    [0xf8008420, 1],
    [0xc89ffc83, 1],
    [0xf82580e6, 1],
    [STP, 2],
  ] as const) {
    const sites = findSites(buildText({ code: { p2m_write: [DSB_SY, tst7(9), word, DSB_SY, RET] } })).list;
    assert.deepEqual(
      sites.flatMap((site) => (site.kind === "store" ? [site.stores.length] : [])),
      [count],
      word.toString(16),
    );
  }
});

test("what an atomic operation stores is not known: the place is told, not followed", () => {
  const { at, lost } = found({ p2m_write: DEBUG, p2m_clear: [DSB_SY, CASAL_X1_X2_X3, DSB_SY, RET] });
  assert.deepEqual(at, [3]);
  assert.match(lost.join(), /^p2m_clear\+0x4 \(an atomic operation/);
  const { unknown } = findSites(
    buildText({ code: { p2m_write: DEBUG, p2m_clear: [DSB_SY, CASAL_X1_X2_X3, DSB_SY, RET] } }),
  );
  assert.ok(unknown.some((sentence) => /stage-2 descriptor writes: 1 of 2 places are followed/.test(sentence)));
});

test("no store of something else is taken for a descriptor's", () => {
  const other: Record<string, (number | string)[]> = {
    // Between the barriers around a flush; with accesses of memory beside it; behind a call; on the stack; in a register.
    p2m_flush: [DSB_ISHST, STR_X3_X19_64, DSB_ISH, RET],
    p2m_flush_all: [DSB_ISH, ISB, str(3, 9), VMALLS12E1IS, DSB_ISH, RET],
    p2m_count: [DSB_SY, LDR_X3_X19, STR_X3_X19_64, DSB_SY, RET],
    p2m_call: [DSB_SY, "call p2m_flush", str(3, 9), DSB_SY, RET],
    p2m_spill: [DSB_SY, 0xf90007e3, DSB_SY, RET],
    p2m_byte: [DSB_SY, 0x39000020, DSB_SY, RET],
  };
  assert.deepEqual(found(other).at, []);
});

test("a field between two descriptor writes is left out, whichever check stands where", () => {
  const write = DEBUG.slice(0, 5);
  // The field's store lies between the second barrier of the one and the first of the other.
  const two = [...write, STR_X3_X19_64, MOV_X0_X19, ...write, RET, BRK];
  assert.deepEqual(found({ __p2m_set_entry: two }).at, [3, 10]);
  const clean = [...write, DSB_SY, DC_CVAC_X9, DSB_SY, STR_X3_X19_64, MOV_X0_X19, ...write, RET, BRK];
  assert.deepEqual(found({ __p2m_set_entry: clean }).at, [3, 13]);
});

test("a write_pte that was not inlined is the p2m's when a p2m function calls it; Xen's own tables are counted", () => {
  const shared = found({
    write_pte: DEBUG,
    xen_pt_update: ["call write_pte", RET],
    __p2m_set_entry: ["call write_pte", RET],
  });
  assert.deepEqual([shared.at, shared.shared, shared.without], [[3], [true], []]);
  const own = found({ write_pte: DEBUG, xen_pt_update: ["call write_pte", RET], pmap_map: DEBUG });
  assert.deepEqual([own.at, { ...own.elsewhere }], [[], { write_pte: 1, pmap_map: 1 }]);
});

test("a function that writes descriptors in Xen's source and has no place for it is named", () => {
  const code = { p2m_next_level: DEBUG, __p2m_set_entry: [str(3, 9), RET], "p2m_invalidate_table.isra.0": [RET] };
  assert.deepEqual(found(code).without, ["__p2m_set_entry", "p2m_invalidate_table.isra.0"]);
  const { unknown } = findSites(buildText({ code }));
  assert.ok(
    unknown.some((sentence) => /writes of __p2m_set_entry, p2m_invalidate_table\.isra\.0: no 64-bit/.test(sentence)),
  );
});
