/** Plain tables and sentences for a terminal: columns two spaces apart, no frame. */
import { visibleLine } from "../input/index.js";

export type Align = "left" | "right";

/** A heading over several neighbouring columns. */
interface Span {
  readonly text: string;
  readonly columns: number;
}

interface TextTableOptions {
  /** characters a line may take */
  readonly width: number;
  /** by column; left where absent */
  readonly align?: readonly Align[];
  /** a line above the head, one span after another over all columns */
  readonly over?: readonly Span[];
  /** a mark at the end of right-aligned cells that hangs into the gap behind them, so that figures stay below one another */
  readonly hanging?: string;
}

const GAP = "  ";
const MIN_LAST = 20;

/** Stands between words that belong on one line, as a count and what it counts; printed as a space. */
export const NO_BREAK = "\u00a0";
const BREAKS = /[^\S\u00a0]+/;

/**
 * A table of text, the last column wrapped (at words) to what `width` leaves for it, but to no less than 20 characters. Control
 * characters in cells (names come from users' files) are made visible. Ends with a newline.
 */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width, align = [], over = [], hanging = "" }: TextTableOptions,
): string {
  const cells = [head, ...rows].map((row) => row.map(visibleLine));
  const hangs = (cell: string, i: number): boolean => hanging !== "" && align[i] === "right" && cell.endsWith(hanging);
  const bare = (cell: string, i: number): string => (hangs(cell, i) ? cell.slice(0, -hanging.length) : cell);
  const widths = head.map((_, i) => Math.max(...cells.map((row) => bare(row[i] ?? "", i).length)));
  widen(widths, over);
  const last = widths.length - 1;
  const room = Math.max(width - acrossColumns(widths, 0, last) - GAP.length, MIN_LAST);
  const right = align[last] === "right";

  const lines = over.some(({ text }) => text !== "") ? [overLine(widths, over)] : [];
  for (const row of cells) {
    const mark = (cell: string, i: number): string => (hangs(cell, i) ? hanging : "");
    const before = row
      .slice(0, last)
      .map((cell, i) => pad(bare(cell, i), widths[i]!, align[i]) + mark(cell, i).padEnd(GAP.length))
      .join("");
    const indent = " ".repeat(acrossColumns(widths, 0, last) + GAP.length);
    wrapWords(bare(row[last] ?? "", last), right ? Number.POSITIVE_INFINITY : room).forEach((text, i) => {
      const cell = pad(text, widths[last]!, align[last]) + mark(row[last] ?? "", last);
      lines.push((i === 0 ? before : indent) + cell);
    });
  }
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

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

const pad = (text: string, width: number, align: Align = "left"): string =>
  align === "right" ? text.padStart(width) : text.padEnd(width);
