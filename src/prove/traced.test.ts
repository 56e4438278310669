/** Whose line it is: instructions of scenarios, and steps of stories, traced to policies' files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import { parseLitmus } from "./litmus/index.js";
import { Question, type SignOff, signOff } from "./sign-off.js";

const BASE = `name = "base"
title = "t"
source = "s"
[revoke]
due = "at-once"
code = """
  dsb ishst
  tlbi vmalls12e1is
  dsb ish
"""
[switch]
code = ""
[split]
code = ""
[vmid-assigned]
code = ""
`;
const base = parsePolicy(BASE, "base.toml", () => assert.fail());
const policy = (code: string): Policy =>
  parsePolicy(
    `name = "own"\ntitle = "t"\nsource = "s"\nbase = "base"\n[revoke]\ndue = "at-once"\ncode = """\n${code}"""\n`,
    "own.toml",
    () => base,
  );

const cpu = builtInCpu("cortex-a72");
const decided = (of: Policy, fb = true): SignOff =>
  signOff([new Question(of, "revoke", cpu, { fb })], { maxStates: 1e6, timeoutMs: 0 })[0]!;
const blamed = ({ culprits = [] }: SignOff): string[] =>
  culprits.map(({ file, line, code }) => `${file}:${line}: ${code}`);

test("a local TLBI is to blame where it misses the other pCPU: DDI 0487 C5.5, only IS and OS forms reach further", () => {
  const result = decided(policy("  dsb ishst\n  tlbi vmalls12e1\n  dsb ish\n"));
  assert.equal(result.verdict, "unsound");
  assert.deepEqual(blamed(result), ["own.toml:9: tlbi vmalls12e1"]);
});

test("without a DSB before it, the TLBI is to blame that takes effect before the write of the descriptor", () => {
  const result = decided(policy("\n  tlbi vmalls12e1is // no barrier\n  dsb ish\n"));
  assert.equal(result.verdict, "unsound");
  assert.deepEqual(blamed(result), ["own.toml:9: tlbi vmalls12e1is // no barrier"]);
});

test("a barrier is to blame where the TLBIs do what they should: a DSB of stores completes none (B2.3)", () => {
  const result = decided(policy("with owner-vmid\n  dsb ishst\n  tlbi vmalls12e1is\n  dsb ishst\nend\n"));
  assert.equal(result.verdict, "unsound");
  assert.deepEqual(blamed(result), ["own.toml:11: dsb ishst"]);
});

test("a TLBI is to blame that is for the current VMID, not the owner's (D8.16)", () => {
  const result = decided(policy("  dsb ishst\n  tlbi vmalls12e1is\n  dsb ish\n"));
  assert.equal(result.verdict, "unsound");
  assert.deepEqual(blamed(result), ["own.toml:9: tlbi vmalls12e1is"]);
  assert.match(result.culprits![0]!.why, /removes nothing on pCPU 1, it is for VMID/);
});

test("where a policy executes nothing, no line is to blame", () => {
  const result = decided(policy(""));
  assert.equal(result.verdict, "unsound");
  assert.deepEqual([blamed(result), result.witness!.filter(({ from }) => from !== undefined)], [[], []]);
});

test("what a policy takes over from its base is traced to the base's file", () => {
  const question = new Question(policy("  tlbi vmalle1\n"), "revoke", cpu, { fb: true });
  assert.match(question.texts()[0]!.text, /TLBI VMALLE1 {6}\/\/ own:8 \[revoke\]$/m);
  const child = parsePolicy(`name = "child"\ntitle = "t"\nsource = "s"\nbase = "base"\n`, "child.toml", () => base);
  const [first] = new Question(child, "revoke", cpu, { fb: true }).texts();
  assert.match(first!.text, /TLBI VMALLS12E1IS {6}\/\/ base:8 \[revoke\]$/m);
});

test("steps say what they are, of which pCPU, through which entry, and by which instruction", () => {
  const { witness = [] } = decided(policy("  dsb ishst\n  tlbi vmalls12e1\n  dsb ish\n"));
  const miss = witness.find(({ kind }) => kind === "miss")!;
  assert.deepEqual([miss.pcpu, miss.at!.text, miss.from!.line], [0, "TLBI VMALLS12E1", 9]);
  const stale = witness.find((step) => step.stale)!;
  assert.deepEqual([stale.kind, stale.pcpu], ["read", 1]);
  assert.match(stale.entry!, /^its combined entry x -> pa1/);
  assert.match(stale.at!.text, /^LDR X\d+,\[X\d+\]$/);
});

test("policies that run the same code share scenarios, whatever the lines that it stands on", () => {
  const [one, other] = ["  dsb ish\n", "\n\n  dsb ish\n"].map(
    (code) => new Question(policy(code), "revoke", cpu, { fb: true }),
  );
  assert.deepEqual(one!.tasks, other!.tasks);
  assert.doesNotMatch(one!.tasks[0]!.scenario, /\[revoke\]/);
});

test("the remarks change nothing in the litmus test", () => {
  const question = new Question(base, "revoke", cpu, { fb: true });
  const { name, text } = question.texts()[0]!;
  const plain = text.replaceAll(/ {6}\/\/ base:\d+ \[revoke\]$/gm, "");
  assert.notEqual(plain, text);
  const code = (of: string): string[] =>
    parseLitmus(of, name).program.threads.flatMap((t) => t.code.map((i) => i.text.trim()));
  assert.deepEqual(code(text), code(plain));
});
