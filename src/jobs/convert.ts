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

/** Litmus tests in a form; files that cannot be used are told apart. */
export const convertLitmus = (files: readonly LitmusFile[], form: Form): Converted[] =>
  files.map(({ path, file }) => {
    try {
      return inForm(form, readText(path, file, "a litmus test"), file);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { file, reason: error.message, wrong: true };
    }
  });

/** Writes the tests that have a text into a folder; gives the paths, in the tests' order. */
export function saveConverted(converted: readonly Converted[], form: Form, folder: string): string[] {
  makeFolder(folder);
  const taken = new Set<string>();
  return converted.flatMap((one) => {
    if (!("text" in one)) return [];
    const stem = basename(one.file).replace(/(\.litmus)?\.toml$|\.litmus$/, "");
    let name = stem;
    for (let n = 2; taken.has(name); n++) name = `${stem}-${n}`;
    taken.add(name);
    const path = join(folder, `${name}${FORMS[form]}`);
    writeWhole(path, one.text);
    return [path];
  });
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
