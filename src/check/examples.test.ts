/** The examples of the page on `check` (docs/check.md): of each kind a trace that has it, and one that does the same rightly. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../builtin/index.js";
import { readTrace } from "../trace/file.js";
import { Checker } from "./checker.js";
import type { Finding } from "./findings.js";
import { FINDING_KINDS, type FindingKind, KINDS, REASONS } from "./kinds.js";

const EXAMPLES = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "examples", "check");
const skip = existsSync(EXAMPLES) ? false : "the examples are not here";

async function findings(kind: FindingKind, which: "good" | "bad"): Promise<readonly Finding[]> {
  const checker = new Checker(builtInCpu("arch-minimal"));
  await readTrace(join(EXAMPLES, `${kind}.${which}.ndjson`), [checker]);
  return checker.finish().findings;
}

for (const kind of FINDING_KINDS)
  test(`the bad example of ${kind} has it, and nothing else of its class or worse; the good one has neither`, {
    skip,
  }, async () => {
    const { class: of } = KINDS[kind];
    const bad = await findings(kind, "bad");
    assert.ok(
      bad.some((one) => one.kind === kind),
      bad.map((one) => one.kind).join(", "),
    );
    const good = await findings(kind, "good");
    const grave = good.filter((one) => one.kind === kind || one.class === "unsafe" || one.class === "discipline");
    assert.deepEqual(
      grave.map((one) => one.kind),
      [],
    );
    if (of === "unsafe") assert.equal(bad[0]!.kind, kind);
    if (of === "discipline") assert.equal(bad.filter((one) => one.class === of).length, 1);
  });

test("the page on check has a row for each kind and each reason, in the words of the command", { skip }, () => {
  const page = readFileSync(join(EXAMPLES, "..", "..", "docs", "check.md"), "utf8");
  for (const [kind, { class: of, sentence, rule }] of Object.entries(KINDS))
    assert.ok(page.includes(`| \`${kind}\` | ${of} | ${sentence} | ${rule} |`), kind);
  for (const [reason, sentence] of Object.entries(REASONS))
    assert.ok(page.includes(`| \`${reason}\` | ${sentence} |`), reason);
});
