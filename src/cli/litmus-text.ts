/** Verdicts of litmus tests for a terminal: a table, reasons, what is not as expected, stories, and a sum. */
import { basename } from "node:path";
import { count, duration, textTable, wrapped } from "../report/index.js";
import type { LitmusResult } from "./litmus-worker.js";

/** How many tests have which verdict, and what they took. */
export interface LitmusSummary {
  readonly tests: number;
  readonly allowed: number;
  readonly forbidden: number;
  readonly unknown: number;
  readonly unsupported: number;
  /** files that are no litmus tests, or wrong ones */
  readonly refused: number;
  readonly states: number;
  readonly milliseconds: { readonly total: number; readonly median: number; readonly most: number };
}

/** Adds the results up. */
export function summaryOf(results: readonly LitmusResult[], refused: number): LitmusSummary {
  const of = (verdict: LitmusResult["verdict"]): number => results.filter((one) => one.verdict === verdict).length;
  const times = results.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  return {
    tests: results.length,
    allowed: of("allowed"),
    forbidden: of("forbidden"),
    unknown: of("unknown"),
    unsupported: of("unsupported"),
    refused,
    states: results.reduce((sum, { states }) => sum + states, 0),
    milliseconds: {
      total: Math.round(times.reduce((sum, time) => sum + time, 0)),
      median: times[Math.floor((times.length - 1) / 2)] ?? 0,
      most: times.at(-1) ?? 0,
    },
  };
}

/** True when the file expects another verdict; without a verdict it is not as expected either. */
export const isUnexpected = ({ expected, verdict }: LitmusResult): boolean =>
  expected !== undefined && expected !== verdict;

/** What to show besides the table. */
export interface LitmusTextOptions {
  readonly width: number;
  readonly expect: boolean;
  readonly witness: boolean;
}

/** The whole text. Times are this machine's own, nothing that a price is made of. */
export function litmusText(
  results: readonly LitmusResult[],
  refused: number,
  { width, expect, witness }: LitmusTextOptions,
): string {
  const head = ["verdict", ...(expect ? ["expected"] : []), "states", "time", "test"];
  const shown = results.map((one) => [
    one.verdict,
    ...(expect ? [one.expected === undefined ? "-" : `${one.expected}${isUnexpected(one) ? " !" : ""}`] : []),
    count(one.states),
    duration(one.milliseconds * 1000),
    titleOf(one),
  ]);
  const widths = head.map((text, i) => Math.max(...[head, ...shown].map((row) => row[i]!.length), text.length));
  const room = width - widths.slice(0, -1).reduce((sum, w) => sum + w + 2, 0);
  const rows = shown.map((row) => [...row.slice(0, -1), inPieces(row.at(-1)!, room)]);
  const align = head.map((text) => (text === "states" || text === "time" ? ("right" as const) : ("left" as const)));
  const parts = results.length > 0 ? [textTable(head, rows, { width, align })] : [];
  const reasons = results.filter(({ reason }) => reason !== undefined);
  if (reasons.length > 0)
    parts.push(reasons.map((one) => wrapped(`${one.name} is ${one.verdict}: ${one.reason}`, width, "  ")).join(""));
  if (witness) for (const one of results) if (one.witness) parts.push(story(one, width));
  parts.push(wrapped(sentenceOf(summaryOf(results, refused)), width));
  return parts.join("\n");
}

/** A test's name, and its file's where that is another one: copies of a test often keep the name. */
function titleOf({ name, file }: LitmusResult): string {
  const stem = basename(file).replace(/(\.litmus)?\.toml$/, "");
  return stem === name ? name : `${name} (${stem})`;
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

function story({ name, witness = [] }: LitmusResult, width: number): string {
  const rows = witness.flatMap(({ time, who, what, rule }) => [
    [String(time), who, what],
    ...(rule === undefined ? [] : [["", "", `(${rule})`]]),
  ]);
  return (
    wrapped(`${name} is allowed, for example so:`, width) +
    textTable(["time", "who", "what"], rows, { width, align: ["right"] })
  );
}

function sentenceOf({ tests, refused, states, milliseconds, ...verdicts }: LitmusSummary): string {
  const words = (["allowed", "forbidden", "unknown", "unsupported"] as const)
    .filter((verdict) => verdicts[verdict] > 0)
    .map((verdict) => `${verdicts[verdict]} ${verdict}`);
  const unread = refused > 0 ? `; ${refused} ${refused === 1 ? "file" : "files"} could not be read` : "";
  if (tests === 0) return `No tests${unread}.`;
  const most =
    tests > 1
      ? `, ${duration(milliseconds.median * 1000)} at the median, ${duration(milliseconds.most * 1000)} at most`
      : "";
  const time = `${duration(milliseconds.total * 1000)}${tests > 1 ? " in all" : ""}${most}`;
  return `${count(tests)} ${tests === 1 ? "test" : "tests"}: ${words.join(", ")}${unread}. ${count(states)} states; ${time}.`;
}
