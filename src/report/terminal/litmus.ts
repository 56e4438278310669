/** Verdicts of litmus tests for a terminal: a table, reasons, what is not as expected, stories, and a sum. */
import type { LitmusResult } from "../../jobs/index.js";
import { type Breach, litmusAssumptions } from "../../prove/index.js";
import { count, duration } from "../format.js";
import { type LitmusSummary, summaryOf, testTable } from "../litmus-view.js";
import { right, type Table, wordTable } from "../table.js";
import { tableText, wrapped } from "./text.js";

/** What to show besides the table. */
interface LitmusTextOptions {
  readonly width: number;
  readonly expect: boolean;
  readonly witness: boolean;
  /** assumptions that are not made */
  readonly without: readonly string[];
}

/** The whole text. Times are this machine's own, nothing that a price is made of. */
export function litmusText(
  results: readonly LitmusResult[],
  refused: number,
  { width, expect, witness, without }: LitmusTextOptions,
): string {
  const table = testTable(results, expect);
  const parts = results.length > 0 ? [tableText(inRoom(table, width), width)] : [];
  const reasons = results.filter(({ reason }) => reason !== undefined);
  if (reasons.length > 0)
    parts.push(reasons.map((one) => wrapped(`${one.name} is ${one.verdict}: ${one.reason}`, width, "  ")).join(""));
  const broken = results.flatMap(({ name, breach }) => (breach ? [{ name, breach }] : []));
  if (broken.length > 0) parts.push(broken.map((one) => breachText(one, width)).join(""), mayText(broken, width));
  const remarks = results.filter(({ remark }) => remark !== undefined);
  if (remarks.length > 0)
    parts.push(remarks.map(({ name, remark }) => wrapped(`${name}: ${remark}.`, width, "  ")).join(""));
  const held = results.filter(({ holds }) => holds !== undefined);
  if (held.length > 0)
    parts.push(
      held
        .map(({ name, quantifier, verdict, holds }) =>
          wrapped(
            `${name}: its proposition is ${verdict}, so ${quantifier} ${holds ? "holds" : "does not hold"}`,
            width,
            "  ",
          ),
        )
        .join(""),
    );
  if (witness) for (const one of results) if (one.witness) parts.push(story(one, width));
  parts.push(wrapped(sentenceOf(summaryOf(results, refused)), width) + wrapped(assumed(without), width));
  return parts.join("\n");
}

/** What the verdicts assume, by name; `--json` has the words. */
function assumed(without: readonly string[]): string {
  const names = litmusAssumptions(without);
  const made = names.filter(({ off }) => !off).map(({ name }) => name);
  return `Assumed: ${made.join(", ")}.${without.length > 0 ? ` Not assumed: ${without.join(", ")}.` : ""}`;
}

/** The table with names that break where they must, in what its other columns leave of the width. */
function inRoom({ columns, rows }: Table, width: number): Table {
  const last = columns.length - 1;
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...rows.map((row) => row[i]!.text.length)));
  const room = width - widths.slice(0, -1).reduce((sum, w) => sum + w + 2, 0);
  return {
    columns,
    rows: rows.map((row) => row.with(last, { ...row[last]!, text: inPieces(row[last]!.text, room) })),
  };
}

/** Blanks where a name must break to fit: after a dot or a plus, as late as possible. */
function inPieces(name: string, room: number): string {
  const width = Math.max(room, 20);
  return name
    .split(" ")
    .map((word) => {
      let line = "";
      const lines: string[] = [];
      for (const piece of word.split(/(?<=[.+_-])/)) {
        if (line !== "" && line.length + piece.length > width) {
          lines.push(line);
          line = "";
        }
        line += piece;
      }
      return [...lines, line].join(" ");
    })
    .join(" ");
}

/** A test whose final state hangs on a violation of break-before-make. */
interface Broken {
  readonly name: string;
  readonly breach: Breach;
}

const breachText = ({ name, breach }: Broken, width: number): string =>
  wrapped(`${name} is breaks-bbm: ${breach.sentence}.`, width, "  ");

/** What may come of violations, each once. */
const mayText = (broken: readonly Broken[], width: number): string =>
  wrapped("What comes of such an access is CONSTRAINED UNPREDICTABLE (DDI 0487, D8.17, K1.2.3):", width) +
  [...new Set(broken.flatMap(({ breach }) => breach.may))].map((one) => wrapped(`- ${one}`, width, "  ")).join("");

function story({ name, witness = [], breach }: LitmusResult, width: number): string {
  const rows = witness.flatMap(({ time, who, what, rule }) => [
    [String(time), who, what],
    ...(rule === undefined ? [] : [["", "", `(${rule})`]]),
  ]);
  return (
    wrapped(`${name} is ${breach ? "breaks-bbm" : "allowed"}, for example so:`, width) +
    tableText(wordTable([right("time"), "who", "what"], rows), width)
  );
}

function sentenceOf({ tests, refused, states, milliseconds, breaksBbm, ...verdicts }: LitmusSummary): string {
  const { allowed, forbidden, unknown, unsupported } = verdicts;
  const counts = { allowed: allowed - breaksBbm, forbidden, "breaks-bbm": breaksBbm, unknown, unsupported };
  const words = Object.entries(counts).flatMap(([verdict, n]) => (n > 0 ? [`${n} ${verdict}`] : []));
  const unread = refused > 0 ? `; ${refused} ${refused === 1 ? "file" : "files"} could not be read` : "";
  if (tests === 0) return `No tests${unread}.`;
  const most =
    tests > 1
      ? `, ${duration(milliseconds.median * 1000)} at the median, ${duration(milliseconds.most * 1000)} at most`
      : "";
  const time = `${duration(milliseconds.total * 1000)}${tests > 1 ? " in all" : ""}${most}`;
  return `${count(tests)} ${tests === 1 ? "test" : "tests"}: ${words.join(", ")}${unread}. ${count(states)} states; ${time}.`;
}
