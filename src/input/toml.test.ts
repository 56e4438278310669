import assert from "node:assert/strict";
import { test } from "node:test";
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
  refuses(`name = "${"x".repeat(2 ** 20)}"`, /expected at most 1048576/);
});

test("keys and texts know their lines, also where the text begins behind its quotes", () => {
  const toml = read('name = "x"\n[deep]\ncode = """\nfirst\n"""\n');
  assert.deepEqual([toml.lineOf(["deep", "code"]), toml.textLineOf(["deep", "code"])], [3, 4]);
  assert.equal(read('name = "x"\ncode = """first\n"""\n').textLineOf(["code"]), 2);
  assert.equal(read("name = 'x'\ncode = '''\r\nfirst'''\n").textLineOf(["code"]), 3);
  assert.equal(toml.lineOf(["deep", "none"]), undefined);
});
