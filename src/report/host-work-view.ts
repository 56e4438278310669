/** What a host did for a trace, where it was counted: by what it was for, beside the model, and in two traces. */
import type { BesideRow, HostChange } from "../compare/index.js";
import type { HostRow } from "../trace/index.js";
import { callPath, signed } from "./format.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";

const COLUMNS: readonly ColumnOf<HostRow>[] = [
  { head: "phase", kind: "words", of: (row) => row.phase },
  { head: "what", kind: "words", of: (row) => row.name },
  { head: "count", kind: "count", of: (row) => row.count },
  { head: "host instructions", kind: "count", of: (row) => row.instructions },
  { head: "median", kind: "count", of: (row) => row.median },
  { head: "host TLBIs", kind: "tally", of: (row) => row.tlbi },
  {
    ...{ head: "issued by", kind: "words" },
    of: (row) => (row.kind === "tlbi" ? row.caller : null),
    text: (row) => (row.kind === "tlbi" ? callPath(row.caller) : "-"),
  },
];

/** TLBIs by way of calls, and exits. */
export const hostRowsTable = (rows: readonly HostRow[]): Table => tableOf(COLUMNS, rows);

/** Figures of a counted host beside the model, as a table. */
export const besideTable = (rows: readonly BesideRow[]): Table =>
  tableOf<BesideRow>(
    [
      { head: "phase", kind: "words", of: (row) => row.phase },
      { head: "what", kind: "words", of: (row) => row.what },
      { head: "counted", kind: "count", of: (row) => row.counted },
      { head: "model", kind: "count", of: (row) => row.model },
      {
        ...{ head: "off", kind: "words" },
        of: (row) => off(row),
        text: (row) => off(row) ?? "-",
      },
    ],
    rows.filter(({ counted, model }) => counted !== 0 || model !== 0),
  );

function off({ counted, model }: BesideRow): string | null {
  if (counted === null || model === null || counted === 0) return null;
  const percent = (model / counted - 1) * 100;
  return `${percent > 0 ? "+" : ""}${percent.toFixed(1)} %`;
}

/** The changes as a table; what is equal is left out unless `all`. */
export const hostChangesTable = (changes: readonly HostChange[], all: boolean): Table =>
  tableOf<HostChange>(
    [
      { head: "phase", kind: "words", of: (row) => row.phase },
      { head: "what", kind: "words", of: (row) => row.name },
      { head: "count before", kind: "count", of: (row) => row.count.before },
      { head: "count after", kind: "count", of: (row) => row.count.after },
      { head: "before", kind: "count", of: (row) => row.instructions.before },
      { head: "after", kind: "count", of: (row) => row.instructions.after },
      {
        ...{ head: "difference", kind: "count" },
        of: (row) => row.instructions.difference,
        text: (row) => signed(row.instructions.difference),
      },
      {
        ...{ head: "issued by", kind: "words" },
        of: (row) => (row.kind === "tlbi" ? row.caller : null),
        text: (row) => (row.kind === "tlbi" ? callPath(row.caller) : "-"),
      },
    ],
    all
      ? changes
      : changes.filter(({ instructions, count }) => instructions.difference !== 0 || count.before !== count.after),
  );
