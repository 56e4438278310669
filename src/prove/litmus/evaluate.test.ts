import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../input/index.js";
import { firstValue } from "./text.fixture.js";
import { UnsupportedInTest } from "./unsupported.js";

const X = 0x60_0000n;

test("numbers are hexadecimal, binary or decimal, and names are addresses", () => {
  assert.deepEqual(
    ["0x1_0", "0b101", "12", "x", "-1"].map((e) => firstValue(e)),
    [16n, 5n, 12n, X, 2n ** 64n - 1n],
  );
});

test("a literal is as wide as its digits, so that it can be extended with its sign", () => {
  assert.equal(firstValue("exts(0xff, 64)"), 2n ** 64n - 1n);
  assert.equal(firstValue("exts(0x7f, 64)"), 0x7fn);
  assert.equal(firstValue("exts(0b10, 32)"), 0xffff_fffen);
  assert.equal(firstValue("extz(0xff, 64)"), 0xffn);
});

test("operands of TLBIs and translation registers have their fields in place", () => {
  assert.equal(firstValue("page(x)"), 0x600n);
  assert.equal(firstValue("asid(0x12)"), 0x12n << 48n);
  assert.equal(firstValue("bvor(page(x), asid(1))"), (1n << 48n) | 0x600n);
  assert.equal(firstValue("ttbr(asid=0x3, base=page_table_base)"), (3n << 48n) | 0x30_0000n);
  assert.equal(firstValue("ttbr(base=s2_page_table_base, vmid=0x3)"), (3n << 48n) | 0x20_0000n);
});

test("bit-vector functions keep to 64 bits", () => {
  const values: readonly [string, bigint][] = [
    ["bvand(0xf0, 0x3c)", 0x30n],
    ["bvxor(0xf0, 0x3c)", 0xccn],
    ["bvadd(x, extz(0x8, 64))", X + 8n],
    ["bvsub(extz(0x0, 64), extz(0x1, 64))", 2n ** 64n - 1n],
    ["bvshl(extz(0x1, 64), extz(0xc, 64))", 0x1000n],
    ["bvlshr(x, extz(0xC, 64))", 0x600n],
    ["bvnot(0b0101)", 0b1010n],
    ["x[23..20]", 6n],
    ["add_bits_int(x[48..12], 1)", 0x601n],
    ["pa_to_ipa(pa1)", 0x60_1000n],
    ["x + (1 << 12)", X + 0x1000n],
  ];
  for (const [expression, value] of values) assert.equal(firstValue(expression), value, expression);
});

test("mkdesc makes the descriptor that a mapping makes", () => {
  assert.equal(firstValue("mkdesc3(oa=pa1)"), firstValue("desc3(x, page_table_base)"));
  assert.equal(firstValue("mkdesc3(oa=pa1)"), 0x60_1f43n);
  assert.equal(firstValue("mkdesc3(oa=pa1, AP=0b11)"), 0x60_1fc3n);
  assert.equal(firstValue("mkdesc3(oa=pa1, nG=0, AF=0)"), 0x60_1343n);
  assert.equal(firstValue("mkdesc2(table=extz(0x283000, 64))"), 0x28_3003n);
  assert.equal(firstValue("mkdesc2(oa=extz(0x801000, 64))"), 0x80_0f41n, "a block begins at a block's boundary");
  assert.equal(firstValue("s2mkdesc3(oa=pa1)"), 0x60_17ffn);
  assert.equal(firstValue("s2mkdesc3(oa=pa1, S2AP=0b01)"), 0x60_177fn);
});

test("pte, desc, table and offset speak of the walk", () => {
  assert.equal(firstValue("pte3(x, page_table_base)"), 0x30_3000n);
  assert.equal(firstValue("pte2(x, page_table_base)"), 0x30_2018n);
  assert.equal(firstValue("table3(x, page_table_base)"), 0x30_3000n);
  assert.equal(firstValue("desc2(x, page_table_base)"), 0x30_3003n);
  assert.equal(firstValue("offset(level=2, va=x)"), 0x18n);
  assert.equal(firstValue("pte3(w)", "physical pa1; x |-> pa1 as w;"), 0x30_3000n);
});

test("what is wrong is refused with the line and what was expected", () => {
  const refused = (expression: string, message: RegExp): void =>
    assert.throws(
      () => firstValue(expression),
      (error) => error instanceof InputError && message.test(error.message),
    );
  refused("nowhere", /^t\.toml:12: unknown name 'nowhere', expected/);
  refused("page(x", /^t\.toml:12: expected ',', found the end/);
  refused("page(x, x)", /page takes one argument/);
  refused("mkdesc3(oa=pa1, AP=0b100)", /'AP' that needs more than its 2 bits/);
  refused("mkdesc3(oa=pa1, colour=1)", /knows no field 'colour'/);
  refused("pte3(x, pa1)", /no table has its root at 0x601000/);
  refused("L9:", /no label 'L9:'/);
  assert.throws(() => firstValue("walk_everything(x)"), UnsupportedInTest);
});
