/** What a policy executes on one occasion and what that costs: tables for people and programs, and a view that pictures take. */
import { isNestedRow, type OccasionPrice, type OccasionPrices } from "../compare/index.js";
import { PRICED, scenarioBlocks, scenarioRows } from "./compare-tables.js";
import { count, sentence, tally } from "./format.js";
import { byHost, hostColumns } from "./host-columns.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";
import type { ScenarioView } from "./view.js";

/** The prices of a policy's occasions, and the case that they are of. */
export interface PricedOccasions extends OccasionPrices {
  readonly policy: string;
  readonly cpu: string;
  readonly pages: number;
  readonly touched: number;
}

/** The case, in sentences. */
export const caseSentences = ({ policy, cpu, pages, touched }: PricedOccasions): readonly string[] => [
  `What ${policy} executes on ${cpu} when an occasion comes once, with the refaults that this causes: about ${pagesWords(pages)} of 4 KiB (of a block or a table: those of it that are touched), of the current guest, which is on two pCPUs and has touched ${touched === 0 ? "nothing else" : `${pagesWords(touched)} besides, and touches them again`}.`,
  "A batch is that many removals of a page each. No other work of the hypervisor is in these prices.",
];

const pagesWords = (n: number): string => (n === 1 ? "one page" : `${count(n)} pages`);

/** Why an occasion has no price, a sentence each. */
export const unpricedSentences = ({ without }: OccasionPrices): readonly string[] =>
  without.map(({ occasion, reason }) => sentence(`${occasion} has no price: ${reason}`));

type PricedColumn = (typeof PRICED)[number]["head"];

/** The prices, host by host; those of the columns that are asked for by head, else all, with what was executed. */
export function occasionTable({ rows }: OccasionPrices, heads?: readonly PricedColumn[]): Table {
  const listed = rows.map((row) => ({ ...row, phase: row.occasion }));
  const priced = PRICED.filter(({ head }) => head !== "rest" && (heads?.includes(head) ?? true));
  return tableOf<(typeof listed)[number]>(
    [...hostColumns<(typeof listed)[number]>(isNestedRow, "occasion"), ...priced, ...(heads ? [] : EXECUTED)],
    byHost(listed, isNestedRow),
  );
}

const EXECUTED: readonly ColumnOf<OccasionPrice>[] = [
  { head: "shadow leaves dropped", kind: "count", of: (row) => row.leavesDropped },
  { head: "TLBI", kind: "tally", of: (row) => row.tlbi },
  { head: "hardware TLBI", kind: "tally", of: (row) => row.hardwareTlbi },
];

/** Occasions down, hosts and IPA sizes across, for who has room: those that are the same in all columns share a row. */
export function occasionsAcross(view: ScenarioView): Table {
  const columns = scenarioBlocks(view).flat();
  const executed: ColumnOf<readonly string[]> = {
    ...{ head: "executes", kind: "words" },
    of: ([occasion]) => tally(view.row(occasion!, (view.nested[0] ?? view.native[0])!.name)?.tlbi ?? {}),
  };
  return tableOf(
    [{ head: "occasion", kind: "names", of: (names: readonly string[]) => names }, ...columns, executed],
    scenarioRows(view, [...columns, executed]),
  );
}

/** The prices as a scenario's, with an occasion in the place of a policy: what shows the one shows the other. */
export function occasionView({ rows, policy }: PricedOccasions): ScenarioView {
  const hosts = [...new Map(rows.map((row) => [row.host, row])).values()];
  const described = (nested: boolean) =>
    hosts
      .filter((row) => isNestedRow(row) === nested)
      .map(({ host }) => ({ name: host, title: host, source: "", cpu: "", nested, assumptions: [], prices: [] }));
  const ipaBits = [...new Set(rows.map((row) => row.ipaBits))].sort((a, b) => a - b);
  return {
    scenario: { name: policy, title: policy, source: "", events: 0, withoutTlbi: [] },
    policies: [...new Set(rows.map(({ occasion }) => occasion))],
    native: described(false),
    nested: described(true),
    ipaBits,
    row(occasion, host, bits = ipaBits.at(-1)!) {
      const row = rows.find((one) => one.occasion === occasion && one.host === host && one.ipaBits === bits);
      return row && { ...row, scenario: policy, policy: occasion, hypercalls: {} };
    },
  };
}
