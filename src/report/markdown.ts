/** A table as Markdown (GitHub's), readable as it stands too: for mails, issues and notes. */
import { visibleLine } from "../input/index.js";
import { NO_BREAK } from "./format.js";
import { isRight, type Table } from "./table.js";

/** Dashes that a line between head and rows must have. */
const LEAST = 3;

/** The table; a heading over columns becomes part of each. */
export function markdown({ columns, rows }: Table): string {
  const head = columns.map(({ head: own, under = "" }) => (under === "" ? own : `${under}, ${own}`));
  const cells = [head, ...rows.map((row) => row.map(({ text, mark = "" }) => text + mark))].map((row) =>
    row.map(escaped),
  );
  const widths = columns.map((_, i) => Math.max(LEAST, ...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string => `| ${row.join(" | ")} |\n`;
  const [first, ...rest] = cells.map((row) =>
    line(row.map((cell, i) => (isRight(columns[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))),
  );
  const rule = widths.map((width, i) => (isRight(columns[i]!) ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return first + line(rule) + rest.join("");
}

/** A table with what stands over and below it. */
export interface Titled {
  readonly title: string;
  readonly table: Table;
  readonly below: readonly string[];
}

/** Tables one after the other, each with its title. */
export const titledMarkdown = (tables: readonly Titled[]): string =>
  tables
    .map(({ title, table, below }) => [`### ${escaped(title)}`, markdown(table).trimEnd(), ...below.map(escaped)])
    .map((parts) => `${parts.join("\n\n")}\n`)
    .join("\n");

/** Sentences, one below the other; "" where there are none. */
export const markdownList = (sentences: readonly string[]): string =>
  sentences.map((sentence) => `- ${escaped(sentence)}\n`).join("");

/** What Markdown would take for more than text: the end of a cell, tags, and what ends an emphasis. */
const escaped = (text: string): string =>
  visibleLine(text.replaceAll(NO_BREAK, " "))
    .replace(/[\\|*`]/g, "\\$&")
    .replace(/_(?!\w)/g, "\\_")
    .replace(/<(?=[a-z/!?])/gi, "&lt;");
