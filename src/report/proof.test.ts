import assert from "node:assert/strict";
import test from "node:test";
import { parseHTML } from "linkedom";
import { builtInCpu, usualCpus } from "../builtin/index.js";
import type { Proof } from "../prove/index.js";
import { assertGolden } from "./golden.fixture.js";
import { proofText, renderProofReport } from "./index.js";
import { sampleMade, sampleProof } from "./proof.fixture.js";

const CPUS = usualCpus().map(builtInCpu);

/** What the tests use of the DOM; the project compiles without its types. */
interface Node {
  readonly textContent: string;
  readonly children: readonly Node[];
  getAttribute(name: string): string | null;
  querySelector(selector: string): Node | null;
  querySelectorAll(selector: string): Iterable<Node>;
}

const { command: COMMAND } = sampleMade;
const parse = (html: string): Node => parseHTML(html).document as unknown as Node;
const all = (node: Node, selector: string): readonly Node[] => [...node.querySelectorAll(selector)];
const html = await renderProofReport(sampleProof(), sampleMade);
const page = parse(html);

test("a proof reads well on 80 columns", () => {
  assertGolden("proof-80.txt", proofText(sampleProof(), { width: 80, witness: true, made: sampleMade }));
});

test("no line of a proof is longer than the terminal is wide", () => {
  for (const width of [80, 100, 140])
    for (const line of proofText(sampleProof(), { width, witness: true, made: sampleMade }).split("\n"))
      assert.ok(line.length <= width, `${width}: ${line}`);
});

test("without stories it is said where they are told", () => {
  const text = proofText(sampleProof(), { width: 80, witness: false });
  assert.match(text, /^How it fails: shootdown prove unsafe, or --witness for all\.$/m);
  assert.doesNotMatch(text, /arrives at/);
});

test("the report needs nothing from elsewhere: no link leaves it and nothing is loaded", () => {
  for (const name of ["src", "href", "xlink:href", "srcset", "action", "data"])
    for (const node of all(page, `[${name.replace(":", "\\:")}]`)) assert.match(node.getAttribute(name)!, /^#/);
  assert.equal(all(page, "script, link, iframe, object, embed, img").length, 0);
  assert.doesNotMatch(html, /@import|url\(|@font-face/);
});

test("CPUs with the same verdicts share a row, and what cannot run is a dash", () => {
  const rows = all(page, ".verdicts tbody tr").map((tr) => [...tr.children].map((cell) => cell.textContent));
  const explored = "8 scenarios, 1,200 timelines, 34,000 states";
  assert.deepEqual(rows, [
    ["safe", `sound${explored}`, `sound${explored}`, "cortex-a72, neoverse-v2"],
    ["unsafe", "UNSOUND1 to 2 of 8 scenarios fail", `sound${explored}`, "cortex-a72, neoverse-v2"],
    ["needy", "-", "-", "cortex-a72"],
    ["needy", `sound${explored}`, `sound${explored}`, "neoverse-v2"],
  ]);
});

test("a verdict of unsound leads to its story", () => {
  const target = page.querySelector(".verdicts a")!.getAttribute("href")!;
  const story = page.querySelector(target)!;
  assert.match(
    story.querySelector("h3")!.textContent,
    /^unsafe is UNSOUND for revoke on cortex-a72, neoverse-v2: the former owner/,
  );
  assert.deepEqual(
    all(story, ".cast li").map((li) => li.textContent),
    ["pCPU 0, Xen; the owner is current", "pCPU 1, the former owner"],
  );
});

test("the story has every step of the witness: its time, who, what and the rule, in its lane", () => {
  const rows = all(page, ".timeline tbody tr");
  const { witness } = sampleProof().results.find(({ verdict }) => verdict === "unsound")!;
  assert.deepEqual(
    rows.map((row) => [row.querySelector(".time")!.textContent, row.querySelector(".step")!.textContent]),
    witness!.map(({ time, who, what, rule, from }) => [
      String(time),
      `${who}: ${what}${from ? " unsafe:9" : ""}${rule ?? ""}`,
    ]),
  );
  const lanes = rows.map((row) =>
    all(row, "td").map((cell) => `${cell.querySelector(".step") ? "step" : "-"} ${cell.getAttribute("colspan") ?? 1}`),
  );
  assert.deepEqual(lanes, [["- 1", "step 1"], ["step 1", "- 1"], ["step 2"], ["step 1", "- 1"], ["- 1", "step 1"]]);
  assert.deepEqual(
    rows.map((row) => row.querySelector(".step")!.getAttribute("class")),
    ["step", "step", "step rightwards", "step", "step stale"],
  );
});

test("a story's head is in the head of its table, which is printed again on every page that it goes on to", () => {
  assert.deepEqual(
    all(page, ".timeline thead th").map((th) => th.textContent),
    ["unsafe, revoke: the former owner reads what the page's next owner wrote", "time", "pCPU 0", "pCPU 1"],
  );
});

test("a story names the policy's file and line, and shows its code with that line marked", () => {
  const text = proofText(sampleProof(), { width: 100, witness: true });
  assert.match(text, /^To blame: \.\/unsafe\.toml:9 \(tlbi ipas2e1is, ipa\)\.$/m);
  assert.match(text, /^\.\/unsafe\.toml:5, \[revoke\]\n/m);
  assert.match(text, /^ {3}8 {10}for page\n {3}9> {4}2 {6}tlbi ipas2e1is, ipa\n {2}10 {10}end$/m);
  const rows = all(page, ".listing tbody tr").map((tr) => [...tr.children].map((cell) => cell.textContent.trim()));
  assert.deepEqual(rows[2], ["9>", "2", "tlbi ipas2e1is, ipa"]);
  assert.deepEqual(
    rows.map(([line]) => line),
    ["7", "8", "9>", "10", "11"],
  );
});

test("a verdict says what it looked at, and a footer what it was made from", () => {
  const text = proofText(sampleProof(), { width: 1000, witness: false, made: sampleMade });
  assert.match(text, /its occasion, made from the policy's own code: revoke 8, switch 8; on each of 2 CPU profiles\./);
  assert.match(
    text,
    /\nMade by shootdown 1\.2\.3: shootdown prove safe unsafe needy --report it\.html\nFrom \(SHA-256, 12 digits\): \.\/unsafe\.toml 0123456789ab\n$/,
  );
  assert.deepEqual(
    all(page, ".inputs tbody tr").map((tr) => tr.textContent),
    ["./unsafe.toml0123456789ab"],
  );
});

test("scenarios that fail are named, with the CPUs where not on all of them", () => {
  assert.deepEqual(
    all(page, ".story .items li").map((li) => li.textContent),
    ["revoke.other-pcpu.current.page.read", "revoke.other-pcpu.current.block.read (on neoverse-v2)"],
  );
});

test("CPUs that were asked for are named; 'every CPU' is all profiles that there are, and says which", async () => {
  const few = proofText(sampleProof(), { width: 80, witness: true });
  assert.doesNotMatch(few + html, /every CPU/i);
  assert.match(few, /^safe +sound +sound +cortex-a72, neoverse-v2$/m);
  const { results, ...proof } = sampleProof();
  const own = results.filter(({ policy, cpu }) => policy === "safe" && cpu === "cortex-a72");
  const everywhere = CPUS.flatMap(({ name: cpu }) => own.map((result) => ({ ...result, cpu })));
  const all = { ...proof, results: everywhere, policies: proof.policies.slice(0, 1), cpus: CPUS };
  const text = proofText(all, { width: 200, witness: true });
  assert.match(text, /^safe +sound +sound +every CPU$/m);
  assert.match(text, new RegExp(`^Every CPU: each of the 7 profiles, ${CPUS.map(({ name }) => name).join(", ")}\\.$`, "m")); // biome-ignore format: one row
  assert.match(await renderProofReport(all, sampleMade), /on every CPU that can run it: safe\./);
});

test("what a CPU lacks is counted as not applicable and no unknown; an unknown is never a dash", () => {
  const text = proofText(sampleProof(), { width: 200, witness: false });
  assert.match(text, /^needy +- +- +cortex-a72$/m);
  assert.match(text, /12 verdicts: 8 sound, 2 unsound, 2 not applicable\. /);
  const { results, ...proof } = sampleProof();
  const open = results.map((one) => (one.verdict === "not-applicable" ? { ...one, verdict: "unknown" as const } : one));
  assert.match(proofText({ ...proof, results: open }, { width: 200, witness: false }), /^needy +unknown +unknown /m);
});

test("the page says what it assumes, why a verdict is unknown, and how it was made", () => {
  assert.deepEqual(
    all(page, "#assumptions li").map((li) => li.textContent),
    sampleProof().assumptions,
  );
  assert.match(page.querySelector("#verdicts")!.textContent, /needy on cortex-a72: requires FEAT_TLBIRANGE/);
  assert.ok(page.querySelector("#again")!.textContent.includes(COMMAND));
  assert.equal(page.querySelector(".story pre")!.textContent, 'arch = "AArch64"\n# <the test>\n');
});

test("ids occur once, tables have captions and heads scopes", () => {
  const ids = all(page, "[id]").map((node) => node.getAttribute("id"));
  assert.equal(new Set(ids).size, ids.length);
  for (const table of all(page, "table")) {
    assert.ok(table.querySelector("caption")!.textContent.length > 0);
    for (const th of all(table, "th")) assert.match(th.getAttribute("scope") ?? "", /^(row|col|colgroup)$/);
  }
});

test("hostile names and titles are text", async () => {
  const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;`;
  const named = JSON.parse(
    JSON.stringify(sampleProof())
      .replaceAll('"unsafe"', JSON.stringify(hostile))
      .replaceAll("The policy unsafe", JSON.stringify(hostile).slice(1, -1)),
  ) as Proof;
  const document = parse(await renderProofReport(named, { ...sampleMade, command: `shootdown prove '${hostile}'` }));
  assert.equal(all(document, "script, img, [onerror]").length, 0);
  assert.ok(all(document, "th").some((th) => th.textContent === hostile));
  assert.ok(all(document, "td").some((td) => td.textContent === hostile));
});

test("where everything is sound there are no stories", async () => {
  const proof = sampleProof();
  const results = proof.results.filter(({ policy }) => policy === "safe");
  const document = parse(
    await renderProofReport({ ...proof, results, policies: proof.policies.slice(0, 1) }, sampleMade),
  );
  assert.equal(all(document, ".story, #stories").length, 0);
  assert.match(document.querySelector(".answers")!.textContent, /^Sound for every occasion/);
});

test("the same proof gives the same bytes", async () => {
  assert.equal(await renderProofReport(sampleProof(), sampleMade), html);
});
