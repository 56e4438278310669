import assert from "node:assert/strict";
import test from "node:test";
import { parseHTML } from "linkedom";
import type { CompareResult, CompareRow } from "../../compare/index.js";
import { duration, durationRange, factor } from "../format.js";
import { renderReport } from "../index.js";
import { provedResult, sampleResult, smallResult } from "../sample.fixture.js";

/** What the tests use of the DOM; the project compiles without its types. */
interface Node {
  readonly textContent: string;
  readonly tagName: string;
  readonly children: readonly Node[];
  getAttribute(name: string): string | null;
  querySelector(selector: string): Node | null;
  querySelectorAll(selector: string): Iterable<Node>;
}

const parse = (html: string): Node => parseHTML(html).document as unknown as Node;
const all = (node: Node, selector: string): readonly Node[] => [...node.querySelectorAll(selector)];
const sample = sampleResult();
const html = await renderReport(sample);
const page = parse(html);

test("the report needs nothing from elsewhere: no link leaves it and nothing is loaded", () => {
  for (const name of ["src", "href", "xlink:href", "srcset", "action", "data"])
    for (const node of all(page, `[${name.replace(":", "\\:")}]`)) assert.match(node.getAttribute(name)!, /^#/);
  assert.equal(all(page, "script, link, iframe, object, embed, img").length, 0);
  assert.doesNotMatch(html, /@import|url\(|@font-face/);
});

/** The cells of the rows that a policy has in the tables of prices of a section. */
const priceCells = (section: Node, policy: string): readonly string[] => {
  const line = all(section, ".prices tbody tr").find((tr) => {
    const names = all(tr, "th li").map(({ textContent }) => textContent);
    return (names.length > 0 ? names : [tr.querySelector("th")!.textContent]).includes(policy);
  });
  return all(line!, "td").map(({ textContent }) => textContent);
};

test("every row's price and range stand in the cell of its policy, host and IPA size", () => {
  const scenarios = all(page, "section.scenario");
  for (const row of sample.rows) {
    const section = scenarios.find((node) => node.querySelector("h2")!.textContent === row.scenario)!;
    const host = sample.hosts.findIndex(({ name }) => name === row.host);
    const column = host === 0 ? 0 : 1 + (host - 1) * 3 + [40, 44, 48].indexOf(row.ipaBits);
    const range = row.microseconds === 0 ? "" : durationRange(...row.microsecondsRange, "–");
    assert.equal(priceCells(section, row.policy)[column], duration(row.microseconds) + range);
  }
});

test("policies that are the same in all columns share a row, and no others do", () => {
  for (const section of all(page, "section.scenario")) {
    const rows = all(section, ".prices tbody tr").map((tr) =>
      all(tr, "td")
        .map((td) => td.textContent)
        .join(),
    );
    assert.equal(new Set(rows).size, rows.length);
    const names = all(section, ".prices tbody th").flatMap((th) => {
      const items = all(th, "li").map((li) => li.textContent);
      return items.length > 0 ? items : [th.textContent];
    });
    assert.deepEqual([...names].sort(), sample.policies.map(({ name }) => name).sort());
  }
});

test("the counts of the largest IPA size are all there, by Xen and by the hardware", () => {
  const text = page.querySelector("section.scenario .counts")!.textContent;
  for (const words of ["VMALLS12E1IS 7,466", "RIPAS2E1IS 1,957,167,104", "refaults 7,466", "leaves dropped 14,932"])
    assert.ok(text.includes(words), words);
});

test("the page begins with the answer: the cheapest sound policy of each place, and what it saves", async () => {
  const proved = parse(await renderReport(provedResult()));
  const first = proved.querySelector("header table")!;
  assert.deepEqual(
    [first.getAttribute("class"), first.querySelector("caption")!.textContent],
    ["answer", "create-domu"],
  );
  const rows = all(first, "tbody tr").map((tr) => [...tr.children].map(({ textContent }) => textContent));
  // as the rows of xen-today and batch-range at 48 bits have them
  const price = (policy: string): number =>
    sample.rows.find(
      (row) =>
        row.scenario === "create-domu" && row.host === "kvm-nested-7.2" && row.ipaBits === 48 && row.policy === policy,
    )!.microseconds;
  const [today, cheapest] = [price("xen-today"), price("batch-range")];
  assert.deepEqual(
    rows.find(([host, bits]) => host === "kvm-nested-7.2" && bits === "48"),
    ["kvm-nested-7.2", "48", duration(today), duration(cheapest), factor(today / cheapest), "batch-range"],
  );
});

test("without verdicts there is no answer, and the page says why", () => {
  assert.equal(page.querySelector(".answer"), null);
  assert.match(page.querySelector(".answers li")!.textContent, /^No answer: nobody asked which policies are sound/);
});

test("tables have captions, heads have scopes, and every row is as wide as its table", () => {
  const tables = all(page, "table");
  assert.ok(tables.length >= 10);
  for (const table of tables) {
    assert.ok(table.querySelector("caption")!.textContent.length > 0);
    for (const th of all(table, "th")) assert.match(th.getAttribute("scope") ?? "", /^(row|col|colgroup)$/);
    const widths = all(table, "tbody tr").map((tr) => tr.children.length);
    assert.equal(new Set(widths).size, 1);
    const head = all(table, "thead tr:first-child th");
    assert.equal(
      head.reduce((sum, th) => sum + Number(th.getAttribute("colspan") ?? 1), 0),
      widths[0],
    );
  }
});

test("pictures are named and described, by ids that occur once", () => {
  const ids = all(page, "[id]").map((node) => node.getAttribute("id"));
  assert.equal(new Set(ids).size, ids.length);
  const pictures = all(page, "svg");
  assert.equal(pictures.length, 3 * 3 * 2);
  for (const svg of pictures) {
    assert.equal(svg.getAttribute("role"), "img");
    const [title, description] = svg.getAttribute("aria-labelledby")!.split(" ");
    assert.ok(svg.querySelector(`title#${title}`)!.textContent.length > 10);
    assert.match(svg.querySelector(`desc#${description}`)!.textContent, /xen-today/);
  }
});

test("no figure in the pictures is broken", () => {
  for (const svg of page.querySelectorAll("svg"))
    assert.doesNotMatch((svg as unknown as { outerHTML: string }).outerHTML, /NaN|Infinity|undefined/);
});

test("the same comparison gives the same bytes", async () => {
  assert.equal(await renderReport(sampleResult()), html);
});

test("policies without a TLBI are named under the table of their prices", () => {
  const said = all(page, "section.scenario").map((section) => section.querySelector(".silent")!.textContent);
  assert.match(said[0]!, /^remove-no-flush executes no TLBI when a mapping is removed/);
  assert.match(said[2]!, /^switch-no-flush, series-v3-patch2 and vmid-per-vcpu execute no TLBI when vCPUs/);
});

test("hostile names are text, in tables and in pictures", async () => {
  const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;`;
  const named = JSON.parse(
    JSON.stringify(smallResult())
      .replaceAll('"kvm-ipa"', JSON.stringify(hostile))
      .replaceAll('"create-domu"', JSON.stringify(hostile)),
  ) as CompareResult;
  const document = parse(await renderReport(named));
  assert.equal(all(document, "script, img, [onerror]").length, 0);
  assert.ok(all(document, "th").some((th) => th.textContent === hostile));
  assert.ok(all(document, "svg text").some((text) => text.textContent === hostile));
});

test("a price that was calibrated names the measurement, and what it pays for", () => {
  const lines = all(page, "#hosts tbody tr").map((tr) => all(tr, "td").map((td) => td.textContent));
  assert.deepEqual(lines[0]!.slice(4), ["a broadcast TLBI", "made up for this testCalibrated on handle_vmalls12e1is."]);
  assert.deepEqual(lines[2]!.slice(4), ["", "made up for this test"]);
});

test("a host that shares most prices with an earlier one shows only what differs, with its source", async () => {
  const [bare, first] = sample.hosts;
  const prices = [
    first!.prices[0]!,
    { ...first!.prices[1]!, value: 5, source: "elsewhere" },
    { ...first!.prices[1]!, key: "leaf" },
  ];
  const pattern = { ...first!, prices: [...first!.prices, prices[2]!] };
  const like = { ...first!, name: "like", assumptions: [...first!.assumptions, "One more."], prices };
  const document = parse(await renderReport({ ...sample, hosts: [bare!, pattern, like] }));
  const last = all(document, "#hosts .together").at(-1)!;
  assert.match(last.textContent, /those of kvm-nested-7\.2, but for these/);
  assert.deepEqual(
    all(last, ".notes li").map((li) => li.textContent),
    ["One more."],
  );
  assert.deepEqual(
    all(last, "tbody tr").map((tr) => tr.textContent),
    ["exit536uselsewhere"],
  );
});

test("predictions stand with their range against what was measured", () => {
  const cells = all(page, "#checks tbody tr").map((tr) =>
    all(tr, "td")
      .slice(0, 2)
      .map((td) => td.textContent),
  );
  assert.deepEqual(cells[2], ["71,200 (40,100–180,000) times", "70,000 times"]);
  assert.deepEqual(cells[3], ["182 min", "180–200 min"]);
});

test("a calibration is marked as no check", () => {
  const cells = all(page, "#checks tbody tr").map((tr) => all(tr, "td")[2]!.textContent);
  assert.deepEqual(cells, ["calibration, no check", "✓ agrees", "✓ agrees", "✓ agrees", "✗ differs"]);
});

test("bare metal alone, one IPA size, no checks and no notes make a report, too", async () => {
  const result = smallResult();
  const native = parse(
    await renderReport({
      ...result,
      rows: result.rows.filter((row) => row.host === "bare-metal"),
      checks: [],
      notes: [],
    }),
  );
  assert.equal(all(native, "svg, #checks, #notes").length, 0);
  const single = parse(await renderReport({ ...result, rows: result.rows.filter((row) => row.ipaBits === 48) }));
  assert.equal(all(single, "svg").length, 6);
});

test("a policy left out on a host is a dash in the table and no line in that picture", async () => {
  const result = smallResult();
  const rows = result.rows.filter((row) => !(row.policy === "kvm-ipa" && row.host === "kvm-nested-7.2"));
  const document = parse(await renderReport({ ...result, rows }));
  assert.deepEqual(priceCells(document.querySelector("section.scenario")!, "kvm-ipa").slice(1, 4), ["-", "-", "-"]);
  const drawn = all(document.querySelector("svg")!, "circle title").map((title) => title.textContent.split(":")[0]);
  assert.deepEqual([...new Set(drawn)], ["xen-today", "remove-batch"]);
});

test("policies that cost nothing are named and not drawn; where none costs anything, there is no picture of prices", async () => {
  const result = smallResult();
  const free = (row: CompareRow): CompareRow => ({
    ...row,
    microseconds: 0,
    microsecondsRange: [0, 0],
    parts: { trap: 0, walk: 0, flush: 0, refault: 0 },
  });
  const some = parse(
    await renderReport({ ...result, rows: result.rows.map((row) => (row.policy === "kvm-ipa" ? free(row) : row)) }),
  );
  assert.match(some.querySelector(".key")!.textContent, /kvm-ipa costs nothing, not drawn/);
  assert.equal(all(some, "circle title").filter((title) => title.textContent.startsWith("kvm-ipa")).length, 0);
  const none = parse(await renderReport({ ...result, rows: result.rows.map(free) }));
  assert.equal(all(none, ".key").length, 0);
});

test("captures stand with how they were made, and a price for each phase and host; without any there is no section", async () => {
  assert.equal(page.querySelector("#captures"), null);
  const prices = [
    { host: "bare", ipaBits: null, microseconds: 1500, microsecondsRange: [1000, 2000] as const },
    { host: "nested", ipaBits: 48, microseconds: 6e7, microsecondsRange: [6e7, 12e7] as const },
  ];
  const capture = {
    name: "xen-small",
    producer: "a capture on a <machine>",
    phases: [
      { phase: "create", tlbi: { VMALLS12E1IS: 9702 }, prices },
      { phase: "run", tlbi: {}, prices },
    ],
  };
  const section = parse(await renderReport(sample, [capture, { ...capture, name: "xen-large" }])).querySelector(
    "#captures",
  )!;
  assert.deepEqual(
    all(section, "thead th").map(({ textContent }) => textContent),
    ["capture, phase", "TLBIs that Xen executed", "bare", "nested, 48 bits"],
  );
  assert.deepEqual(
    all(section, "tbody .name").map(({ textContent }) => textContent),
    ["xen-small", "xen-large"],
  );
  assert.match(section.textContent, /a capture on a <machine>\./);
  const row = all(section, "tbody tr")[1]!;
  assert.deepEqual(
    [...row.children].map(({ textContent }) => textContent),
    [
      "create",
      "VMALLS12E1IS 9,702",
      `${duration(1500)} ${durationRange(1000, 2000, "–")}`,
      `${duration(6e7)} ${durationRange(6e7, 12e7, "–")}`,
    ],
  );
});
