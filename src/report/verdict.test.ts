/** The verdicts in the tables and the report of a comparison. */
import assert from "node:assert/strict";
import test from "node:test";
import { parseHTML } from "linkedom";
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
  assert.match(text, /^switch-no-flush +sound/m);
  assert.match(text, /^switch-no-flush +UNSOUND/m);
  assert.match(text, /UNSOUND for revoke: remove-no-flush, va-ipa-range\. ! marks .*shootdown prove remove-no-flush/);
  assert.doesNotMatch(text, /says nothing about whether|whether that is safe/);
});

test("without a proof there is no verdict, and it is said that a price is none", () => {
  const text = compareTables(sampleResult(), 140);
  assert.doesNotMatch(text, /verdict|UNSOUND|sound|!/);
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
  const of = (name: string) => rows.find((tr) => tr.querySelector("th")!.textContent === name)!;
  assert.equal(of("xen-today").querySelector("td")!.textContent, "sound");
  assert.equal(of("remove-no-flush").querySelector("td")!.textContent, "UNSOUNDrevoke");
  assert.equal(all(of("remove-no-flush"), ".mark").length, 10);
  assert.equal(all(of("xen-today"), ".mark").length, 0);
  assert.match(page.querySelector("#proof")!.textContent, /TLBs are private to a PE\./);
  assert.match(page.querySelector(".key")!.textContent, /remove-no-flush \(unsound\)/);
});

test("the head's cheapest policies are sound ones", async () => {
  const page = parse(await renderReport(provedResult()));
  const [first] = all(page, ".answers li").map((li) => li.textContent.replaceAll("\u00a0", " "));
  assert.match(first!, /the lowest of those that are sound: 11\.7 s under batch-range/);
  assert.doesNotMatch(first!, /12 s under va-ipa-range/);
  assert.match(first!, /UNSOUND for revoke: remove-no-flush, va-ipa-range\.$/);
});
