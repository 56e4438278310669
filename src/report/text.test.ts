import assert from "node:assert/strict";
import test from "node:test";
import { NO_BREAK, textTable, wrapped } from "./text.js";

test("columns stand two spaces apart and the last is wrapped to the width", () => {
  const rows = [
    ["xen-today", "7,458", "the whole VMID at every unlock that follows a removal"],
    ["kvm-ipa", "0", "one IPA at a time"],
  ];
  assert.equal(
    textTable(["policy", "TLBIs", "what it does"], rows, { width: 48, align: ["left", "right"] }),
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
    textTable(["p", "40", "48"], [["x", "1 s", "2 s"]], {
      width: 80,
      align: ["left", "right", "right"],
      over: [
        { text: "", columns: 1 },
        { text: "kvm-nested-7.2", columns: 2 },
      ],
    }),
    ["   kvm-nested-7.2", "p   40         48", "x  1 s        2 s", ""].join("\n"),
  );
});

test("control characters in names do not reach the terminal", () => {
  assert.equal(textTable(["a"], [["\u001b[31mred\n"]], { width: 80 }), "a\n␛[31mred␊\n");
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
