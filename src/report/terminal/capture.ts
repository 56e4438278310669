/** What `shootdown capture` prints: segments, who issued which TLBI, and the record held against the model. */
import {
  type CaptureResult,
  type CaptureScenario,
  megabytes,
  type SetupPlan,
  type StorePlaces,
} from "../../capture/index.js";
import { besideRows } from "../../compare/index.js";
import type { Injection } from "../../inject/index.js";
import type { HostCosts } from "../../jobs/index.js";
import {
  type CallerCount,
  lossWarnings,
  type Summary,
  type TraceLosses,
  type TraceRecording,
} from "../../trace/index.js";
import { callPath, count, hex, tally } from "../format.js";
import { besideTable, hostRowsTable } from "../host-work-view.js";
import { right, tableOf, wordTable } from "../table.js";
import { injectedText } from "./inject.js";
import { tableText, warningText, wrapped } from "./text.js";

/** A capture that is done. */
interface Captured {
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
  /** what was put into the Xen, with its operands that the record was held against */
  readonly injection?: Injection;
  readonly recording: TraceRecording;
  /** of the host's, where Xen ran on one */
  readonly costs?: HostCosts;
}

/** The whole text, at most `width` wide where that is possible without leaving anything out. */
export function captureText(captured: Captured, width: number): string {
  const { trace, scenario, result, summary, own, held, stores, losses, costs, injection, recording } = captured;
  const log = result.consoleLog === undefined ? "" : `; the console's log is in ${result.consoleLog}`;
  const parts = [
    wrapped(`${trace}: ${count(result.events)} events of ${scenario.name} on QEMU ${result.qemuVersion}${log}`, width),
    ...(injection ? [injectedText(injection, recording.injected?.operands ?? 0, width)] : []),
    segmentsText(result, width),
    tlbisText(summary, width),
    ...(costs ? [costsText(costs, width)] : []),
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

function segmentsText({ segments }: CaptureResult, width: number): string {
  const rows = [
    ...segments.map(({ name, gfn, pages }) => [name, hex(gfn), count(pages)]),
    ["together", "", count(segments.reduce((sum, { pages }) => sum + pages, 0))],
  ];
  return tableText(wordTable(["domU's segments", right("first gfn"), right("pages")], rows), width);
}

function tlbisText(summary: Summary, width: number): string {
  const rows = Object.entries(summary.phases).flatMap(([phase, { byCaller }]) =>
    byCaller.map((row) => ({ phase, ...row })),
  );
  const table = tableOf<CallerCount & { readonly phase: string }>(
    [
      { head: "phase", kind: "words", once: true, of: (row) => row.phase },
      { head: "TLBI", kind: "words", of: (row) => row.op },
      { head: "count", kind: "count", of: (row) => row.count },
      { head: "VMID", kind: "id", of: (row) => row.vmid },
      { head: "issued by", kind: "words", of: (row) => row.caller, text: (row) => callPath(row.caller) },
    ],
    rows,
  );
  return tableText(table, width);
}

const MOST_ROWS = 12;

/** What the host executed for Xen's TLBIs, by way of calls, and for the creation as a whole, beside the model. */
function costsText({ rows, script, spans, paBits, unjoined, missing, predicted }: HostCosts, width: number): string {
  const tlbis = rows.filter(({ kind }) => kind === "tlbi").sort((a, b) => b.instructions - a.instructions);
  const create = spans.map(
    ({ instructions, inHandlers, exits, faults, tlbi }) =>
      `The creation took the host ${count(instructions)} instructions, ${count(inHandlers)} of them in Xen's TLBIs; ${count(exits)} entries of a guest, ${count(faults)} faults on shadows; ${tally(tlbi)}.`,
  );
  const lost = unjoined > 0 ? [`Counts that belong to no TLBI of the trace: ${count(unjoined)}.`] : [];
  const unknown = missing.map((name) => `What is told by calls of ${name} is unknown: this kernel has no such symbol.`);
  const head = `What Xen's TLBIs cost the host, with ${paBits} bits of PA: counted, the most first`;
  const beside = besideRows(script, predicted);
  return [
    wrapped(head, width),
    tableText(hostRowsTable(tlbis.slice(0, MOST_ROWS)), width),
    ...[...create, ...lost, ...unknown].map((text) => wrapped(text, width)),
    ...(beside.length > 0
      ? [wrapped("The creation beside the model:", width), tableText(besideTable(beside), width)]
      : []),
  ].join("");
}

/** What a set-up would fetch; `free`: bytes that its folder's file system has, where that is known. Ends before the question. */
export const setupText = (
  { files, bytes, folder, main, needs }: Omit<SetupPlan, "fetch">,
  free: number | undefined,
): string =>
  [
    `Will fetch ${files} packages (${megabytes(bytes)}) from the system's Debian mirror, checked by apt, and unpack them into ${folder}:`,
    `  ${main.join(", ")}, and what they need. Nothing is installed.`,
    `  It needs ${megabytes(needs)} there, which has ${free === undefined ? "?" : megabytes(free)}.`,
  ].join("\n");
