/** A recorded trace held against policies, in words: its figures beside the model's, and its flushes. */
import type { Held } from "../../compare/index.js";
import type { RecordedRow } from "../../hypervisor/index.js";
import { count, signed as signedCount } from "../format.js";
import { tableOf } from "../table.js";
import { executedText } from "./executed.js";
import { tableText, wrapped } from "./text.js";

/** What is said of a trace that is there: which it is, what it cannot be held against, and both comparisons. */
export function heldTraceText(trace: string, held: Held, policy: string, cpu: string, width: number): string {
  const unpredicted = held.rows === undefined && held.recording?.source !== "simulation";
  const sentences = [
    `${trace} held against ${policy} on ${cpu}`,
    ...(unpredicted
      ? [
          "The trace does not keep the sizes that the model must be told (a capture by this version does): its figures have no prediction.",
        ]
      : []),
  ];
  return `${sentences.map((sentence) => wrapped(sentence, width)).join("")}\n${heldText(held, policy, true, width)}`;
}

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
