/** Litmus tests and scenarios in the form of another tool: what that form cannot say is refused by name. */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { LitmusFile } from "../catalog/index.js";
import { readText, writeWhole } from "../files/index.js";
import { fileReason, InputError } from "../input/index.js";
import { herdForm, islaForm, Unsupported } from "../prove/index.js";

/** Forms of litmus tests, with the ends of their files' names. */
export const FORMS = { isla: ".litmus.toml", herd: ".litmus" } as const;
export type Form = keyof typeof FORMS;

/** One test in its new form, or why it has none. */
export type Converted = { readonly file: string } & (
  | { readonly text: string }
  /** `wrong`: it is no test, or a wrong one */
  | { readonly reason: string; readonly wrong?: true }
);

/** A text in a form; a reason where that cannot be. Throws an InputError for what is wrong. */
export function inForm(form: Form, text: string, file: string): Converted {
  try {
    return { file, text: form === "herd" ? herdForm(text, file) : islaForm(text, file) };
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    // What is asked for in vain counts, not where in which file.
    return { file, reason: "reason" in error ? String(error.reason) : error.message };
  }
}

/**
 * Litmus tests in a form, written into a folder if one is named; files that cannot be used are told apart. One test alone is an
 * input like any other, and only one is printed: an InputError otherwise.
 */
export function convertLitmus(files: readonly LitmusFile[], form: Form, save: string | undefined): Converted[] {
  const converted = files.map(({ path, file }): Converted => {
    try {
      return inForm(form, readText(path, file, "a litmus test"), file);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { file, reason: error.message, wrong: true };
    }
  });
  const [first] = converted;
  if (converted.length === 1 && first !== undefined && "reason" in first)
    throw new InputError(first.wrong ? first.reason : `${first.file}: ${first.reason}`);
  if (save !== undefined) saveConverted(converted, form, save);
  return converted;
}

/** Writes the tests that have a text into a folder. */
function saveConverted(converted: readonly Converted[], form: Form, folder: string): void {
  makeFolder(folder);
  const taken = new Set<string>();
  for (const one of converted) {
    if (!("text" in one)) continue;
    const stem = basename(one.file).replace(/(\.litmus)?\.toml$|\.litmus$/, "");
    let name = stem;
    for (let n = 2; taken.has(name); n++) name = `${stem}-${n}`;
    taken.add(name);
    writeWhole(join(folder, `${name}${FORMS[form]}`), one.text);
  }
}

/** Throws an InputError where the folder cannot be made. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(folder, 0, `cannot be made: ${reason}`);
  }
}
