/** What a trace holds, as a table: a row for each TLBI by who issued it, and for each of the other counts of a phase. */
import type { Summary } from "../trace/index.js";
import { callPath } from "./format.js";
import { labelledCounts } from "./labels.js";
import { type Table, tableOf } from "./table.js";

interface Counted {
  readonly phase: string;
  readonly what: string;
  readonly n: number;
  readonly tlbi?: { readonly vmid: number; readonly caller: string };
}

/** Counts that are 0 are left out. */
export function summaryTable({ phases }: Summary): Table {
  const rows = Object.entries(phases).flatMap(([phase, summary]): Counted[] => [
    ...summary.byCaller.map(({ op, count, vmid, caller }) => ({ phase, what: op, n: count, tlbi: { vmid, caller } })),
    ...labelledCounts(summary)
      .filter(([, n]) => n > 0)
      .map(([what, n]) => ({ phase, what, n })),
  ]);
  return tableOf<Counted>(
    [
      { head: "phase", kind: "words", of: (row) => row.phase },
      { head: "what", kind: "words", of: (row) => row.what },
      { head: "count", kind: "count", of: (row) => row.n },
      { head: "VMID", kind: "id", of: (row) => row.tlbi?.vmid ?? null },
      {
        ...{ head: "issued by", kind: "words" },
        of: (row) => row.tlbi?.caller ?? null,
        text: (row) => (row.tlbi ? callPath(row.tlbi.caller) : "-"),
      },
    ],
    rows,
  );
}
