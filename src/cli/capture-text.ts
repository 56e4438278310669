/** A finished capture in words: segments, who issued which TLBI, and the record beside the model's prediction. */
import type { CaptureResult, CaptureScenario, StorePlaces } from "../capture/index.js";
import type { RecordedRow } from "../hypervisor/index.js";
import { callPath, count, textTable, warningText, wrapped } from "../report/index.js";
import { lossWarnings, type Summary, type TraceLosses } from "../trace/index.js";

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
  /** where descriptors are written, and what the whole run lacks of their writes */
  readonly stores: StorePlaces;
  readonly losses: TraceLosses;
}

/** The whole text, at most `width` wide where that is possible without leaving anything out. */
export function captureText(captured: Captured, width: number): string {
  const { trace, scenario, result, summary, own, held, stores, losses } = captured;
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
    wrapped(foundText(stores, losses), width),
    ...result.unknown.map((sentence) => wrapped(`Not derived from this Xen: ${sentence}.`, width)),
  ];
  return warningText(lossWarnings(losses), width) + parts.join("\n");
}

/** How much of what should be in the record was found. */
function foundText({ found, lost }: StorePlaces, losses: TraceLosses): string {
  const { removals, removalsWithoutWrite, flushes, flushesWithoutWrite, writes, writesWithoutTable } = losses;
  const of = (n: number, all: number, what: string): string => `${count(n)} of ${count(all)} ${what}`;
  return `Descriptor writes: followed at ${of(found.length, found.length + lost.length, "places in Xen's p2m functions")}; in ${of(removals - removalsWithoutWrite, removals, "removals")}; before ${of(flushes - flushesWithoutWrite, flushes, "broadcast TLBIs by VMID or IPA")} (a new VMID's follows none); ${of(writes - writesWithoutTable, writes, "into tables that are known")}.`;
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
  const list = differences.map((sentence) => wrapped(`- ${sentence}`, width, "  ")).join("");
  return `${table}${list === "" ? "" : `\nDifferences\n${list}`}`;
}
