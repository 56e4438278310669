import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { getStaticTOMLValue, parseTOML } from "toml-eslint-parser";
import * as v from "valibot";
import { InputError, parseToml } from "./index.js";

const schema = v.strictObject({
  name: v.string(),
  code: v.optional(v.string()),
  size: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  part: v.optional(v.array(v.strictObject({ pages: v.number() }))),
  deep: v.optional(v.strictObject({ code: v.string(), flag: v.optional(v.boolean()) })),
});
const read = (text: string) => parseToml(text, "f.toml", schema);

const refuses = (text: string, message: RegExp): void =>
  assert.throws(
    () => read(text),
    (error) => error instanceof InputError && message.test(error.message),
  );

test("a value of the wrong kind is refused with file, line, key, what was expected and what was found", () => {
  refuses('name = "x"\n\nsize = "big"\n', /^f\.toml:3: size: expected number, found "big"/);
  refuses('name = "x"\n[[part]]\npages = 1\n[[part]]\npages = true\n', /^f\.toml:5: part\.1\.pages: expected number/);
  refuses('name = "x"\nsize = 0\n', /^f\.toml:2: size: /);
});

test("a missing key is refused at the table around it", () => {
  refuses("size = 1\n", /^f\.toml: name: is missing/);
  refuses('name = "x"\n\n[deep]\nflag = true\n', /^f\.toml:3: deep\.code: is missing/);
});

test("an unknown key is refused with its line", () => {
  refuses('name = "x"\nnaem = "y"\n', /^f\.toml:2: unknown key 'naem'/);
  refuses('name = "x"\ndeep = { code = "", colour = 1 }\n', /^f\.toml:2: unknown key 'deep\.colour'/);
});

test("what is no TOML is refused with its line", () => {
  refuses('name = "x"\nsize = = 1\n', /^f\.toml:2: not valid TOML/);
  refuses('name = "x"\nname = "y"\n', /^f\.toml:\d+: not valid TOML/);
  refuses("  \n", /^f\.toml: the file is empty/);
  refuses(`name = "${"x".repeat(2 ** 20)}"`, /expected a file of at most 1048576/);
});

test("keys and texts know their lines, also where the text begins behind its quotes", () => {
  const toml = read('name = "x"\n[deep]\ncode = """\nfirst\n"""\n');
  assert.deepEqual([toml.lineOf(["deep", "code"]), toml.textLineOf(["deep", "code"])], [3, 4]);
  assert.equal(read('name = "x"\ncode = """first\n"""\n').textLineOf(["code"]), 2);
  assert.equal(read("name = 'x'\ncode = '''\r\nfirst'''\n").textLineOf(["code"]), 3);
  assert.equal(toml.lineOf(["deep", "none"]), undefined);
});

const any = (text: string): unknown => parseToml(text, "f.toml", v.unknown()).value;

test("nesting, texts, words and their number are bounded, with the line of what is too much", () => {
  const deep = (n: number): string => `a = 1 # [[[[\nb = ${"[".repeat(n)}${"]".repeat(n)}\n`;
  assert.ok(any(deep(32)));
  refuses(deep(33), /^f\.toml:2: arrays and tables nested too deep, expected at most 32$/);
  refuses(deep(10_000), /^f\.toml:2: arrays and tables nested too deep, expected at most 32$/);
  refuses(`a = ["""[x"""", ${"[".repeat(10_000)}`, /nested too deep/);
  refuses(`# \r a = ${"[".repeat(10_000)}`, /nested too deep/);
  refuses(`a = ${"{b = ".repeat(10_000)}`, /^f\.toml:1: arrays and tables nested too deep/);
  refuses(`${"a.".repeat(40)}b = 1`, /^f\.toml:1: a key of 41 parts, expected at most 32$/);
  refuses(`\n[${"a.".repeat(40)}b]`, /^f\.toml:2: a key of 41 parts/);
  for (const [open, close] of ['""', "''", ['"""', '"""'], ["'''", "'''"]] as const) {
    assert.deepEqual(any(`a = ${open}${"x".repeat(100_000)}${close}`), { a: "x".repeat(100_000) });
    refuses(`a = 1\nb = ${open}${"x".repeat(100_001)}${close}`, /^f\.toml:2: a text of 100001 characters, expected at/);
  }
  refuses(`a = ${"9".repeat(1001)}`, /^f\.toml:1: a word of 1001 characters, expected at most 1000$/);
  refuses(`a = [${"1,".repeat(30_000)}]`, /^f\.toml:1: too many words and signs up to here, expected at most 50000$/);
});

test("a message tells the beginning of what is long", () => {
  refuses(`name = "x"\nsize = "${"x".repeat(90_000)}"`, /^f\.toml:2: size: .*"x{59}\.\.\. \(90002 characters\)$/);
});

test("names that every object of JavaScript has are no keys of a file, and change none", () => {
  for (const name of ["__proto__", "constructor", "prototype"])
    for (const text of [`${name} = 1`, `${name}.x = 1`, `[${name}]\nx = 1`, `[[a.${name}]]`, `a = {"${name}" = 1}`])
      refuses(text, new RegExp(`^f\\.toml:1: unknown key '${name}'$`));
  assert.equal(({} as Record<string, unknown>).x, undefined);
});

test("whole numbers keep all their digits", () => {
  assert.deepEqual(any("a = 0xffff_ffff_ffff_ffff\nb = [9007199254740993, 0b11]"), {
    a: 0xffff_ffff_ffff_ffffn,
    b: [9007199254740993n, 3],
  });
});

test("a key that is given twice is refused, in whatever form", () => {
  for (const text of ["a=1\n\"a\"=2", "a={}\n[a]", "a=[{}]\n[[a]]", "a={b=1}\na.c=2", "[a.b]\n[a]\nb.c=1", "a=[{b=1,b=2}]", "[a]\n[a]"]) // biome-ignore format: a list
    refuses(text, /not valid TOML: Defining a key multiple times/);
});

test("values are those that the parser gives, and whatever stands in a file is a value or a sentence", () => {
  const key = fc.constantFrom("a", "b", '"c d"', "a.b", "b . c");
  const value = fc.letrec<{ one: string }>((tie) => ({
    one: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom("1", "-2.5", "true", '"x"', "'y'", '"""\nz"""', "1979-05-27"),
      fc.array(tie("one"), { maxLength: 3 }).map((list) => `[${list.join(", ")}]`),
      fc.tuple(key, tie("one")).map(([k, one]) => `{ ${k} = ${one} }`),
    ),
  })).one;
  const pair = fc.tuple(key, value).map(([k, one]) => `${k} = ${one}`);
  const line = fc.oneof(pair, key.map((k) => `[${k}]`), key.map((k) => `[[${k}]]`)); // biome-ignore format: one row
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.string(), fc.nat(), (lines, noise, at) => {
      const text = lines.join("\n");
      let parsed: unknown;
      try {
        parsed = getStaticTOMLValue(parseTOML(text, { tomlVersion: "1.0" }));
      } catch {}
      if (parsed !== undefined && text !== "") assert.deepEqual(any(text), parsed);
      const spoilt = text.slice(0, at % (text.length + 1)) + noise + text.slice(at % (text.length + 1));
      try {
        any(spoilt);
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
      }
    }),
  );
});
