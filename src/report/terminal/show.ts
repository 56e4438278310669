/** What `shootdown show` prints of a trace: what it holds, phase by phase. */
import { visibleLine } from "../../input/index.js";
import {
  type CallerCount,
  domainName,
  type HostRow,
  NO_DOMAIN,
  type PhaseSummary,
  type Summary,
  type TraceInfo,
} from "../../trace/index.js";
import { callPath, capital, count } from "../format.js";
import { hostRowsTable } from "../host-work-view.js";
import { integrityWords } from "../integrity.js";
import { labelledCounts, phaseTitle } from "../labels.js";
import { type ColumnOf, right, type Table, tableOf, wordTable } from "../table.js";
import { recordingText } from "./recording.js";
import { indented, tableText } from "./text.js";

/** The summary as tables; lines end at `width` where that is possible without leaving anything out. */
export function showText(
  title: string,
  { producer, integrity, recording }: Pick<TraceInfo, "producer" | "integrity" | "recording">,
  summary: Summary,
  width: number | undefined,
): string {
  const about = [integrityWords(integrity), producer && `made by: ${visibleLine(producer)}`].filter(
    (line) => line !== "",
  );
  const ran = recording === undefined ? "" : recordingText(recording, width ?? Number.POSITIVE_INFINITY);
  const sections = [`${[`${visibleLine(title)}: ${count(summary.events)} events`, ...about].join("\n")}\n${ran}`];
  for (const [name, phase] of Object.entries(summary.phases)) {
    sections.push(`${capital(phaseTitle(visibleLine(name)))}: ${count(phase.events)} events\n`);
    if (phase.byCaller.length > 0) {
      sections.push(setIn(tableOf(CALLERS, phase.byCaller), width));
      sections.push(setIn(wordTable(["TLBI", "on pCPU", "for"], placeRows(phase)), width));
    }
    const rest = labelledCounts(phase)
      .filter(([, n]) => n > 0)
      .map(([label, n]) => [label, count(n)]);
    if (rest.length > 0) sections.push(setIn(wordTable(["", right("count")], rest), width));
  }
  return sections.join("\n");
}

/** What the host of a trace did, where it was counted: by phase, and within the marked parts of dom0's script. "" where not. */
export function hostWorkText(rows: readonly HostRow[], script: readonly HostRow[], width: number | undefined): string {
  if (rows.length === 0) return "";
  const head = "What the host did, counted: TLBIs by who issued them, and exits, which are what lies between";
  const parts = script.length === 0 ? "" : `\nThe same within dom0's script:\n${setIn(hostRowsTable(script), width)}`;
  return `\n${head}:\n${setIn(hostRowsTable(rows), width)}${parts}`;
}

/** For each TLBI, on which pCPUs and for which domains it ran, with counts where there are several. */
function placeRows(phase: PhaseSummary): string[][] {
  const list = (places: readonly { name: string; count: number }[]): string =>
    places.length === 1 ? places[0]!.name : places.map((p) => `${p.name}: ${count(p.count)}`).join("; ");
  return Object.keys(phase.tlbi).map((op) => [
    op,
    list(phase.byPcpu.filter((row) => row.op === op).map((row) => ({ name: String(row.pcpu), count: row.count }))),
    list(
      phase.byDomain
        .filter((row) => row.op === op)
        .map((row) => ({ name: domainName(row.domain ?? NO_DOMAIN), count: row.count })),
    ),
  ]);
}

const CALLERS: readonly ColumnOf<CallerCount>[] = [
  { head: "TLBI", kind: "words", of: (row) => row.op },
  { head: "count", kind: "count", of: (row) => row.count },
  { head: "VMID", kind: "id", of: (row) => row.vmid },
  { head: "issued by", kind: "words", of: (row) => row.caller, text: (row) => callPath(row.caller) },
];

/** A table two blanks in; its last column wraps where there is a width. */
const setIn = (table: Table, width = Number.POSITIVE_INFINITY): string => indented(tableText(table, width - 2));
