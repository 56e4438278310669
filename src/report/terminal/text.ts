/** Tables and sentences for a terminal: columns two spaces apart, no frame. Nothing else makes a table into terminal text. */
import { visibleLine } from "../../input/index.js";
import { NO_BREAK } from "../format.js";
import { type Cell, isRight, type Table } from "../table.js";

/** A heading over several neighbouring columns. */
interface Span {
  readonly text: string;
  columns: number;
}

const GAP = "  ";
const MIN_LAST = 20;
const BREAKS = /[^\S\u00a0]+/;

/**
 * The table, its last column wrapped (at words) to what `width` leaves for it, but to no less than 20 characters. Marks of
 * figures hang into the gap behind them, so that figures stay below one another. Control characters in cells (names come from
 * users' files) are made visible. Ends with a newline.
 */
export function tableText(table: Table, width: number): string {
  const { columns, rows } = table;
  const heads = columns.map(({ head }) => ({ text: visibleLine(head), mark: "" }));
  const cells = [heads, ...rows.map((row, r) => row.map((cell, i) => (isSaid(table, r, i) ? UNSAID : shown(cell))))]; // biome-ignore format: one row
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]!.text.length)));
  const over = spansOf(table);
  widen(widths, over);
  const last = widths.length - 1;
  const room = Math.max(width - acrossColumns(widths, 0, last) - GAP.length, MIN_LAST);
  const indent = " ".repeat(acrossColumns(widths, 0, last) + GAP.length);

  const lines = over.some(({ text }) => text !== "") ? [overLine(widths, over)] : [];
  for (const row of cells) {
    const before = row
      .slice(0, last)
      .map(({ text, mark }, i) => pad(text, widths[i]!, isRight(columns[i]!)) + mark.padEnd(GAP.length))
      .join("");
    const end = row[last]!;
    const atRight = isRight(columns[last]!);
    wrapWords(end.text, atRight ? Number.POSITIVE_INFINITY : room).forEach((text, i) => {
      lines.push((i === 0 ? before : indent) + pad(text, widths[last]!, atRight) + end.mark);
    });
  }
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

const UNSAID = { text: "", mark: "" };
const shown = ({ text, mark = "" }: Cell): { text: string; mark: string } => ({ text: visibleLine(text), mark });

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
  for (const word of text.trim().split(BREAKS)) {
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
