/** What is too large, too deep or too long in a litmus test: one sentence with its line, and never a wrapped number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../input/index.js";
import { parseLitmus } from "./litmus.js";
import { firstValue, type Parts, parsed, textOf } from "./text.fixture.js";
import { UnsupportedInTest } from "./unsupported.js";

const refuses = (parts: Parts, message: RegExp): void =>
  assert.throws(
    () => parsed(parts),
    (error) => error instanceof InputError && message.test(error.message),
  );
const refusesValue = (expression: string, message: RegExp): void =>
  refuses({ setup: "physical pa1; x |-> pa1;", reset: [`R0 = "${expression}"`] }, message);

const ALL_ONES = 2n ** 64n - 1n;

test("a number that needs more than 64 bits is refused where it stands, in every form and place", () => {
  const large = ["0x10000000000000000", "18446744073709551616", `0b1${"0".repeat(64)}`, "9".repeat(90_000)];
  for (const number of large) {
    for (const one of [number, `-${number}`, `~${number}`, `1 + ${number}`, `extz(${number}, 64)`])
      refusesValue(one, /^t\.toml:12: .* needs more than 64 bits$/);
    refuses({ assertion: `0:X0 = ${number}` }, /^t\.toml:1\d: .* needs more than 64 bits$/);
    refuses({ setup: `physical pa1;\n*pa1 = ${number};` }, /^t\.toml:6: .* needs more than 64 bits$/);
    refuses({ setup: `physical pa1;\nassert pa1 < ${number};` }, /^t\.toml:6: .* needs more than 64 bits$/);
    refuses({ code: `MOV X0,#${number.slice(0, 200)}` }, /^t\.toml:6: .* needs more than 64 bits$/);
  }
  for (const number of ["0x10000000000000000", "18446744073709551616"])
    refuses({ reset: [`R0 = ${number}`] }, /needs more than 64 bits/);
  assert.equal(firstValue("0xffff_ffff_ffff_ffff"), ALL_ONES);
  assert.equal(firstValue("-9223372036854775808"), 2n ** 63n);
  refusesValue("-9223372036854775809", /-9223372036854775809 needs more than 64 bits/);
  assert.equal(parsed({ reset: ["R0 = 0xffffffffffffffff"] }).program.threads[0]!.registers[0], ALL_ONES);
  for (const digits of ["0b_", "0X_", "0x__"]) refusesValue(digits, /^t\.toml:12: expected digits, found '0[xXb]_+'$/);
});

test("a result that needs more than 64 bits is refused, and negative ones are two's complement", () => {
  for (const one of ["1 << 64", "3 << 63", "0xffffffffffffffff + 0x8000000000000000", "0x100000000 * 0x100000000", "1 >> 64"]) // biome-ignore format: a list
    refusesValue(`(${one})`, /^t\.toml:12: the result of '(<<|\+|\*|>>)' needs more than 64 bits$/);
  for (const one of ["asid(0x10000)", "extz(0x1ff, 8)", "exts(0x1fe, 8)", "extz(1, 65)", "exts(1, 0)", "concat(0x1, extz(1, 64))"]) // biome-ignore format: a list
    refusesValue(one, /^t\.toml:12: \w+ has no room for this value$/);
  for (const one of ["ttbr(base=0x1000000000000)", "mkdesc3(oa=0x1000000000000)", "pte3(0x1000000000000, page_table_base)"]) // biome-ignore format: a list
    refusesValue(one, /more than 48 bits$/);
  assert.equal(firstValue("(1 << 63)"), 2n ** 63n);
  assert.equal(firstValue("(~0 << 12)"), ALL_ONES - 0xfffn);
  assert.equal(firstValue("(0 - 1)"), ALL_ONES);
  assert.equal(firstValue("(-1 * -1)"), 1n);
  assert.equal(firstValue("bvashr(~0, 64)"), ALL_ONES, "nothing but the sign remains");
  refusesValue("x[64]", /the number of a bit, 0 to 63, found '64'/);
  assert.equal(firstValue("0xf0[0_7..4]"), 15n);
});

test("arithmetic is that of whole numbers, or a sentence", () => {
  const number = fc.bigInt({ min: -(2n ** 63n), max: ALL_ONES });
  const ops = { "+": (a: bigint, b: bigint) => a + b, "-": (a: bigint, b: bigint) => a - b, "*": (a: bigint, b: bigint) => a * b }; // biome-ignore format: a table
  fc.assert(
    fc.property(number, number, fc.constantFrom("+", "-", "*"), (a, b, op) => {
      const exact = ops[op as keyof typeof ops](a, b);
      const fits = exact >= -(2n ** 63n) && exact <= ALL_ONES;
      try {
        const value = firstValue(`(${a} ${op} ${b})`);
        // Two's complement: what is negative may be read as a large number, and then the result as such a one.
        const readings = [a, BigInt.asUintN(64, a), BigInt.asIntN(64, a)].flatMap((x) =>
          [b, BigInt.asUintN(64, b), BigInt.asIntN(64, b)].map((y) => ops[op as keyof typeof ops](x, y)),
        );
        assert.ok(readings.some((r) => r >= -(2n ** 63n) && r <= ALL_ONES && BigInt.asUintN(64, r) === value));
      } catch (error) {
        assert.ok(error instanceof InputError && /needs more than 64 bits/.test(error.message), String(error));
        assert.ok(!fits || a < 0n !== b < 0n, `${a} ${op} ${b} fits`);
      }
    }),
  );
});

test("immediates do not lose bits of their shift or their register", () => {
  refuses({ code: "MOVZ X0,#0xffff,LSL #60" }, /^t\.toml:6: .*the immediate needs more than 64 bits/);
  refuses({ code: "MOV W0,#0x100000000" }, /^t\.toml:6: .*the immediate needs more than 32 bits/);
  assert.ok(parsed({ code: "MOV W0,#-1\nMOVZ X0,#0xffff,LSL #48\nADD X0,X0,#-1" }));
});

test("nesting and length are bounded, with the line", () => {
  const deep = (open: string, close: string, n: number): string => `${open.repeat(n)}1${close.repeat(n)}`;
  for (const n of [600, 20_000]) {
    refusesValue(deep("(", ")", n), /^t\.toml:12: an expression of more than 500 parts/);
    refusesValue(deep("-", "", n), /^t\.toml:12: an expression of more than 500 parts/);
    refusesValue(deep("extz(", ", 64)", Math.min(n, 9000)), /^t\.toml:12: an expression of more than 500 parts/);
    refusesValue(`x${"[63:0]".repeat(Math.min(n, 9000))}`, /^t\.toml:12: an expression of more than 500 parts/);
    refusesValue(`1${" + 1".repeat(n)}`, /^t\.toml:12: an expression of more than 500 parts/);
    refuses({ setup: `physical pa1;\nassert ${deep("(", ")", n)} = 1;` }, /^t\.toml:6: an expression of more than 500/);
    refuses(
      { setup: `s1table t 0x280000 {\n`.repeat(Math.min(n, 4000)) },
      /tables nested too deep, expected at most 16/,
    );
    for (const open of ["(", "~", "~("]) refuses({ assertion: `${open.repeat(n)}true` }, /^t\.toml:1\d: .*nested too deep, expected at most 100/); // biome-ignore format: one row
    refuses({ code: `MOV X0,#${deep("(", ")", n)}` }, /^t\.toml:6: (an expression of more than 500|an instruction of \d+ characters)/); // biome-ignore format: one row
  }
  assert.equal(firstValue(deep("(", ")", 400)), 1n);
  refuses({ code: "NOP\n".repeat(1025) }, /^t\.toml:1030: expected at most 1024 instructions/);
  refuses({ more: `[section.a]\naddress = "0x500000"\ncode = """\n${"NOP\n".repeat(1025)}"""` }, /expected at most 1024 instructions/); // biome-ignore format: one row
  refuses(
    { code: `LDR X0,[X1${",".repeat(50_000)}]` },
    /^t\.toml:6: an instruction of \d+ characters, expected at most 1000/,
  );
  refuses(
    { more: Array.from({ length: 64 }, (_, i) => `[thread.${i + 1}]\ncode = ""`).join("\n") },
    /more than 64 threads/,
  );
  refuses({ more: Array.from({ length: 257 }, (_, i) => `[section.s${i}]\naddress = "${4 * i}"\ncode = ""`).join("\n") }, /more than 256 sections/); // biome-ignore format: one row
  refuses({ setup: Array.from({ length: 257 }, (_, i) => `s2table t${i} ${0x28_0000 + 4096 * i} {}`).join("\n") }, /^t\.toml:261: more than 256 tables/); // biome-ignore format: one row
});

const declared = (n: number): string => Array.from({ length: n }, (_, i) => `physical p${i};`).join("\n");

test("5,000 names have a page each, and more than 10,000 are refused", () => {
  const { names } = parsed({ setup: declared(5000) }).program;
  assert.equal(names.physical.size, 5000);
  assert.ok([...names.physical.keys()].every((address) => address % 4096 === 0));
  const many = `physical ${Array.from({ length: 10_001 }, (_, i) => i.toString(36).padStart(4, "q")).join(" ")};`;
  refuses({ setup: many }, /^t\.toml:5: more than 10000 names, expected fewer$/);
});

test("a chain of asserts over many names is no deeper than any other", () => {
  const n = 1500;
  const chain = Array.from({ length: n - 1 }, (_, i) => `assert p${i} != p${i + 1};`).join("\n");
  assert.equal(parsed({ setup: `${declared(n)}\n${chain}` }).program.names.physical.size, n);
});

test("names that no address suits end the search by its own bound", () => {
  const setup = `${declared(300)}\n${Array.from({ length: 299 }, (_, i) => `assert p${i}[12] = p${i + 1}[12];`).join("\n")}\nassert p0[12] != p299[12];`;
  refuses({ setup }, /^t\.toml:\d+: expected addresses for which every assert holds; none was found in \d+ tries/);
});

test("set-up is left when its time is over", () => {
  const over = new Error("over");
  assert.throws(
    () =>
      parseLitmus(textOf({ setup: declared(5000) }), "t.toml", () => {
        throw over;
      }),
    over,
  );
});

test("comments without an end, many of them, take no time to speak of", () => {
  refuses({ code: "/* ".repeat(30_000) }, /an instruction of 89999 characters/);
  refuses({ code: `${"//".repeat(45_000)}\u2028\nSRT X0,[X1]` }, /^t\.toml:7: 'SRT X0,\[X1\]'/);
});

test("whatever stands in an expression is a value or a sentence", () => {
  const word = fc.constantFrom("x", "pa1", "0x10", "0b", "12_", "(", ")", "[", "]", "..", ":", ",", "=", "+", "-", "<<", ">>", "*", "~", "!", "&", "|", "extz", "exts", "bvshl", "concat", "pte3", "desc2", "mkdesc3", "oa", "ttbr", "base", "page", "asid", "offset", "level", "va", "64", "0xffffffffffffffff"); // biome-ignore format: a list
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      try {
        const value = firstValue(words.join(" "));
        assert.ok(value >= 0n && value <= ALL_ONES);
      } catch (error) {
        assert.ok(error instanceof InputError || error instanceof UnsupportedInTest, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
