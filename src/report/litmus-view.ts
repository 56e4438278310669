/** Verdicts of litmus tests, arranged for reading: as a table, and added up. */
import type { LitmusResult } from "../jobs/index.js";
import { verdictWord } from "../prove/index.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";

/** How many tests have which verdict, and what they took. */
export interface LitmusSummary {
  readonly tests: number;
  readonly allowed: number;
  readonly forbidden: number;
  readonly unknown: number;
  readonly unsupported: number;
  /** of the allowed ones, those that hang on a violation of break-before-make */
  readonly breaksBbm: number;
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
    breaksBbm: results.filter(({ breach }) => breach !== undefined).length,
    refused,
    states: results.reduce((sum, { states }) => sum + states, 0),
    milliseconds: {
      total: Math.round(times.reduce((sum, time) => sum + time, 0)),
      median: times[Math.floor((times.length - 1) / 2)] ?? 0,
      most: times.at(-1) ?? 0,
    },
  };
}

/**
 * True when the file expects another verdict; without a verdict it is not as expected either. What hangs on a violation of
 * break-before-make is allowed too.
 */
export const isUnexpected = ({ expected, verdict, breach }: LitmusResult): boolean =>
  expected !== undefined && expected !== verdict && expected !== verdictWord({ verdict, ...(breach && { breach }) });

/** A row a test; `expect`: with the verdict that its file expects. Times are this machine's own, nothing that a price is made of. */
export const testTable = (results: readonly LitmusResult[], expect: boolean): Table =>
  tableOf(expect ? [VERDICT, EXPECTED, ...TESTS] : [VERDICT, ...TESTS], results);

/** All that was found: a row a test. */
export const litmusTable = (results: readonly LitmusResult[]): Table =>
  tableOf<LitmusResult>(
    [
      { head: "test", kind: "words", of: (one) => one.name },
      { head: "file", kind: "words", of: (one) => one.file },
      { head: "verdict", kind: "words", of: verdictWord },
      { head: "holds", kind: "words", of: (one) => (one.holds === undefined ? null : one.holds ? "yes" : "no") },
      { head: "expected", kind: "words", of: (one) => one.expected ?? null },
      { head: "reason", kind: "words", of: (one) => one.breach?.sentence ?? one.reason ?? one.remark ?? null },
      { head: "timelines", kind: "count", of: (one) => one.timelines },
      { head: "states", kind: "count", of: (one) => one.states },
      { head: "time", kind: "time", of: (one) => one.milliseconds * 1000 },
    ],
    results,
  );

const VERDICT: ColumnOf<LitmusResult> = { head: "verdict", kind: "words", of: verdictWord };
const EXPECTED: ColumnOf<LitmusResult> = {
  ...{ head: "expected", kind: "words" },
  of: (one) => one.expected ?? null,
  text: (one) => (one.expected === undefined ? "-" : `${one.expected}${isUnexpected(one) ? " !" : ""}`),
};
const TESTS: readonly ColumnOf<LitmusResult>[] = [
  { head: "states", kind: "count", of: (one) => one.states },
  { head: "time", kind: "time", of: (one) => one.milliseconds * 1000 },
  { head: "test", kind: "words", of: (one) => one.name, text: titleOf },
];

/** A test's name, and its file's where that is another one: copies of a test often keep the name. */
function titleOf({ name, file }: LitmusResult): string {
  const stem = file.replace(/^.*\//, "").replace(/(\.litmus)?\.toml$|\.litmus$/, "");
  return stem === name ? name : `${name} (${stem})`;
}
