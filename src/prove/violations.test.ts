/** What is said of a violation of break-before-make: who may hold what, which write made it so, and that nothing that ends so is sound. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../builtin/index.js";
import { loadPolicy } from "../catalog/index.js";
import { explore, finalsOf, parseLitmus, proverCpu, Question, verdictWord } from "./index.js";

const CPU = proverCpu(builtInCpu("arch-minimal"));
const OPTIONS = { ...CPU, maxStates: 20_000, timeoutMs: 0 };
const parsed = (name: string) =>
  parseLitmus(readFileSync(fileURLToPath(new URL(`../../litmus/${name}.toml`, import.meta.url)), "utf8"), name);

test("a violation names the write, who may hold both entries, in what they differ, and what may come of it", () => {
  const { verdict, breach, witness } = explore(parsed("break-before-make/split-moved-in-place").program, OPTIONS);
  assert.equal(verdict, "allowed");
  assert.equal(breach!.who, "PE 1");
  assert.equal(breach!.va, "x");
  assert.deepEqual(breach!.differ, ["output address", "block size"]);
  assert.match(
    breach!.write,
    /^PE 0 writes .* to stage-2 level-2 descriptor of ipa1 .*, which held a descriptor of pa1$/,
  );
  assert.match(breach!.may.join("\n"), /TLB conflict abort[\s\S]*amalgam/);
  const told = witness!.map(({ kind }) => kind);
  assert.ok(told.indexOf("write") < told.indexOf("conflict"), "the write comes before the access");
});

test("of an entry that was broken and not flushed the story says that, and of a misprogrammed group that it is one", () => {
  const write = (name: string): string => explore(parsed(name).program, OPTIONS).breach!.write;
  assert.match(write("stage-2/replace-no-tlbi-amalgam"), /which held a descriptor of pa1 before it was made invalid/);
  assert.match(write("contiguous/one-without-bit"), /some have the Contiguous bit and some do not/);
});

test("what FEAT_BBM permits is no violation, and its TLB conflict abort is told", () => {
  const { program } = parsed("break-before-make/split-in-place");
  const { verdict, remark } = explore(program, { ...OPTIONS, bbm: 2 });
  assert.equal(verdict, "forbidden");
  assert.match(remark!, /TLB conflict abort/);
  assert.equal(verdictWord(explore(program, { ...OPTIONS, bbm: 1 })), "breaks-bbm");
});

test("final states are not all known where break-before-make is violated", () => {
  const finals = finalsOf(parsed("stage-1/remap-no-break-amalgam"), OPTIONS);
  assert.match("reason" in finals ? finals.reason : "", /break-before-make is violated/);
});

test("a policy whose scenario ends so only by a violation is not sound, and an ordinary bad end tells more", () => {
  const question = new Question(loadPolicy("xen-today"), "revoke", builtInCpu("cortex-a72"), { fb: true });
  const found = { states: 1, timelines: 1, milliseconds: 0 };
  const breach = explore(parsed("stage-1/remap-no-break-amalgam").program, OPTIONS).breach!;
  const bad = { ...found, verdict: "allowed", witness: [] } as const;
  const rest = question.tasks.slice(2).map(() => ({ ...found, verdict: "forbidden" }) as const);
  const only = question.conclude([{ ...found, verdict: "forbidden" }, { ...bad, breach }, ...rest]);
  assert.deepEqual([only.verdict, only.breach], ["unsound", breach]);
  const both = question.conclude([bad, { ...bad, breach }, ...rest]);
  assert.deepEqual([both.verdict, both.breach], ["unsound", undefined]);
});
