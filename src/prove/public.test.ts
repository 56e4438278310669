/** Public bugs, each as a policy that has it and one that is mended: examples/policies/public, the verdict in the first line. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../builtin/index.js";
import { parsePolicy } from "../policy/index.js";
import { PROVED, type ProvedOccasion, Question, signOff } from "./index.js";
import { builtinPolicy } from "./policies.fixture.js";

const FOLDER = join(fileURLToPath(new URL("../..", import.meta.url)), "examples/policies/public");
const files = existsSync(FOLDER) ? readdirSync(FOLDER).sort() : [];
const CPU = builtInCpu("cortex-a72");

for (const file of files) {
  const text = readFileSync(join(FOLDER, file), "utf8");
  const [, occasion = "", verdict = ""] = /^# ([a-z0-9-]+): (sound|unsound)$/m.exec(text) ?? [];
  test(`${file} is ${verdict} for ${occasion}, as its first line has it`, () => {
    assert.ok(occasion in PROVED, `the first line of ${file}: "# OCCASION: sound" or "# OCCASION: unsound"`);
    const policy = parsePolicy(text, file, builtinPolicy);
    const question = new Question(policy, occasion as ProvedOccasion, CPU, { fb: true });
    const [found] = signOff([question], { maxStates: 1_000_000, timeoutMs: 0 });
    assert.equal(found!.verdict, verdict, `${found!.reason ?? ""}${(found!.unsound ?? []).join()}`);
    assert.equal(`${policy.name}.toml`, file);
  });
}

test("each bug stands there with its mended form", () => {
  const names = files.map((file) => file.replace(".toml", ""));
  const bugs = names.filter((name) => !name.endsWith("-fixed"));
  assert.deepEqual(names.sort(), bugs.flatMap((name) => [name, `${name}-fixed`]).sort());
});
