/** Words and policies, explained; the glossary is the page. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { shootdown } from "./command.fixture.js";

const PAGE = readFileSync(fileURLToPath(new URL("../../docs/glossary.md", import.meta.url)), "utf8");

interface Word {
  readonly word: string;
  readonly aliases: readonly string[];
  readonly kind: string;
  readonly text: string;
  readonly source?: string;
}
const words = async (...name: string[]): Promise<Word[]> =>
  JSON.parse((await shootdown(["explain", ...name, "--json"])).out) as Word[];

test("every bold paragraph of the glossary is a term, with a source, under names that no other term has", async () => {
  const terms = (await words()).filter(({ kind }) => kind === "term");
  assert.deepEqual(
    terms.map(({ word }) => word),
    [...PAGE.matchAll(/^\*\*([^*]+)\*\*/gm)].map(([, word]) => word),
  );
  assert.ok(terms.length > 50);
  const names = terms.flatMap(({ word, aliases }) => [word, ...aliases]).map((name) => name.toLowerCase());
  assert.deepEqual(
    names.filter((name, i) => names.indexOf(name) < i),
    [],
  );
  for (const { word, text, source } of terms) {
    assert.match(source ?? "", /DDI 0487|Xen: |KVM: |Shootdown: |CVE-/, word);
    assert.match(text, /[.?]$/, word);
    assert.doesNotMatch(text + source, /\]\(|\\/, `${word}: marks of Markdown`);
  }
});

test("a word is found by its other names, in any case, and with blanks", async () => {
  assert.equal((await words("bbm"))[0]!.word, "break-before-make");
  assert.equal((await words("shadow", "stage-2"))[0]!.word, "shadow stage-2");
  assert.deepEqual(
    (await words("switch")).map(({ kind }) => kind),
    ["term", "occasion of a policy"],
  );
  assert.equal((await words("vale2is"))[0]!.kind, "TLBI");
});

test("a word that nothing is called is refused with the nearest ones", async () => {
  const { status, err } = await shootdown(["explain", "combned"]);
  assert.deepEqual([status, err], [1, "shootdown: nothing is called 'combned'; did you mean combined entry?\n"]);
  assert.match((await shootdown(["explain", "xen-tody"])).err, /did you mean xen-today\?/);
});

test("a policy of one's own is explained too, from standard input as well, and a wrong one is refused with its line", async () => {
  const stdin = 'name = "mine"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n[switch]\ncode = "tlbi vmalle1"\n';
  const { status, out } = await shootdown(["explain", "-"], { stdin });
  assert.equal(status, 0);
  assert.match(
    out,
    /^\[switch\] a pCPU takes in a vCPU.*(\n .*)*\n {2}tlbi vmalle1\n {6}- reaches the executing PE only$/m,
  );
  const wrong = await shootdown(["explain", "-"], { stdin: stdin.replace("vmalle1", "vmalle9") });
  assert.deepEqual([wrong.status, wrong.err], [1, "shootdown: standard input:6: unknown TLBI operation 'vmalle9'\n"]);
});

test("no line is longer than the terminal", async () => {
  for (const columns of [60, 80]) {
    const { out } = await shootdown(["explain", "va-ipa-range"], { columns });
    const long = out.split("\n").filter((line) => line.length > columns);
    assert.deepEqual(long, []);
  }
});
