/** A comparison as tables: of each scenario for people, policies down and hosts across; and of all for programs, a row a price. */
import type { CompareResult, CompareRow } from "../compare/index.js";
import { total } from "./format.js";
import type { Titled } from "./markdown.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";
import {
  cpusOf,
  isProved,
  type ScenarioView,
  scenarioViews,
  silentSentences,
  unsoundSentence,
  verdictsOf,
} from "./view.js";

/** Neighbouring columns of a policy's row, that stay together when a table is cut to the terminal's width. */
type Block = readonly ColumnOf<string>[];

/** Hangs on the price of an unsound policy. */
export const UNSAFE = "!";

export const POLICY: ColumnOf<string> = { head: "policy", kind: "words", of: (policy) => policy };

/** What stands beside each policy of a scenario; the first nested host stands with bare metal in front. */
export function scenarioBlocks(view: ScenarioView): readonly Block[] {
  const [first, ...others] = view.nested;
  return [
    ...(isProved(view) ? [verdictBlock(view)] : []),
    ...view.native.map(({ name }): Block => [priceColumn(name, "", (policy) => view.row(policy, name))]),
    [tlbisColumn(view)],
    ...(first ? [[...nestedBlock(view, first.name), refaultsColumn(view, first.name)]] : []),
    ...others.map(({ name }) => nestedBlock(view, name)),
  ];
}

/** Each scenario whole, however wide, with what must be told of its policies. */
export const scenarioTables = (result: CompareResult): readonly Titled[] =>
  scenarioViews(result).map((view) => ({
    title: `${view.scenario.name}: ${view.scenario.title}`,
    table: tableOf([POLICY, ...scenarioBlocks(view).flat()], view.policies),
    below: [unsoundSentence(view), ...silentSentences(view)].filter((sentence) => sentence !== ""),
  }));

/** Is it safe? One column, or one for each CPU where the hosts have several. */
function verdictBlock(view: ScenarioView): Block {
  const cpus = cpusOf(view);
  const [only] = cpus.length === 1 ? ["verdict"] : [];
  return cpus.map((cpu, i): ColumnOf<string> => {
    const row = (policy: string): CompareRow | undefined => verdictsOf(view, policy)[i];
    return {
      ...(only === undefined ? { head: cpu, under: "verdict on" } : { head: only }),
      kind: "words",
      of: (policy) => row(policy)?.verdict ?? null,
      text: (policy) => verdictWord(row(policy)),
    };
  });
}

function verdictWord(row: CompareRow | undefined): string {
  if (row?.verdict === undefined) return "-";
  return row.verdict === "unsound" ? "UNSOUND" : row.verdict;
}

const nestedBlock = (view: ScenarioView, host: string): Block =>
  view.ipaBits.map((bits) => priceColumn(`${bits} bits`, host, (policy) => view.row(policy, host, bits)));

const priceColumn = (
  head: string,
  under: string,
  row: (policy: string) => CompareRow | undefined,
): ColumnOf<string> => ({
  ...{ head, under, kind: "time" },
  of: (policy) => row(policy)?.microseconds ?? null,
  mark: (policy) => (row(policy)?.verdict === "unsound" ? UNSAFE : ""),
});

/** What Xen executes is the same on every host. */
function tlbisColumn(view: ScenarioView): ColumnOf<string> {
  const any = rowOf(view);
  const tlbis = (row: CompareRow | undefined): number | null => (row ? total(row.tlbi) : null);
  return { head: "TLBIs", kind: "count", of: (policy) => tlbis(any(policy)) };
}

/** Refaults on a nested host at its largest IPA size. */
const refaultsColumn = (view: ScenarioView, host: string): ColumnOf<string> => ({
  ...{ head: "refaults", under: host, kind: "count" },
  of: (policy) => view.row(policy, host)?.refaults ?? null,
});

/** A row of a policy on whichever host has one: what Xen executes does not depend on the host. */
export const rowOf =
  (view: ScenarioView) =>
  (policy: string): CompareRow | undefined =>
    [...view.nested, ...view.native].map(({ name }) => view.row(policy, name)).find((row) => row !== undefined);

/** What must be known to read the figures of a comparison, a sentence or two each. */
export const notesOf = ({ notes, proof }: CompareResult): readonly string[] => [
  "Prices are simulated time, not measurements: TLB maintenance and the refaults that it causes. A range has every elementary price at its low and at its high end; the widest of all policies is given as factors of the price.",
  proof
    ? "Verdicts are for the occasions that a scenario has: sound = no CPU of that profile can go on using a stale translation, whatever the architecture lets it hold. shootdown prove tells how an unsound policy fails, and what a verdict assumes."
    : "Cheap is not safe: a price says nothing about whether a policy leaves stale translations behind.",
  ...notes,
];

/** All that was found: a row for each scenario, policy, host and IPA size (none where it changes nothing). */
export function compareTable(result: CompareResult): Table {
  const nested = new Set(result.hosts.filter((host) => host.nested).map(({ name }) => name));
  const first = new Map(result.rows.map(({ scenario, ipaBits }) => [scenario, ipaBits]));
  const rows = result.rows.filter(({ scenario, host, ipaBits }) => nested.has(host) || ipaBits === first.get(scenario));
  return tableOf<CompareRow>(
    [
      { head: "scenario", kind: "words", of: (row) => row.scenario },
      { head: "policy", kind: "words", of: (row) => row.policy },
      { head: "host", kind: "words", of: (row) => row.host },
      { head: "IPA bits", kind: "id", of: ({ host, ipaBits }) => (nested.has(host) ? ipaBits : null) },
      { head: "verdict", kind: "words", of: (row) => row.verdict ?? null },
      { head: "unsound for", kind: "words", of: (row) => row.unsound?.join(" ") ?? null },
      ...PRICED,
      { head: "TLBIs", kind: "count", of: (row) => total(row.tlbi) },
      { head: "shadow leaves dropped", kind: "count", of: (row) => row.leavesDropped },
      { head: "TLBI", kind: "tally", of: (row) => row.tlbi },
      { head: "hypercall", kind: "tally", of: (row) => row.hypercalls },
    ],
    rows,
  );
}

/** A price with its range, its parts, and what is beside it. */
export const PRICED: readonly ColumnOf<
  Pick<CompareRow, "microseconds" | "microsecondsRange" | "parts" | "refaults" | "rest">
>[] = [
  { head: "price", kind: "time", of: (row) => row.microseconds },
  { head: "range", key: "price", kind: "times", of: (row) => row.microsecondsRange },
  { head: "trap", kind: "time", of: (row) => row.parts.trap },
  { head: "walk", kind: "time", of: (row) => row.parts.walk },
  { head: "flush", kind: "time", of: (row) => row.parts.flush },
  { head: "refault", kind: "time", of: (row) => row.parts.refault },
  { head: "refaults", kind: "count", of: (row) => row.refaults },
  { head: "rest", kind: "time", of: (row) => row.rest },
];
