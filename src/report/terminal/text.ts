/** Tables and sentences for a terminal: columns two spaces apart, no frame. Nothing else makes a table into terminal text. */
import { visibleLine } from "../../input/index.js";
import type { Made } from "../../jobs/index.js";
import { NO_BREAK } from "../format.js";
import { madeSentences } from "../made.js";
import { type Cell, isNames, isRight, type Table } from "../table.js";

/** A heading over several neighbouring columns. */
interface Span {
  readonly text: string;
  columns: number;
}

const GAP = "  ";
const MIN_LAST = 20;
const BREAKS = /[^\S\u00a0]+/;
const ENDS = /^[^\S\u00a0]+|[^\S\u00a0]+$/g;

/**
 * The table, its last column wrapped (at words) to what `width` leaves for it, but to no less than 20 characters; names that
 * share a row stand below one another. Marks of figures hang into the gap behind them, so that figures stay below one another.
 * Control characters in cells (names come from users' files) are made visible. Ends with a newline.
 */
export function tableText(table: Table, width: number): string {
  const { columns, rows } = table;
  const heads = columns.map(({ head }) => shown({ value: null, text: head }));
  const cells = [heads, ...rows.map((row, r) => row.map((cell, i) => (isSaid(table, r, i) ? UNSAID : shown(cell))))];
  const widths = columns.map((_, i) => Math.max(...cells.flatMap((row) => row[i]!.lines.map((line) => line.length))));
  const over = spansOf(table);
  widen(widths, over);
  const last = widths.length - 1;
  const room = Math.max(width - acrossColumns(widths, 0, last) - GAP.length, MIN_LAST);

  const lines = over.some(({ text }) => text !== "") ? [overLine(widths, over)] : [];
  for (const row of cells) {
    const own = row.map(({ text, lines }, i) => (i < last || isRight(columns[i]!) ? lines : wrapWords(text, room)));
    const line = (n: number): string =>
      row
        .map(({ mark }, i) => {
          const text = pad(own[i]![n] ?? "", widths[i]!, isRight(columns[i]!));
          return text + (n > 0 ? "" : mark).padEnd(GAP.length);
        })
        .join("");
    for (let n = 0; n < Math.max(...own.map((of) => of.length)); n++) lines.push(line(n));
  }
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** What stands in a cell: on one line or on its own ones, and what hangs on the first. */
interface Shown {
  readonly text: string;
  readonly lines: readonly string[];
  readonly mark: string;
}
const UNSAID: Shown = { text: "", lines: [""], mark: "" };

function shown({ value, text, mark = "" }: Cell): Shown {
  const line = visibleLine(text);
  const lines = isNames(value) ? value.map((name, i) => (i > 0 ? " " : "") + visibleLine(name)) : [line];
  return { text: line, lines, mark };
}

/** True where a cell needs no saying: the row above has the same, here and in all columns before. */
function isSaid({ columns, rows }: Table, r: number, i: number): boolean {
  const above = rows[r - 1];
  if (above === undefined || columns[i]!.once !== true) return false;
  return rows[r]!.slice(0, i + 1).every(({ text }, k) => text === above[k]!.text);
}

/** True when no line is longer than `width`. */
export const fits = (text: string, width: number): boolean => text.split("\n").every((line) => line.length <= width);

/** A text two blanks in. */
export const indented = (text: string): string => text.replaceAll(/^(?=.)/gm, "  ");

/**
 * A sentence, wrapped to `width` at words, the lines after the first indented; words joined by a no-break space stay on one line.
 * Ends with a newline.
 */
export function wrapped(text: string, width: number, indent = ""): string {
  return `${wrapWords(visibleLine(text), width, indent).join("\n")}\n`;
}

/**
 * What stands out where there are colours: a verdict that warns, figures with a mark behind them, and the word before what must be
 * told. Looked for in the finished text, so that no width counts it and nothing out of a file makes a colour of its own.
 */
const LOUD = /\b(?:UNSOUND|WARNING|DIFFERS)\b|(?<![\w,.])[\d,.]+ (?:ns|us|ms|s|min|h|d)!|(?<=\s)0!/g;
const [RED, PLAIN] = ["\x1b[1;31m", "\x1b[0m"];

/** A text for a terminal with colours. */
export const coloured = (text: string): string => text.replace(LOUD, (loud) => `${RED}${loud}${PLAIN}`);

/** What a result is made from, for who wants to make it again. */
export const madeText = (made: Made, width: number): string =>
  madeSentences(made)
    .map((sentence) => wrapped(sentence, width, "  "))
    .join("");

/** What must be told before the figures of a trace are believed; "" when there is nothing. Without a width nothing wraps. */
export function warningText(warnings: readonly string[], width = Number.POSITIVE_INFINITY): string {
  return warnings.map((sentence) => `${wrapped(`WARNING: ${sentence}.`, width)}\n`).join("");
}

/** Neighbouring columns under one heading; those without stand alone. */
function spansOf({ columns }: Table): Span[] {
  const spans: Span[] = [];
  for (const { under = "" } of columns) {
    const before = spans.at(-1);
    if (before && before.text === under && under !== "") before.columns++;
    else spans.push({ text: under, columns: 1 });
  }
  return spans;
}

/** Widens the last column under a span that is longer than its columns together. */
function widen(widths: number[], over: readonly Span[]): void {
  let column = 0;
  for (const { text, columns } of over) {
    const room = acrossColumns(widths, column, column + columns);
    column += columns;
    widths[column - 1]! += Math.max(0, text.length - room);
  }
}

function overLine(widths: readonly number[], over: readonly Span[]): string {
  let column = 0;
  return over
    .map(({ text, columns }) => {
      const room = acrossColumns(widths, column, column + columns);
      column += columns;
      const shown = visibleLine(text);
      return shown.padStart(Math.ceil((room + shown.length) / 2)).padEnd(room);
    })
    .join(GAP);
}

/** Characters from the column `from` to the one before `to`, the gaps between them included. */
function acrossColumns(widths: readonly number[], from: number, to: number): number {
  return widths.slice(from, to).reduce((sum, w) => sum + w, 0) + GAP.length * Math.max(0, to - from - 1);
}

function wrapWords(text: string, width: number, indent = ""): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.replace(ENDS, "").split(BREAKS)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && longer.length > width) {
      lines.push(line);
      line = indent + word;
    } else line = longer;
  }
  return [...lines, line].map((whole) => whole.replaceAll(NO_BREAK, " "));
}

const pad = (text: string, width: number, atRight: boolean): string =>
  atRight ? text.padStart(width) : text.padEnd(width);
