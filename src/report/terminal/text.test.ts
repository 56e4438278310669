import assert from "node:assert/strict";
import test from "node:test";
import { NO_BREAK } from "../format.js";
import { right, tableOf, wordTable } from "../table.js";
import { tableText, wrapped } from "./text.js";

test("columns stand two spaces apart and the last is wrapped to the width", () => {
  const rows = [
    ["xen-today", "7,458", "the whole VMID at every unlock that follows a removal"],
    ["kvm-ipa", "0", "one IPA at a time"],
  ];
  assert.equal(
    tableText(wordTable(["policy", right("TLBIs"), "what it does"], rows), 48),
    [
      "policy     TLBIs  what it does",
      "xen-today  7,458  the whole VMID at every unlock",
      "                  that follows a removal",
      "kvm-ipa        0  one IPA at a time",
      "",
    ].join("\n"),
  );
});

test("a heading stands in the middle of its columns and widens them where it is longer", () => {
  assert.equal(
    tableText(
      wordTable(
        ["p", { ...right("40"), under: "kvm-nested-7.2" }, { ...right("48"), under: "kvm-nested-7.2" }],
        [["x", "1 s", "2 s"]],
      ),
      80,
    ),
    ["   kvm-nested-7.2", "p   40         48", "x  1 s        2 s", ""].join("\n"),
  );
});

test("a mark hangs into the gap behind a figure, and figures stay below one another", () => {
  const table = tableOf<number>(
    [
      { head: "price", kind: "time", of: (us) => us, mark: (us) => (us > 1 ? "!" : "") },
      { head: "TLBIs", kind: "count", of: (us) => us, mark: (us) => (us > 1 ? "!" : "") },
    ],
    [1, 2000],
  );
  assert.equal(tableText(table, 80), ["price  TLBIs", " 1 us      1", " 2 ms! 2,000!", ""].join("\n"));
});

test("a column that is said once is silent below a row that is the same so far", () => {
  const once = (head: string) => ({ head, kind: "words", once: true }) as const;
  const rows = [
    ["a", "1", "x"],
    ["a", "1", "y"],
    ["b", "1", "z"],
  ];
  const text = tableText(wordTable([once("host"), once("bits"), "phase"], rows), 80);
  assert.equal(text, ["host  bits  phase", "a     1     x", "            y", "b     1     z", ""].join("\n"));
});

test("control characters in names do not reach the terminal", () => {
  assert.equal(tableText(wordTable(["a"], [["\u001b[31mred\n"]]), 80), "a\n␛[31mred␊\n");
  assert.equal(wrapped("bell\u0007", 80), "bell␇\n");
});

test("a sentence is wrapped at words, a word longer than the width stands alone", () => {
  assert.equal(wrapped("one two three", 7, "  "), "one two\n  three\n");
  assert.equal(wrapped("tlbi incomprehensibly long", 6), "tlbi\nincomprehensibly\nlong\n");
});

test("words joined by a no-break space are never parted", () => {
  assert.equal(wrapped(`one VAE1${NO_BREAK}7,458 two`, 10), "one\nVAE1 7,458\ntwo\n");
  assert.equal(wrapped("one VAE1 7,458 two", 10), "one VAE1\n7,458 two\n");
});
