/**
 * The project's own litmus tests: each has the verdict that it says, on each kind of CPU; and each rule of the model is
 * needed for one of them.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SYMPTOM_WORDS, SYMPTOMS } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { type Cpu, proverCpu } from "./cpu.js";
import { type Decision, explore, verdictWord } from "./explore.js";
import { readTest } from "./forms.js";
import type { LitmusTest } from "./litmus/index.js";
import { RULES, type Rule } from "./rules.js";

const FOLDER = fileURLToPath(new URL("../../litmus", import.meta.url));
const NOTHING = proverCpu(builtInCpu("arch-minimal"));
const CPUS: Readonly<Record<string, Cpu>> = {
  "with nothing optional": NOTHING,
  "with FEAT_ETS2": { ...NOTHING, ets2: true },
  "with FEAT_nTLBPA": { ...NOTHING, nTlbpa: true },
  "with FEAT_BBM level 2": { ...NOTHING, bbm: 2 },
  ...Object.fromEntries(
    SYMPTOM_WORDS.map((word) => [
      `with ${SYMPTOMS[word].id}`,
      { ...NOTHING, symptoms: { ...NOTHING.symptoms, [word]: true } },
    ]),
  ),
};
/** States; a test that needs more is no small one. */
const SMALL = 5_000;

const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.(toml|litmus)$/.test(file))
  .sort();
const tests: readonly LitmusTest[] = files.map((file) => readTest(readFileSync(join(FOLDER, file), "utf8"), file));

const decide = ({ program }: LitmusTest, cpu: Cpu, without: readonly Rule[] = [], maxStates = SMALL): Decision =>
  explore(program, { ...cpu, maxStates, timeoutMs: 0, without: new Set(without) });

for (const one of tests)
  test(`${one.file} has the verdict that it says`, () => {
    for (const [title, cpu] of Object.entries(CPUS)) {
      const decision = decide(one, cpu);
      const { reason } = decision;
      assert.equal(verdictWord(decision), one.verdictFor(cpu), `on a CPU ${title}${reason ? ` (${reason})` : ""}`);
    }
  });

test("every test says why, in words that name its verdict, and is called as its file is", () => {
  for (const { file, name, why = "", verdictFor } of tests) {
    assert.equal(basename(file).replace(/\.(toml|litmus)$/, ""), name);
    assert.match(why, new RegExp(`\\b${verdictFor(NOTHING)}\\b`, "i"), file);
  }
});

test("each rule of the model is needed: without it some test has another verdict", () => {
  // The small ones first: one of them is enough.
  const states = new Map(tests.map((one) => [one, decide(one, NOTHING).states]));
  const bySize = tests.toSorted((a, b) => states.get(a)! - states.get(b)!);
  // And first on the CPU whose symptom the rule is: no other could notice.
  const cpusFor = (rule: Rule): readonly Cpu[] => {
    const first = SYMPTOM_WORDS.filter((word) => word === rule).map((word) => CPUS[`with ${SYMPTOMS[word].id}`]!);
    return [...first, ...Object.values(CPUS).filter((cpu) => !first.includes(cpu))];
  };
  const notices = (rule: Rule): boolean =>
    cpusFor(rule).some((cpu) =>
      bySize.some((one) => {
        const word = verdictWord(decide(one, cpu, [rule], 4 * SMALL));
        return word !== "unknown" && word !== "unsupported" && word !== one.verdictFor(cpu);
      }),
    );
  const unnoticed = (Object.keys(RULES) as Rule[]).filter((rule) => !notices(rule));
  assert.deepEqual(unnoticed, []);
});
