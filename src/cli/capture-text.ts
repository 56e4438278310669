/** A finished capture in words: segments, who issued which TLBI, and the record beside the model's prediction. */
import type { CaptureResult, CaptureScenario } from "../capture/index.js";
import type { RecordedRow } from "../compare/index.js";
import { callPath, count, textTable, wrapped } from "../report/index.js";
import type { Summary } from "../trace/index.js";

export interface Captured {
  /** the trace's file */
  readonly trace: string;
  readonly scenario: CaptureScenario;
  readonly result: CaptureResult;
  readonly summary: Summary;
  /** true for a Xen of the user's own */
  readonly own: boolean;
  /** the record held against policies, as text */
  readonly held: string;
}

/** The whole text, at most `width` wide where that is possible without leaving anything out. */
export function captureText({ trace, scenario, result, summary, own, held }: Captured, width: number): string {
  const log = result.consoleLog === undefined ? "" : `; the console's log is in ${result.consoleLog}`;
  const parts = [
    wrapped(`${trace}: ${count(result.events)} events of ${scenario.name} on QEMU ${result.qemuVersion}${log}`, width),
    textTable(
      ["domU's segments", "first gfn", "pages"],
      [
        ...result.segments.map(({ name, gfn, pages }) => [name, `0x${gfn.toString(16)}`, count(pages)]),
        ["together", "", count(result.segments.reduce((sum, { pages }) => sum + pages, 0))],
      ],
      { width, align: ["left", "right", "right"] },
    ),
    tlbiTable(summary, width),
    held,
    ...(own && trace !== "-" ? [advice(trace, width)] : []),
    ...result.unknown.map((sentence) => wrapped(`Not derived from this Xen: ${sentence}.`, width)),
  ];
  return parts.join("\n");
}

/** A build of the user's own differs from Debian's in more than his change. */
const advice = (trace: string, width: number): string =>
  wrapped(
    `compare with: shootdown diff BEFORE.parquet ${trace}, where BEFORE.parquet is a capture of your own build without the change (Debian's build differs in more than it).`,
    width,
  );

function tlbiTable(summary: Summary, width: number): string {
  const rows = Object.entries(summary.phases).flatMap(([phase, { byCaller }]) =>
    byCaller.map(({ op, count: n, vmid, caller }, i) => [
      i === 0 ? phase : "",
      op,
      count(n),
      String(vmid),
      callPath(caller),
    ]),
  );
  return textTable(["phase", "TLBI", "count", "VMID", "issued by"], rows, {
    width,
    align: ["left", "left", "right", "right", "left"],
  });
}

const signed = (n: number): string => (n === 0 ? "=" : n > 0 ? `+${count(n)}` : `-${count(-n)}`);

/** Where the model issues what the record lacks. */
const lacking = (missing: RecordedRow["missing"] = []): string =>
  missing.length === 0
    ? ""
    : `; the model has them by ${missing.map(({ count: n, caller }) => `${caller} (${count(n)})`).join(", ")}`;

/** The record beside the model, and each difference. */
export function comparisonText(rows: readonly RecordedRow[], policy: string, width: number): string {
  const table = textTable(
    ["phase", "what", "recorded", `model: ${policy}`, ""],
    rows.map(({ phase, what, recorded, predicted }, i) => [
      phase === rows[i - 1]?.phase ? "" : phase,
      what,
      count(recorded),
      count(predicted),
      signed(recorded - predicted),
    ]),
    { width, align: ["left", "left", "right", "right", "right"] },
  );
  const differences = rows.flatMap(({ phase, what, causes, unexplained, missing }) => [
    ...causes.map((cause) => `${phase}, ${what}: ${signed(cause.count)} by ${cause.because}.`),
    ...(unexplained === 0
      ? []
      : [`${phase}, ${what}: ${signed(unexplained)} that nothing here explains${lacking(missing)}.`]),
  ]);
  const list = differences.map((sentence) => wrapped(`- ${sentence}`, width)).join("");
  return `${table}${list === "" ? "" : `\nDifferences\n${list}`}`;
}
