/** `--csv` and `--markdown`: the table of a command, for programs and for mails. */
import { type Command, Option } from "commander";
import { csv, markdown, markdownList, type Table, type Titled, titledMarkdown } from "../report/index.js";
import { printFile, say } from "./output.js";

/** The forms, of which at most one is asked for. */
export interface FormOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly markdown?: boolean;
}

/** Adds `--csv` and `--markdown` to a command with `--json`; `table` says what is in the table. */
export const withForms = (command: Command, table: string): Command =>
  command
    .addOption(
      new Option("--csv", `print ${table} as CSV: raw numbers, units in the names`).conflicts(["json", "markdown"]),
    )
    .addOption(new Option("--markdown", `print ${table} as Markdown`).conflicts("json"));

interface Form {
  readonly csv: () => Table;
  /** where people get it in other tables, or in several */
  readonly markdown?: () => Table | readonly Titled[];
  /** sentences without which the figures are not to be read */
  readonly notes?: readonly string[];
  /** what must be told before the figures are believed; it goes to standard error */
  readonly warnings?: readonly string[];
}

/** Prints the form that is asked for; false where it is none of these. */
export function printForm(
  options: FormOptions,
  { csv: table, markdown: words = table, notes = [], warnings = [] }: Form,
): boolean {
  if (!options.csv && !options.markdown) return false;
  for (const warning of warnings) say(`WARNING: ${warning}.\n`);
  if (options.csv) printFile(csv(table()));
  else {
    const shown = words();
    const list = notes.length > 0 ? `\n${markdownList(notes)}` : "";
    printFile(("rows" in shown ? markdown(shown) : titledMarkdown(shown)) + list);
  }
  return true;
}
