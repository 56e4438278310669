import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputError, visibleJson, visibleLine, visibleText } from "./index.js";

/** Text with what a terminal obeys, and what reorders or ends a line. */
const hostile = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0x9f }).map((code) => String.fromCharCode(code)),
    fc.constantFrom("\u061c", "\u200e", "\u2028", "\u202e", "\u2066", "é", "␛", "𝔸"),
  ),
});

test("nothing that a terminal obeys or that reorders text is left of any text", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      assert.doesNotMatch(visibleLine(text), /[\p{Cc}\p{Bidi_C}\u2028\u2029]/u);
      assert.doesNotMatch(visibleText(text), /[^\P{Cc}\n\t]|[\p{Bidi_C}\u2028\u2029]/u);
    }),
  );
});

test("JSON means the same, and holds no more than newlines", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const json = visibleJson(JSON.stringify({ [text]: text }, null, 2));
      assert.deepEqual(JSON.parse(json), { [text]: text });
      assert.doesNotMatch(json, /[^\P{Cc}\n]|[\p{Bidi_C}\u2028\u2029]/u);
    }),
  );
});

test("each has a picture or an escape of its own, and other text stays", () => {
  assert.equal(visibleLine("a\x1b[2J\x07\r\n\x7f\u009b\u202eé"), "a␛[2J␇␍␊␡\\u009b\\u202eé");
  assert.equal(visibleText("a\n\tb\r\n"), "a\n\tb␍\n");
});

test("the sentence about a file is one line, whatever its name", () => {
  assert.equal(InputError.at("a\nb\x1b", 3, "wrong").message, "a␊b␛:3: wrong");
  assert.equal(new InputError("why:", "  two\n  lines\x1b").message, "why:\n  two\n  lines␛");
});
