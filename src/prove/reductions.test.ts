/** What the exploration leaves out because it makes no difference: with and without, verdicts are the same. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SYMPTOM_WORDS } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { loadPolicy, policyNames } from "../catalog/index.js";
import {
  explore,
  PROVED,
  type Program,
  type ProvedOccasion,
  parseLitmus,
  proverCpu,
  Question,
  taskProgram,
} from "./index.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SAMPLE = join(ROOT, "../shared/litmus/tests");
const LIMITS = { maxStates: 20_000_000, timeoutMs: 0 };
/** States after which the exploration without reductions is given up: then nothing is compared. */
const PATIENCE = 30_000;

/** True when the two were compared. */
function compare(name: string, program: Program, cpu: ReturnType<typeof proverCpu>): boolean {
  const without = explore(program, { ...cpu, maxStates: PATIENCE, timeoutMs: 0, reductions: false });
  if (without.verdict === "unknown") return false;
  const { verdict } = explore(program, { ...cpu, ...LIMITS });
  assert.equal(verdict, without.verdict, name);
  return true;
}

function compareFolder(folder: string): number {
  let compared = 0;
  for (const file of readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".toml"))) {
    const { program } = parseLitmus(readFileSync(join(folder, file), "utf8"), file);
    for (const cpu of [
      proverCpu(builtInCpu("arch-minimal")),
      proverCpu({ ...builtInCpu("arch-maximal"), symptoms: new Set(SYMPTOM_WORDS) }),
    ])
      if (compare(file, program, cpu)) compared++;
  }
  return compared;
}

test("the project's litmus tests have the same verdicts without reductions", () => {
  assert.ok(compareFolder(join(ROOT, "litmus")) > 50);
});

const skip = existsSync(SAMPLE) ? false : "the sample of the published suite is not here";
test("the sample of the published suite has the same verdicts without reductions", { skip }, () => {
  assert.ok(compareFolder(SAMPLE) > 50);
});

test("scenarios of the built-in policies have the same verdicts without reductions", () => {
  let compared = 0;
  // Many policies have the same code somewhere, and so the same scenarios.
  const seen = new Set<string>();
  for (const name of ["cortex-a72", "neoverse-v3"])
    for (const policy of policyNames())
      for (const occasion of Object.keys(PROVED) as ProvedOccasion[]) {
        const question = new Question(loadPolicy(policy), occasion, builtInCpu(name), { fb: true });
        // Every eleventh, so that all policies and occasions come in turn.
        for (const task of question.tasks.filter((_, i) => i % 11 === 0)) {
          const what = JSON.stringify([name, task.scenario]);
          if (seen.has(what)) continue;
          seen.add(what);
          if (compare(`${policy} ${task.name}`, taskProgram(task), task.cpu)) compared++;
        }
      }
  assert.ok(compared > 100, `${compared} compared`);
});
