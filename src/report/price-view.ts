/** Prices of a trace, phase by phase, as a table. */
import { isNestedRow, type PriceRow } from "../compare/index.js";
import { PRICED } from "./compare-tables.js";
import { byHost, hostColumns } from "./host-columns.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";

/** What stands with every price. */
export const SIMULATED = "Prices are simulated time, never measurements.";

type PricedColumn = (typeof PRICED)[number]["head"];

/** The prices, host by host, so that phases add up to their total; those of the columns that are asked for by head. */
export function priceTable(rows: readonly PriceRow[], heads?: readonly PricedColumn[]): Table {
  const priced = PRICED.filter(({ head }) => heads === undefined || heads.includes(head));
  return tableOf<PriceRow>(
    [...hostColumns<PriceRow>(isNestedRow), ...priced, ...(heads ? [] : EXECUTED)],
    byHost(rows, isNestedRow),
  );
}

/** What the hypervisor executed is the same on every host. */
const EXECUTED: readonly ColumnOf<PriceRow>[] = [
  { head: "shadow leaves dropped", kind: "count", of: (row) => row.leavesDropped },
  { head: "exit", kind: "tally", of: (row) => row.exitKinds },
  { head: "TLBI", kind: "tally", of: (row) => row.tlbi },
  { head: "hypercall", kind: "tally", of: (row) => row.hypercalls },
];
