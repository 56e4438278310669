import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bigintOf } from "./address.js";
import { hex, idOf, outputPage, pageHi, pageLo, pageOf, SYSREGS, sysregIndex, vttbr } from "./index.js";

test("VTTBR_EL2 holds the VMID in [63:48] and the root table's address below", () => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.integer({ min: 0, max: 2 ** 36 - 1 }), (vmid, page) => {
      const { lo, hi } = vttbr(vmid, page);
      assert.equal(bigintOf(lo, hi), (BigInt(vmid) << 48n) | (BigInt(page) << 12n));
      assert.equal(idOf(hi), vmid);
      assert.equal(outputPage(lo, hi), page);
    }),
  );
});

test("a register is found by its name in any case", () => {
  for (const [i, name] of SYSREGS.entries()) assert.equal(sysregIndex(` ${name.toLowerCase()} `), i);
  assert.equal(sysregIndex("VTTBR"), undefined);
});

test("a page number of 52-bit addresses survives its two halves", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 - 1 }), (page) => {
      assert.equal(pageOf(pageLo(page), pageHi(page)), page);
      assert.equal(bigintOf(pageLo(page), pageHi(page)), BigInt(page) << 12n);
    }),
  );
});

test("64 bits print in hex without leading zeros, also those with bit 31 or 63 set", () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.oneof(fc.constant(0), fc.nat(0xffff_ffff)), (lo, hi) => {
      assert.equal(hex(lo, hi), `0x${bigintOf(lo, hi).toString(16)}`);
      assert.equal(hex(lo | 0, hi | 0), hex(lo, hi), "signed halves are the same bits");
    }),
  );
});
