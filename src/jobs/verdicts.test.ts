import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { loadPolicy } from "../catalog/index.js";
import { Question } from "../prove/index.js";
import { decided } from "./verdicts.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-verdicts-"));
after(() => rmSync(folder, { recursive: true }));

const [task] = new Question(loadPolicy("switch-no-flush"), "switch", builtInCpu("arch-minimal"), { fb: true }).tasks;
const LIMITS = { maxStates: 1_000_000, timeoutMs: 60_000 };
const files = (): string[] =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".json"));

test("a verdict that is kept is not decided again; a damaged one is, and so is one of other rules or bounds", () => {
  const ask = (rules: string, limits = LIMITS) => decided(task!, { ...limits, verdicts: { folder, rules } });
  const first = ask("a");
  assert.equal(first.verdict, "allowed");
  assert.deepEqual(ask("a"), first); // milliseconds too
  assert.equal(files().length, 1);
  const file = join(folder, files()[0]!);
  const text = readFileSync(file, "utf8");
  for (const damaged of [text.replace("allowed", "forbidden"), text.slice(0, -3), "", "{}"]) {
    writeFileSync(file, damaged);
    assert.equal(ask("a").verdict, "allowed");
    assert.equal(JSON.parse(readFileSync(file, "utf8").split("\n")[1]!).verdict, "allowed");
  }
  assert.equal(ask("a", { ...LIMITS, maxStates: 1 }).verdict, "unknown");
  ask("b");
  assert.equal(files().length, 2);
});

test("where nothing can be kept, as a file stands there, everything is decided", () => {
  const verdicts = { folder: join(folder, files()[0]!), rules: "a" };
  assert.equal(decided(task!, { ...LIMITS, verdicts }).verdict, "allowed");
});
