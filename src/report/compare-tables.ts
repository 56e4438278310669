/** A comparison as tables: of each scenario for people, policies down and hosts across; and of all for programs, a row a price. */
import type { CompareResult, CompareRow } from "../compare/index.js";
import type { Made } from "../jobs/index.js";
import { type Answer, answerNotes, answersOf, answerTable, answerTitle } from "./answers.js";
import { durationRange, list, total } from "./format.js";
import { madeSentences } from "./made.js";
import type { Titled } from "./markdown.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";
import {
  cpusOf,
  grouped,
  isProved,
  type ScenarioView,
  scenarioViews,
  silentSentences,
  toneOf,
  UNSAFE,
  unsoundSentence,
  verdictsOf,
} from "./view.js";

/** Policies that read alike in all columns of a scenario: they share a row. */
export type Alike = readonly string[];

/** Neighbouring columns of a row, that stay together when a table is cut to the terminal's width. */
type Block = readonly ColumnOf<Alike>[];

export const POLICY: ColumnOf<Alike> = { head: "policy", kind: "names", of: (policies) => policies };

/** What stands beside the policies of a scenario; the first nested host stands with bare metal in front. */
export function scenarioBlocks(view: ScenarioView): readonly Block[] {
  const [first, ...others] = view.nested;
  return [
    ...(isProved(view) ? [verdictBlock(view)] : []),
    ...view.native.map(({ name }): Block => [priceColumn(name, "", ([policy]) => view.row(policy!, name))]),
    [tlbisColumn(view)],
    ...(first ? [[...nestedBlock(view, first.name), refaultsColumn(view, first.name)]] : []),
    ...others.map(({ name }) => nestedBlock(view, name)),
  ];
}

/** The rows of a scenario: policies that are the same in all columns share one. */
export function scenarioRows(view: ScenarioView, columns = scenarioBlocks(view).flat()): readonly Alike[] {
  const same = grouped(view.policies, (policy) => JSON.stringify(tableOf(columns, [[policy]]).rows));
  return same.map(({ names }) => names);
}

/** A scenario whole, however wide; `counts`: with what was executed. */
export function scenarioTable(view: ScenarioView, counts = true): Table {
  const columns = scenarioBlocks(view)
    .flat()
    .filter(({ kind }) => counts || kind !== "count");
  return tableOf([POLICY, ...columns], scenarioRows(view, columns));
}

/** The answer first; then each scenario whole, with what must be told of its policies. */
function scenarioTables(result: CompareResult): readonly Titled[] {
  const answers = answersOf(result);
  const first = { title: answerTitle(answers), table: answerTable(answers), below: answerNotes(result, answers) };
  return [
    ...(first.table.rows.length > 0 ? [first] : []),
    ...scenarioViews(result).map((view) => ({
      title: `${view.scenario.name}: ${view.scenario.title}`,
      table: scenarioTable(view),
      below: [unsoundSentence(view), ...silentSentences(view)].filter((sentence) => sentence !== ""),
    })),
  ];
}

/** Is it safe? One column, or one for each CPU where the hosts have several. */
function verdictBlock(view: ScenarioView): Block {
  const cpus = cpusOf(view);
  const [only] = cpus.length === 1 ? ["verdict"] : [];
  return cpus.map((cpu, i): ColumnOf<Alike> => {
    const row = ([policy]: Alike): CompareRow | undefined => verdictsOf(view, policy!)[i];
    return {
      ...(only === undefined ? { head: cpu, under: "verdict on" } : { head: only }),
      kind: "words",
      of: (policies) => row(policies)?.verdict ?? null,
      text: (policies) => verdictWord(row(policies)),
      note: (policies) => list(row(policies)?.unsound ?? []),
      tone: (policies) => toneOf(row(policies)?.verdict),
    };
  });
}

function verdictWord(row: CompareRow | undefined): string {
  if (row?.verdict === undefined) return "-";
  return row.verdict === "unsound" ? "UNSOUND" : row.verdict;
}

const nestedBlock = (view: ScenarioView, host: string): Block =>
  view.ipaBits.map((bits) => priceColumn(`${bits} bits`, host, ([policy]) => view.row(policy!, host, bits)));

const priceColumn = (
  head: string,
  under: string,
  row: (policies: Alike) => CompareRow | undefined,
): ColumnOf<Alike> => ({
  ...{ head, under, kind: "time" },
  of: (policies) => row(policies)?.microseconds ?? null,
  mark: (policies) => (row(policies)?.verdict === "unsound" ? UNSAFE : ""),
  note: (policies) => rangeWords(row(policies)),
});

/** The range of a price; "" where it has none. */
function rangeWords(row: CompareRow | undefined): string {
  const [low, high] = row?.microsecondsRange ?? [0, 0];
  return low === high ? "" : durationRange(low, high, "–");
}

/** What Xen executes is the same on every host. */
function tlbisColumn(view: ScenarioView): ColumnOf<Alike> {
  const any = rowOf(view);
  const tlbis = (row: CompareRow | undefined): number | null => (row ? total(row.tlbi) : null);
  return { head: "TLBIs", kind: "count", of: ([policy]) => tlbis(any(policy!)) };
}

/** Refaults on a nested host at its largest IPA size. */
const refaultsColumn = (view: ScenarioView, host: string): ColumnOf<Alike> => ({
  ...{ head: "refaults", under: host, kind: "count" },
  of: ([policy]) => view.row(policy!, host)?.refaults ?? null,
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

/** A comparison for who asks for CSV or for Markdown. */
export const compareForms = (result: CompareResult, made: Made) => ({
  csv: () => compareTable(result),
  markdown: () => scenarioTables(result),
  notes: [...notesOf(result), ...madeSentences(made)],
});

/** What is not as `--expect sound` has it, a line for each policy: unsound where a scenario has the occasion, or not known. */
export function notSound({ rows }: CompareResult): readonly string[] {
  const not = rows.filter(({ verdict }) => verdict !== "sound");
  return grouped(not, ({ policy }) => policy).map(({ text, names }) => {
    const kinds = grouped(names, ({ verdict = "unknown", unsound = [] }) =>
      unsound.length > 0 ? `${verdict} for ${list(unsound)}` : verdict,
    );
    return `${text} is ${kinds.map((kind) => `${kind.text} in ${list([...new Set(kind.names.map(({ scenario }) => scenario))])}`).join("; ")}`;
  });
}

/** All that was found: a row for each scenario, policy, host and IPA size (none where it changes nothing). */
function compareTable(result: CompareResult): Table {
  const nested = new Set(result.hosts.filter((host) => host.nested).map(({ name }) => name));
  const first = new Map(result.rows.map(({ scenario, ipaBits }) => [scenario, ipaBits]));
  const rows = result.rows.filter(({ scenario, host, ipaBits }) => nested.has(host) || ipaBits === first.get(scenario));
  const keyOf = (scenario: string, host: string, bits: number | null): string => JSON.stringify([scenario, host, bits]);
  const answers = new Map(answersOf(result).map((one) => [keyOf(one.scenario, one.host, one.ipaBits), one]));
  const answer = ({ scenario, host, ipaBits }: CompareRow): Answer | undefined =>
    answers.get(keyOf(scenario, host, nested.has(host) ? ipaBits : null));
  return tableOf<CompareRow>(
    [
      { head: "scenario", kind: "words", of: (row) => row.scenario },
      { head: "policy", kind: "words", of: (row) => row.policy },
      { head: "host", kind: "words", of: (row) => row.host },
      { head: "IPA bits", kind: "id", of: ({ host, ipaBits }) => (nested.has(host) ? ipaBits : null) },
      { head: "verdict", kind: "words", of: (row) => row.verdict ?? null },
      { head: "unsound for", kind: "words", of: (row) => row.unsound?.join(" ") ?? null },
      {
        head: "cheapest sound",
        kind: "words",
        of: (row) => (answer(row)?.cheapest.includes(row.policy) ? "yes" : null),
      },
      { head: "against", kind: "words", of: (row) => answer(row)?.against.policy ?? null },
      { head: "times less", kind: "factor", of: (row) => timesLessThan(answer(row)?.against.price.microseconds, row) },
      ...PRICED,
      { head: "TLBIs", kind: "count", of: (row) => total(row.tlbi) },
      { head: "shadow leaves dropped", kind: "count", of: (row) => row.leavesDropped },
      { head: "exit", kind: "tally", of: (row) => row.exitKinds },
      { head: "TLBI", kind: "tally", of: (row) => row.tlbi },
      { head: "hypercall", kind: "tally", of: (row) => row.hypercalls },
    ],
    rows,
  );
}

/** By how much less a row costs than `today`, in microseconds; null where that cannot be said. */
function timesLessThan(today: number | undefined, { microseconds }: CompareRow): number | null {
  if (today === microseconds) return 1;
  return today === undefined || microseconds === 0 ? null : today / microseconds;
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
