/** A recorded trace held against policies, in words: its figures beside the model's, and its flushes. */
import type { Held, RecordedRow } from "../../compare/index.js";
import { count, signed as signedCount } from "../format.js";
import { tableOf } from "../table.js";
import { executedText } from "./executed.js";
import { tableText, wrapped } from "./text.js";

/** Both comparisons as text; `asked`: the policy was named by the user. */
export function heldText({ rows, executed, recording }: Held, policy: string, asked: boolean, width: number): string {
  const partlyBlind = recording?.source !== "simulation";
  const sequences = executedText(executed, { policy: asked ? policy : undefined, partlyBlind }, width);
  return rows === undefined ? sequences : `${comparisonText(rows, policy, width)}\n${sequences}`;
}

const signed = (n: number): string => (n === 0 ? "=" : signedCount(n));

/** Where the model issues what the record lacks. */
const lacking = (missing: RecordedRow["missing"] = []): string =>
  missing.length === 0
    ? ""
    : `; the model has them by ${missing.map(({ count: n, caller }) => `${caller} (${count(n)})`).join(", ")}`;

/** The record beside the model, and each difference. */
function comparisonText(rows: readonly RecordedRow[], policy: string, width: number): string {
  const table = tableOf<RecordedRow>(
    [
      { head: "phase", kind: "words", once: true, of: (row) => row.phase },
      { head: "what", kind: "words", of: (row) => row.what },
      { head: "recorded", kind: "count", of: (row) => row.recorded },
      { head: `model: ${policy}`, kind: "count", of: (row) => row.predicted },
      {
        ...{ head: "", key: "difference", kind: "count" },
        of: (row) => row.recorded - row.predicted,
        text: (row) => signed(row.recorded - row.predicted),
      },
    ],
    rows,
  );
  const differences = rows.flatMap(({ phase, what, causes, unexplained, missing }) => [
    ...causes.map((cause) => `${phase}, ${what}: ${signed(cause.count)} by ${cause.because}.`),
    ...(unexplained === 0
      ? []
      : [`${phase}, ${what}: ${signed(unexplained)} that nothing here explains${lacking(missing)}.`]),
  ]);
  const list = differences.map((sentence) => wrapped(`- ${sentence}`, width, "  ")).join("");
  return `${tableText(table, width)}${list === "" ? "" : `\nDifferences\n${list}`}`;
}
