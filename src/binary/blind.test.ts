import assert from "node:assert/strict";
import { test } from "node:test";
import { blindSites } from "./blind.js";
import { buildText, DSB_ISH, ISB, msrVttbr, NOP, RET, VMALLS12E1IS, vae2is } from "./build.testing.js";
import { findSites } from "./sites.js";

const CBZ_PLUS_8 = 0xb4000040;
const VMALLE1IS = 0xd508831f;
const blindOf = (p2m_flush: number[]): string[] => {
  const text = buildText({ code: { p2m_flush } });
  return blindSites(text, findSites(text)).map((site) => site.join(" "));
};

test("between two TLBIs on a straight way every barrier is seen, whatever stands between", () => {
  assert.deepEqual(blindOf([VMALLS12E1IS, DSB_ISH, NOP, VMALLE1IS, DSB_ISH, ISB, RET]), ["p2m_flush VMALLE1IS"]);
  assert.deepEqual(blindOf([msrVttbr(7), ISB, VMALLS12E1IS, DSB_ISH, RET]), ["p2m_flush VMALLS12E1IS"]);
});

test("a branch away, or one that joins, may pass a barrier unseen", () => {
  assert.deepEqual(blindOf([VMALLS12E1IS, CBZ_PLUS_8, NOP, DSB_ISH, VMALLE1IS, RET]), [
    "p2m_flush VMALLS12E1IS",
    "p2m_flush VMALLE1IS",
  ]);
  // The CBZ jumps between the two.
  const joined = [CBZ_PLUS_8 + 0x20, NOP, VMALLS12E1IS, DSB_ISH, VMALLE1IS, RET];
  assert.ok(blindOf(joined).includes("p2m_flush VMALLS12E1IS"));
});

test("what Xen does to its own translations is not told", () => {
  assert.deepEqual(blindOf([vae2is(20), RET]), []);
});
