/** The model's page, which is built beside this one from docs/model.md, and where on it a rule stands. */
import { RULES } from "../../prove/index.js";

const NAMES = new Map<string, string>(Object.entries(RULES).map(([name, sentence]) => [sentence, name]));

/** Where a rule is explained, by its sentence; undefined for what is no rule of the model. */
export function ruleHref(sentence: string): string | undefined {
  const name = NAMES.get(sentence);
  return name === undefined ? undefined : `model.html#${name}`;
}
