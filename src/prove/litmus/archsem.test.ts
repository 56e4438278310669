/** What ArchSem's dialect of the isla form has besides. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../../builtin/index.js";
import { proverCpu } from "../cpu.js";
import { decideTest, type TestDecision } from "../forms.js";
import { parseLitmus } from "./litmus.js";
import { type Parts, parsed, textOf } from "./text.fixture.js";

const OPTIONS = { ...proverCpu(builtInCpu("arch-minimal")), maxStates: 100_000, timeoutMs: 0 };
const decide = (parts: Parts, kind = ""): TestDecision =>
  decideTest(parseLitmus(textOf(parts).replace("[final]", `[final]\n${kind}`), "t.toml"), OPTIONS);
const verdict = (parts: Parts): string => decide(parts).verdict;

test("a first value of CurrentEL is the Exception level, also where it stands as the register has it", () => {
  const el = (value: number): number => parsed({ reset: [`CurrentEL = ${value}`] }).program.threads[0]!.el;
  assert.deepEqual([0, 1, 2, 4, 8].map(el), [0, 1, 2, 1, 2]);
  assert.throws(() => el(3), { reason: "a first value of CurrentEL" });
});

test("where a test declares no physical name, what it maps to is one; where it declares some, others are mistakes", () => {
  const alias = { symbolic: ["x", "y"], code: "STR X0,[X1]\nLDR X3,[X2]", reset: ["X0 = 1", 'X1 = "x"', 'X2 = "y"'] };
  assert.equal(verdict({ ...alias, setup: "x |-> pa_x; y |-> pa_x;", assertion: "0:X3 = 1" }), "allowed");
  assert.equal(verdict({ ...alias, setup: "x |-> pa_x; y |-> pa_y;", assertion: "0:X3 = 1" }), "forbidden");
  assert.throws(() => parsed({ setup: "physical pa1; x |-> pa2;" }), /unknown name 'pa2'/);
});

test("sizes say how many bytes of first value a place has", () => {
  const parts = (value: string): Parts => ({
    code: "LDR W0,[X1,#8]",
    reset: ['X1 = "x"'],
    more: `[sizes]\nx = 12\n[locations]\nx = ${value}`,
    assertion: "0:X0 = 3",
  });
  assert.equal(verdict(parts("0x000000030000000200000001")), "allowed");
  assert.equal(verdict(parts("0x000000040000000300000001")), "forbidden");
  assert.throws(() => verdict(parts(`0x1${"0".repeat(24)}`)), /expected a value of at most 12 bytes/);
  assert.throws(() => verdict({ ...parts("1"), more: "[sizes]\nx = 0" }), /expected a size of 1 to 4096 bytes/);
});

test("threads and sections name each other's labels, and sections themselves", () => {
  const parts = {
    code: "B helper\nend0:",
    more: '[section.helper]\naddress = 0x1000\ncode = """\nMOV X0,#3\nB end0\n"""',
  };
  assert.equal(verdict({ ...parts, assertion: "0:X0 = 3 & 0:PC = end0" }), "allowed");
  assert.equal(verdict({ ...parts, assertion: "0:X0 = 3 & 0:PC = helper" }), "forbidden");
  assert.throws(() => parsed({ code: "B nowhere" }), /no label 'nowhere'/);
});

test("a thread ends at a breakpoint, and an assertion may ask where it ended and what its system registers hold", () => {
  const parts = (assertion: string): Parts => ({
    setup: "physical pa1; x |-> invalid;",
    code: "faulting:\nLDR X3,[X2]\nend:",
    reset: ['X2 = "x"', "VBAR_EL1 = 0x4242000"],
    assertion,
  });
  // Data abort from a lower EL, Translation fault at level 3 of a read: DDI 0487, D19, ESR_EL1.
  const fault = "0:PC = 0x4242400 & 0:ELR_EL1 = faulting & 0:FAR_EL1 = x & 0:ESR_EL1 = 0x92000007";
  assert.equal(verdict(parts(fault)), "allowed");
  assert.equal(verdict(parts("0:PC = end")), "forbidden");
  assert.equal(verdict(parts("0:ESR_EL1 = 0")), "forbidden");
  const broken = { code: "MOV X0,#1\nMOV X1,#1", assertion: "0:X0 = 1 & 0:X1 = 0 & 0:PC = 0x400004" };
  const text = textOf(broken).replace("[thread.0]", "[thread.0]\nbreakpoints = [0x400004]");
  assert.equal(decideTest(parseLitmus(text, "t.toml"), OPTIONS).verdict, "allowed");
});

test("kind = forall asks whether every final state has it; 0:X0~0 is an inequality; meta is a remark", () => {
  const load = { code: "LDR X0,[X1]", reset: ['X1 = "x"'], more: "[meta.mine]\nanything = [1]\n[locations]\nx = 4" };
  const all = decide({ ...load, assertion: "0:X0 = 4" }, 'kind = "forall"');
  assert.deepEqual([all.verdict, all.holds], ["allowed", true]);
  assert.equal(decide({ ...load, assertion: "0:X0 = 5" }, 'kind = "forall"').holds, false);
  assert.equal(decide({ ...load, assertion: "0:X0~4" }).verdict, "forbidden");
  assert.equal(decide({ ...load, assertion: "0:X0 ~ 5 & ~(0:X0 = 5)" }).verdict, "allowed");
});

const FOLDER = fileURLToPath(new URL("../../../../shared/archsem", import.meta.url));
const skip = existsSync(FOLDER) ? false : "tests of ArchSem do not stand in ../shared/archsem";

test("every test of the sample ends as it expects: sat, unsat, or forall", { skip }, () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".toml"))) {
    const text = readFileSync(join(FOLDER, file), "utf8");
    const { verdict, holds, reason } = decideTest(parseLitmus(text, file), OPTIONS);
    const expect = /^expect *= *"(\w+)"/m.exec(text)?.[1];
    if (expect !== undefined) assert.equal(verdict, expect === "sat" ? "allowed" : "forbidden", `${file}: ${reason}`);
    else if (/^kind *= *"forall"/m.test(text)) assert.equal(holds, true, `${file}: ${reason}`);
    else assert.equal(verdict, "allowed", `${file}: ${reason}`);
  }
});
