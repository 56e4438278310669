/** A table as a value, and its renderings for programs and for mails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { csv } from "./csv.js";
import { NO_BREAK } from "./format.js";
import { markdown, titledMarkdown } from "./markdown.js";
import { type Column, type ColumnOf, right, tableOf, wordTable } from "./table.js";

interface Row {
  readonly host: string;
  readonly bits: number | null;
  readonly us: number;
  readonly tlbi: Readonly<Record<string, number>>;
}

const ROWS: readonly Row[] = [
  { host: "bare-metal", bits: null, us: 1500.25, tlbi: { VMALLS12E1IS: 7458, ALLE1IS: 20 } },
  { host: "kvm, nested", bits: 48, us: 42.7e6, tlbi: { RIPAS2E1IS: 1 } },
];
const COLUMNS: readonly ColumnOf<Row>[] = [
  { head: "host", kind: "words", once: true, of: (row) => row.host },
  { head: "IPA bits", kind: "id", of: (row) => row.bits, text: (row) => String(row.bits ?? "any") },
  { head: "price", kind: "time", under: "simulated", of: (row) => row.us, mark: (row) => (row.us > 1e6 ? "!" : "") },
  { head: "range", key: "price", kind: "times", under: "simulated", of: (row) => [row.us / 2, row.us * 2] },
  { head: "factor", kind: "factors", of: ({ bits }) => (bits === null ? null : [0.5, 2]) },
  { head: "TLBI", kind: "tally", of: (row) => row.tlbi },
];

test("cells have the value and its words: the kind's, or the column's own; - where there is none", () => {
  const [first, second] = tableOf(COLUMNS, ROWS).rows;
  assert.deepEqual(
    first!.map(({ text }) => text),
    ["bare-metal", "any", "1.5 ms", "750 us .. 3 ms", "-", "VMALLS12E1IS 7,458, ALLE1IS 20"],
  );
  assert.deepEqual(first![2], { value: 1500.25, text: "1.5 ms" });
  assert.deepEqual(second![2], { value: 42.7e6, text: "42.7 s", mark: "!" });
});

test("CSV has raw numbers, units in the names, both ends of a range, a column for each name that is counted", () => {
  assert.equal(
    csv(tableOf(COLUMNS, ROWS)),
    [
      "host,ipa_bits,price_us,price_low_us,price_high_us,factor_low,factor_high,tlbi_ALLE1IS,tlbi_RIPAS2E1IS,tlbi_VMALLS12E1IS",
      "bare-metal,,1500.25,750.125,3000.5,,,20,0,7458",
      '"kvm, nested",48,42700000,21350000,85400000,0.5,2,0,1,0',
      "",
    ].join("\r\n"),
  );
});

test("a table without rows is its head", () => {
  assert.equal(csv(tableOf(COLUMNS.slice(0, 3), [])), "host,ipa_bits,price_us\r\n");
  assert.equal(markdown(wordTable(["a"], [])), "| a   |\n| --- |\n");
});

/** The grammar of RFC 4180, section 2. */
function parsed(text: string): string[][] {
  const record = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy;
  const lines: string[][] = [[]];
  for (let at = 0; at < text.length; at = record.lastIndex) {
    record.lastIndex = at;
    const [, quoted, plain, end] = record.exec(text) ?? assert.fail(`no field at ${at} of ${JSON.stringify(text)}`);
    lines.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end !== ",") lines.push([]);
  }
  return lines.slice(0, -1);
}

test("whatever is in a cell, a reader of RFC 4180 gets it back", () => {
  const cell = fc.oneof(fc.string(), fc.constantFrom('"', ",", "\r\n", 'a "b", c', "\n", ""));
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, cell)), (rows) => {
      const heads: Column[] = ["a", "b,", "c"].map((head) => ({ head, key: head, kind: "words" }));
      assert.deepEqual(parsed(csv(wordTable(heads, rows))), [["a", "b,", "c"], ...rows]);
    }),
  );
});

test("Markdown has figures at the right side, marks, whole names of columns, and each row in full", () => {
  const rows = [ROWS[1]!, { ...ROWS[1]!, us: 1 }];
  assert.equal(
    markdown(tableOf(COLUMNS.slice(0, 3), rows)),
    [
      "| host        | IPA bits | simulated, price |",
      "| ----------- | -------: | ---------------: |",
      "| kvm, nested |       48 |          42.7 s! |",
      "| kvm, nested |       48 |             1 us |",
      "",
    ].join("\n"),
  );
});

test("no cell can end itself, begin a tag, an emphasis or a line in Markdown; arrows of call paths stay", () => {
  const cells = ["a|b", "<b>x</b>", "*x* _y_ `z`", "f\ng", `__f${NO_BREAK}< g_h`];
  assert.deepEqual(
    markdown(wordTable(["", ...cells.slice(1).map(() => "x")], [cells]))
      .split("\n")[2]!
      .split(/ +\| +/)
      .map((cell) => cell.replace(/^\| | \|$/g, "").trim()),
    ["a\\|b", "&lt;b>x&lt;/b>", "\\*x\\* _y\\_ \\`z\\`", "f␊g", "__f < g_h"],
  );
});

test("several tables have their titles over them, and sentences below", () => {
  const table = wordTable(["a", right("b")], [["x", "1"]]);
  assert.equal(
    titledMarkdown([
      { title: "one", table, below: ["A sentence."] },
      { title: "two", table, below: [] },
    ]),
    "### one\n\n| a   |   b |\n| --- | --: |\n| x   |   1 |\n\nA sentence.\n\n### two\n\n| a   |   b |\n| --- | --: |\n| x   |   1 |\n",
  );
});
