import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import type { Occasion } from "../policy/index.js";
import { minimizeOccasion } from "./minimize.js";
import { decide } from "./synth.fixture.js";

const found = (policy: string, occasion: Occasion, ...cpus: string[]) => {
  const asked = {
    occasions: ["revoke", "switch", "split"] as const,
    cpus: cpus.map((name) => builtInCpu(name)),
    setting: { fb: true },
  };
  return minimizeOccasion(builtInPolicy(policy), occasion, asked, decide);
};

test("of Xen's switch, VMALLE1 and its DSB are enough, as Linux has it", () => {
  const { instructions, steps, proofs } = found("xen-today", "switch", "arch-minimal", "neoverse-v2");
  assert.deepEqual(proofs, ["switch"]);
  assert.deepEqual(
    instructions.map(({ code, need, weakest }) => [code, need, ...weakest]),
    [
      ["dsb nshst", "superfluous"],
      ["tlbi vmalls12e1", "stronger", "tlbi vmalle1"],
      ["dsb nsh", "needed"],
      ["isb", "superfluous"],
    ],
  );
  assert.match(instructions[1]!.story!.scenario!.meaning, /out of vCPU A's tables/);
  assert.equal(steps.length, 3);
});

test("the erratum's remedy is not run on a CPU without it, and needed on one with it", () => {
  const needs = (cpu: string) =>
    found("xen-today", "split", cpu)
      .instructions.filter(({ code }) => code.includes("vale2is"))
      .map(({ need }) => need);
  assert.deepEqual([needs("arch-minimal"), needs("neoverse-v2")], [["not-run"], ["needed"]]);
});

test("of what is unsound nothing is kept, and it is said why", () => {
  const { instructions, leftOut } = found("series-v1", "revoke", "arch-minimal");
  assert.deepEqual(instructions, []);
  assert.match(leftOut[0]!.why, /^unsound: revoke\./);
});
