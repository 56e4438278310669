/** What differs between two traces, as a table: a row for each count of a phase, and for each of its prices. */
import {
  type CallerChange,
  type Change,
  isNestedRow,
  type PriceChange,
  type TraceDifference,
} from "../compare/index.js";
import { callPath, signed } from "./format.js";
import { byHost } from "./host-columns.js";
import { labelledCounts } from "./labels.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";

/** A number that one of the traces may not have. */
type Side = number | null;

interface Changed {
  readonly phase: string;
  readonly what: string;
  readonly change?: { readonly [K in keyof Change]: Side };
  readonly tlbi?: Pick<CallerChange, "vmid" | "caller">;
  readonly price?: PriceChange;
}

/** Counts of both traces, and prices where hosts were asked for; what is equal is left out unless `all`. */
export function differenceTable(difference: TraceDifference, all: boolean): Table {
  const rows = [...countsOf(difference), ...byHost(difference.prices, isNested).map(pricedRow)];
  return tableOf(COLUMNS, all ? rows.filter(isAnything) : rows.filter(isAnything).filter(isDifferent));
}

const isNested = ({ before, after }: PriceChange): boolean => isNestedRow((before ?? after)!);
const pricedRow = (price: PriceChange): Changed => ({ phase: price.phase, what: "price", price });

/** Null in `difference`: one of the traces does not have the phase. */
const countsOf = ({ phases }: TraceDifference): Changed[] =>
  Object.entries(phases).flatMap(([phase, of]): Changed[] => [
    ...of.byCaller.map(({ op, vmid, caller, ...change }) => ({
      ...{ phase, what: op, change },
      tlbi: { vmid: vmid ?? 0, caller },
    })),
    ...labelledCounts<NonNullable<Changed["change"]>>(of).map(([what, change]) => ({ phase, what, change })),
  ]);

const isAnything = ({ change }: Changed): boolean => change === undefined || Boolean(change.before || change.after);

function isDifferent({ change, price }: Changed): boolean {
  if (change) return change.difference !== 0;
  return price!.before?.microseconds !== price!.after?.microseconds;
}

const COLUMNS: readonly ColumnOf<Changed>[] = [
  { head: "phase", kind: "words", of: (row) => row.phase },
  { head: "what", kind: "words", of: (row) => row.what },
  { head: "VMID", kind: "id", of: (row) => row.tlbi?.vmid ?? null },
  {
    ...{ head: "issued by", kind: "words" },
    of: (row) => row.tlbi?.caller ?? null,
    text: (row) => (row.tlbi ? callPath(row.tlbi.caller) : "-"),
  },
  { head: "before", kind: "count", of: (row) => row.change?.before ?? null },
  { head: "after", kind: "count", of: (row) => row.change?.after ?? null },
  {
    ...{ head: "difference", kind: "count" },
    of: (row) => row.change?.difference ?? null,
    text: ({ change }) => (typeof change?.difference === "number" ? signed(change.difference) : "-"),
  },
  { head: "host", kind: "words", of: (row) => row.price?.host ?? null },
  { head: "IPA bits", kind: "id", of: ({ price }) => (price && isNested(price) ? price.ipaBits : null) },
  { head: "price before", kind: "time", of: (row) => row.price?.before?.microseconds ?? null },
  { head: "price after", kind: "time", of: (row) => row.price?.after?.microseconds ?? null },
  { head: "factor", kind: "factor", of: (row) => row.price?.factor ?? null },
  { head: "range", key: "factor", kind: "factors", of: (row) => row.price?.factorRange ?? null },
];
