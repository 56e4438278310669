/** What a check found, in words: for the terminal and the page. */
import { REASONS } from "../check/index.js";
import type { Checked, PricedFinding } from "../jobs/index.js";
import { callPath, count, duration } from "./format.js";
import { type Table, tableOf } from "./table.js";

/** True for what a trace must not have: unsafe, or against its own discipline. */
export const isGrave = ({ class: of, allowed }: PricedFinding): boolean =>
  !allowed && (of === "unsafe" || of === "discipline");

/** What a trace came out as, in a sentence. */
export function verdictOf({ findings }: Checked): string {
  const of = (name: string): number => findings.filter((f) => f.class === name).reduce((sum, f) => sum + f.count, 0);
  const [unsafe, discipline, late, wasteful] = ["unsafe", "discipline", "late", "wasteful"].map(of) as [
    number,
    number,
    number,
    number,
  ];
  const parts = [
    ...(unsafe > 0 ? [`${count(unsafe)} unsafe`] : []),
    ...(discipline > 0 ? [`${count(discipline)} against the code's own discipline`] : []),
    ...(late > 0 ? [`${count(late)} late`] : []),
    ...(wasteful > 0 ? [`${count(wasteful)} wasteful`] : []),
  ];
  const grave = unsafe + discipline === 0 ? "nothing unsafe found" : "";
  return [grave, ...parts].filter((part) => part !== "").join("; ");
}

/** The sentence of a finding, with the reason why no flush counted. */
export const sentenceOf = ({ sentence, reason }: PricedFinding): string =>
  reason === null ? `${sentence}.` : `${sentence}. Why no flush counts: ${REASONS[reason]}.`;

/** How late it was: events between the promise and the flush. */
export const windowOf = ({ window, count: n }: PricedFinding): string =>
  window === null
    ? ""
    : `open for ${count(window.longest)} events at most, ${count(Math.round(window.sum / Math.max(n, 1)))} on average`;

/** What a wasteful group cost, host by host. */
export const costsOf = ({ costs }: PricedFinding): string[] =>
  costs.map(({ host, ipaBits, microseconds, saved, instead }) => {
    const on = ipaBits === null ? host : `${host} (${ipaBits} bits)`;
    const rest = instead > 0 ? `, ${duration(instead)} in its place` : "";
    return `${on}: cost ${duration(microseconds)}, saved ${duration(saved)}${rest}`;
  });

/** Where a finding is. */
export const siteOf = ({ site }: PricedFinding): string => (site === "" ? "unknown place" : callPath(site));

interface Row {
  readonly trace: string;
  readonly finding: PricedFinding;
}

/** One row a finding. */
export const checkTable = (checked: readonly Checked[]): Table =>
  tableOf<Row>(
    [
      { head: "trace", kind: "words", of: (row) => row.trace },
      { head: "class", kind: "words", of: (row) => row.finding.class },
      { head: "kind", kind: "words", of: (row) => row.finding.kind },
      { head: "reason", kind: "words", of: (row) => row.finding.reason },
      { head: "count", kind: "count", of: (row) => row.finding.count },
      { head: "first event", kind: "id", of: (row) => row.finding.first[0]?.event ?? null },
      { head: "pCPU", kind: "id", of: (row) => row.finding.first[0]?.pcpu ?? null },
      { head: "VMID", kind: "id", of: (row) => row.finding.first[0]?.vmid ?? null },
      { head: "at", kind: "words", of: (row) => row.finding.site, text: (row) => siteOf(row.finding) },
    ],
    checked.flatMap(({ trace, findings }) => findings.map((finding) => ({ trace, finding }))),
  );
