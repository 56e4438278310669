/** What `shootdown compare` prints: a table of prices a scenario, what was executed, notes and checks. */
import type { Check, CompareResult, CompareRow } from "../../compare/index.js";
import type { Made } from "../../jobs/index.js";
import { answerNotes, answersOf, answerTable, answerTables, answerTitle } from "../answers.js";
import { measured, predicted, verdict } from "../checks.js";
import { type Alike, notesOf, POLICY, rowOf, scenarioBlocks, scenarioRows } from "../compare-tables.js";
import { duration, durationRange, factor, NO_BREAK, tally } from "../format.js";
import { type ColumnOf, right, type Table, tableOf, wordTable } from "../table.js";
import {
  grouped,
  type ScenarioView,
  scenarioViews,
  silentSentences,
  spread,
  UNSAFE,
  unsoundPolicies,
  unsoundSentence,
} from "../view.js";
import { fits, indented, madeText, tableText, wrapped } from "./text.js";

/**
 * The whole comparison as text for a terminal of `width` columns (80 or more read well), the answer last: there a reader stands
 * when the command has ended. Ends with a newline.
 */
export function compareTables(result: CompareResult, width: number, made?: Made): string {
  return [
    ...scenarioViews(result).map((view) => scenarioText(view, width)),
    notesText(result, width),
    checksText(result.checks, width),
    made ? madeText(made, width) : "",
    answersText(result, width),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function scenarioText(view: ScenarioView, width: number): string {
  const { scenario } = view;
  return [
    wrapped(`${scenario.name}: ${scenario.title}`, width),
    ...priceTables(view, width),
    [...unsoundLines(view), ...silentSentences(view)].map((sentence) => wrapped(sentence, width)).join(""),
    rangeTable(view, width),
    executedText(view, width, "TLBIs that Xen executes", (row) => whole(tally(row.tlbi))),
    executedText(view, width, "Hypercalls", (row) => whole(tally(row.hypercalls))),
    restText(view, width),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** As many tables as the width asks for, each beginning with the policies. */
function priceTables(view: ScenarioView, width: number): readonly string[] {
  const rows = scenarioRows(view);
  const nameWidth = Math.max(
    ...rows.flatMap((names) => names.map((name, i) => name.length + Math.min(i, 1))),
    POLICY.head.length,
  );
  const tables: ColumnOf<Alike>[][] = [];
  let room = 0;
  for (const block of scenarioBlocks(view)) {
    const needs = blockWidth(tableOf(block, rows));
    if (tables.length === 0 || needs > room) {
      tables.push([]);
      room = width - nameWidth - (unsoundPolicies(view).length > 0 ? UNSAFE.length : 0);
    }
    tables[tables.length - 1]!.push(...block);
    room -= needs;
  }
  return tables.map((columns) => tableText(tableOf([POLICY, ...columns], rows), width));
}

/** Characters that columns under one heading take, the gaps before them included. */
function blockWidth({ columns, rows }: Table): number {
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...rows.map((row) => row[i]!.text.length)));
  return Math.max(
    widths.reduce((sum, w) => sum + w + 2, 0),
    (columns[0]?.under ?? "").length + 2,
  );
}

/** Which policies are unsound, for what, and where the story is told. */
function unsoundLines(view: ScenarioView): readonly string[] {
  const [first] = unsoundPolicies(view);
  if (!first) return [];
  return [
    `${unsoundSentence(view)} ${UNSAFE} marks the price of an unsound policy; how it fails: shootdown prove ${first.policy}`,
  ];
}

/** Where the elementary prices are ranges: how far they carry the prices of each host, and the first policy's own. */
function rangeTable(view: ScenarioView, width: number): string {
  const bits = view.ipaBits[view.ipaBits.length - 1];
  const [example] = view.policies;
  const rows = [...view.native, ...view.nested].flatMap(({ name }) => {
    const [low, high] = spread(view.policies.flatMap((policy) => view.row(policy, name) ?? []));
    const row = view.row(example!, name);
    if (low === high || !row) return [];
    return [[name, `x ${factor(low)} .. x ${factor(high)}`, durationRange(...row.microsecondsRange)]];
  });
  if (rows.length === 0) return "";
  const first = view.nested.length > 0 ? `range at ${bits} bits` : "range";
  const head = [first, right("widest, as factors"), right(example!)];
  return tableText(wordTable(head, rows), width);
}

/** The same once for all policies that share it; the largest group, where it is most of them, as the others. */
function executedText(view: ScenarioView, width: number, head: string, textOf: (row: CompareRow) => string): string {
  const any = rowOf(view);
  const policies = view.policies.filter((policy) => any(policy));
  const groups = [...grouped(policies, (policy) => textOf(any(policy)!))];
  if (groups.length === 1 && groups[0]!.text === "none") return "";
  const most = groups.find(({ names }) => names.length > policies.length / 2);
  if (most) groups.push(...groups.splice(groups.indexOf(most), 1));
  const namesOf = (group: (typeof groups)[number]): string => {
    if (group !== most) return group.names.join(", ");
    return groups.length === 1 ? "every policy" : "every other policy";
  };
  const lines = groups.map((group) => wrapped(`${namesOf(group)}: ${group.text}`, width - 2, "    "));
  return `${head}\n${indented(lines.join(""))}`;
}

/** A tally whose counts stay on the lines of their names. */
const whole = (text: string): string => text.replaceAll(/ (?=[\d,]+(,|$))/g, NO_BREAK);

/** What the work takes beside the TLB maintenance, on the nested hosts that have a price for it. */
function restText(view: ScenarioView, width: number): string {
  const restOf = ({ policy }: CompareRow): string => {
    const rests = view.nested.flatMap(({ name }) => {
      const rest = view.row(policy, name)?.rest;
      return rest === undefined || rest === null ? [] : [{ name, rest }];
    });
    const groups = grouped(rests, ({ rest }) => duration(rest).replace(" ", NO_BREAK));
    if (groups.length === 0) return "none";
    if (groups.length === 1) return groups[0]!.text;
    return groups.map(({ text, names }) => `${text} on ${names.map(({ name }) => name).join(", ")}`).join("; ");
  };
  const head = "Rest of the work when nested, in no price above: hypercall round trips and first faults";
  return executedText(view, width, wrapped(head, width).trimEnd(), restOf);
}

/** What people came for. */
function answersText(result: CompareResult, width: number): string {
  const answers = answersOf(result);
  const notes = answerNotes(result, answers).map((note) => wrapped(note, width, "  "));
  if (answers.length === 0) return notes.join("");
  if (answers.every(({ price }) => price === null)) return notes.join("");
  const tables = [tableText(answerTable(answers), width), ...(["narrow", "least"] as const).map(byScenario)];
  const table = tables.find((text) => fits(text, width)) ?? tables[tables.length - 1]!;
  return [wrapped(`${answerTitle(answers)}.`, width), table, ...(notes.length > 0 ? [notes.join("")] : [])].join("\n");

  function byScenario(room: "narrow" | "least"): string {
    return answerTables(answers, room)
      .map(({ title, table }) => wrapped(title, width) + tableText(table, width))
      .join("\n");
  }
}

const notesText = (result: CompareResult, width: number): string =>
  `Notes\n${notesOf(result)
    .map((note) => wrapped(`- ${note}`, width, "  "))
    .join("")}`;

/** Predictions against measurements: a line with the name of each, a line with its figures; empty without checks. */
function checksText(checks: readonly Check[], width: number): string {
  if (checks.length === 0) return "";
  const table = wordTable(
    ["check", right("predicted (range)"), right("measured")],
    checks.map((check) => [`  ${verdict(check)}`, predicted(check), measured(check)]),
  );
  const [head, ...figures] = tableText(table, width).trimEnd().split("\n");
  const parts = checks.map((check, i) => `${wrapped(check.name, width, "  ")}${figures[i]}\n`);
  const calibrated = checks.some((check) => check.calibration)
    ? "Calibration: a price was derived from this very measurement, so that agreeing is no check. "
    : "";
  const rest = "The report and --json have the rule and the source of each.";
  return `${head}\n${parts.join("")}${wrapped(calibrated + rest, width)}`;
}
