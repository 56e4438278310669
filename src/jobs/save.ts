/** Scenarios of a proof, as files. */
import { join } from "node:path";
import { writeWhole } from "../files/index.js";
import type { Question } from "../prove/index.js";
import { type Converted, FORMS, type Form, inForm, makeFolder } from "./convert.js";

/**
 * Writes the scenarios as litmus tests: FOLDER/CPU/POLICY/NAME.litmus.toml, or .litmus in herd's form. Gives those that the form
 * cannot say, with why.
 */
export function saveScenarios(questions: readonly Question[], folder: string, form: Form): Converted[] {
  const refused: Converted[] = [];
  for (const question of questions) {
    const { policy, cpu, tasks } = question;
    if (tasks.length === 0) continue;
    const into = join(folder, cpu.name, policy.name);
    makeFolder(into);
    for (const { name, text } of question.texts()) {
      const made = form === "isla" ? { file: name, text } : inForm(form, text, name);
      if ("text" in made) writeWhole(join(into, `${name}${FORMS[form]}`), made.text);
      else refused.push(made);
    }
  }
  return refused;
}
