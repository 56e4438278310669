/** The verdicts in the tables and the report of a comparison. */
import assert from "node:assert/strict";
import test from "node:test";
import { parseHTML } from "linkedom";
import { answersOf } from "./answers.js";
import { assertGolden } from "./golden.fixture.js";
import { compareTables, renderReport } from "./index.js";
import { provedResult, sampleResult, smallProved } from "./sample.fixture.js";

interface Node {
  readonly textContent: string;
  querySelector(selector: string): Node | null;
  querySelectorAll(selector: string): Iterable<Node>;
}
const parse = (html: string): Node => parseHTML(html).document as unknown as Node;
const all = (node: Node, selector: string): readonly Node[] => [...node.querySelectorAll(selector)];

test("a comparison with verdicts reads well on 80 and on 140 columns", () => {
  assertGolden("verdicts-80.txt", compareTables(smallProved(), 80));
  assertGolden("verdicts-140.txt", compareTables(smallProved(), 140));
});

test("no line of a comparison with verdicts is longer than the terminal is wide", () => {
  for (let width = 80; width <= 160; width += 4)
    for (const line of compareTables(provedResult(), width).split("\n")) assert.ok(line.length <= width, line);
});

test("every price of an unsound policy is marked, and no other", () => {
  const lines = compareTables(provedResult(), 80).split("\n");
  const [unsound, sound] = ["remove-no-flush", "kvm-ipa"].map((name) => lines.filter((l) => l.startsWith(`${name}  `)));
  const create = unsound!.slice(0, 3).join(" ");
  assert.equal(create.match(/\d (ns|us|ms|s|min|h)!/g)?.length, 1 + 9, create);
  assert.doesNotMatch(sound!.join(" "), /!/);
});

test("a policy is unsound where the scenario has the occasion, and the story's command stands there", () => {
  const text = compareTables(provedResult(), 140);
  assert.match(text, /^xen-today +sound .*\n switch-no-flush$/m);
  assert.match(text, /^switch-no-flush +UNSOUND/m);
  assert.match(text, /UNSOUND for revoke: remove-no-flush, va-ipa-range\. ! marks .*shootdown prove remove-no-flush/);
  assert.doesNotMatch(text, /says nothing about whether|whether that is safe/);
});

test("without a proof there is no verdict, and it is said that a price is none", () => {
  const text = compareTables(sampleResult(), 140);
  assert.doesNotMatch(text.split("No answer: ")[0]!, /verdict|UNSOUND|sound|!/);
  assert.match(text, /Cheap is not safe/);
});

test("CPUs with different verdicts have a column each", () => {
  const full = provedResult();
  const hosts = full.hosts.map((host) => (host.nested ? host : { ...host, cpu: "cortex-a72" }));
  const rows = full.rows.map((row) =>
    row.host === "bare-metal" ? { ...row, verdict: "sound" as const, unsound: [] } : row,
  );
  const text = compareTables({ ...full, hosts, rows }, 140);
  assert.match(text, /^policy +cortex-a72 +neoverse-v2 +bare-metal/m);
  assert.match(text, /^remove-no-flush +sound +UNSOUND +[\d.]+ (us|ns) /m);
});

test("the report has the verdict beside the price, with the occasions, and what it assumes", async () => {
  const page = parse(await renderReport(provedResult()));
  const rows = all(page.querySelector("section.scenario .prices")!, "tbody tr");
  const of = (name: string) => rows.find((tr) => tr.querySelector("th")!.textContent.startsWith(name))!;
  assert.equal(of("xen-today").querySelector("td")!.textContent, "sound");
  assert.equal(of("remove-no-flush").querySelector("td")!.textContent, "UNSOUNDrevoke");
  assert.equal(all(of("remove-no-flush"), ".mark").length, 10);
  assert.equal(all(of("xen-today"), ".mark").length, 0);
  assert.match(page.querySelector("#proof")!.textContent, /TLBs are private to a PE\./);
  assert.match(page.querySelector(".key")!.textContent, /remove-no-flush \(unsound\)/);
});

test("the answer's policies are sound ones, in the page and at the end of the terminal", async () => {
  const page = parse(await renderReport(provedResult()));
  const named = all(page, ".answer tbody tr").map((tr) => all(tr, "td").at(-1)!.textContent);
  assert.ok(named.length > 0);
  for (const name of named) assert.doesNotMatch(name, /remove-no-flush|va-ipa-range/);
  const end = compareTables(provedResult(), 80).split("The answer: ")[1]!;
  assert.match(end, /^kvm-nested-7\.2 +40 .* batch-range$/m);
});

test("what a cheap unsound policy would save is no answer; where no policy is sound, that is said", () => {
  const full = provedResult();
  const rows = full.rows.map((row) => (row.verdict === "sound" ? { ...row, verdict: "unknown" as const } : row));
  const text = compareTables({ ...full, rows }, 1000);
  assert.doesNotMatch(text, /The answer: /);
  assert.match(
    text,
    /^create-domu: no policy is known to be sound \(2 unsound, 11 unknown\) on bare-metal, kvm-nested-7\.2, /m,
  );
});

test("a policy that costs least only in the middle of its range is marked, and who costs less at an end is named", () => {
  const full = provedResult();
  const rows = full.rows.map((row) =>
    row.policy === "batch-range"
      ? { ...row, microsecondsRange: [row.microseconds, row.microseconds * 1e6] as const }
      : row,
  );
  const [answer] = answersOf({ ...full, rows }).filter(({ cheapest }) => cheapest.includes("batch-range"));
  assert.ok(answer!.contested.length > 0);
  assert.match(
    compareTables({ ...full, rows }, 1000),
    /^~ The range decides: with every elementary price at its low or/m,
  );
});
