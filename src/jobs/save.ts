/** Scenarios of a proof, as files. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../files/index.js";
import { fileReason, InputError } from "../input/index.js";
import type { Question } from "../prove/index.js";

/** Writes the scenarios as litmus tests: FOLDER/CPU/POLICY/NAME.litmus.toml. */
export function saveScenarios(questions: readonly Question[], folder: string): void {
  for (const question of questions) {
    const { policy, cpu, tasks } = question;
    if (tasks.length === 0) continue;
    const into = join(folder, cpu.name, policy.name);
    try {
      mkdirSync(into, { recursive: true });
    } catch (error) {
      const reason = fileReason(error);
      throw reason === undefined ? error : InputError.at(into, 0, `cannot be made: ${reason}`);
    }
    for (const { name, text } of question.texts()) writeWhole(join(into, `${name}.litmus.toml`), text);
  }
}
