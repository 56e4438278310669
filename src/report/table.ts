/** What `shootdown compare` prints: a table of prices a scenario, what was executed, notes and checks. */
import type { Check, CompareResult, CompareRow } from "../compare/index.js";
import { count, duration, durationRange, factor, quantityIn, quantityRange, tally, total } from "./format.js";
import { NO_BREAK, textTable, wrapped } from "./text.js";
import {
  cpusOf,
  grouped,
  isProved,
  type ScenarioView,
  scenarioViews,
  silentSentences,
  spread,
  unsoundPolicies,
  unsoundSentence,
  verdictsOf,
} from "./view.js";

/** Neighbouring columns under one heading, that stay together when a table is cut to the terminal's width. */
interface Block {
  readonly title: string;
  readonly columns: readonly Column[];
}

interface Column {
  readonly head: string;
  readonly left?: boolean;
  cell(policy: string): string;
}

const ABSENT = "-";
/** Hangs on the price of an unsound policy. */
const UNSAFE = "!";

/** The whole comparison as text for a terminal of `width` columns (80 or more read well). Ends with a newline. */
export function compareTables(result: CompareResult, width: number): string {
  return [
    ...scenarioViews(result).map((view) => scenarioText(view, width)),
    notesText(result, width),
    checksText(result.checks, width),
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

/** As many tables as the width asks for, each beginning with the policy; the first nested host stands with bare metal in the first. */
function priceTables(view: ScenarioView, width: number): readonly string[] {
  const [first, ...others] = view.nested;
  const blocks = [
    ...verdictBlocks(view),
    ...view.native.map(({ name }) => nativeBlock(view, name)),
    tlbisBlock(view),
    ...(first ? [withRefaults(view, first.name)] : []),
    ...others.map(({ name }) => nestedBlock(view, name)),
  ];
  const policyWidth = Math.max(...view.policies.map((name) => name.length), "policy".length);
  const tables: Block[][] = [];
  let room = 0;
  for (const block of blocks) {
    const needs = blockWidth(block, view.policies);
    if (tables.length === 0 || needs > room) {
      tables.push([]);
      room = width - policyWidth - (unsoundPolicies(view).length > 0 ? UNSAFE.length : 0);
    }
    tables[tables.length - 1]!.push(block);
    room -= needs;
  }
  return tables.map((columns) => blockTable(columns, view.policies, width));
}

function blockTable(blocks: readonly Block[], policies: readonly string[], width: number): string {
  const columns = blocks.flatMap((block) => block.columns);
  return textTable(
    ["policy", ...columns.map((column) => column.head)],
    policies.map((policy) => [policy, ...columns.map((column) => column.cell(policy))]),
    {
      width,
      align: ["left", ...columns.map(({ left }) => (left ? ("left" as const) : ("right" as const)))],
      hanging: UNSAFE,
      over: [
        { text: "", columns: 1 },
        ...blocks.map(({ title, columns: { length } }) => ({ text: title, columns: length })),
      ],
    },
  );
}

/** Characters a block takes, the gaps before its columns included. */
function blockWidth({ title, columns }: Block, policies: readonly string[]): number {
  const widths = columns.map(({ head, cell }) =>
    Math.max(head.length, ...policies.map((policy) => cell(policy).replace(UNSAFE, "").length)),
  );
  return Math.max(
    widths.reduce((sum, w) => sum + w + 2, 0),
    title.length + 2,
  );
}

/** Is it safe? One column, or one for each CPU where the hosts have several. */
function verdictBlocks(view: ScenarioView): readonly Block[] {
  if (!isProved(view)) return [];
  const cpus = cpusOf(view);
  const columns = cpus.map((cpu, i) => ({
    head: cpus.length === 1 ? "verdict" : cpu,
    left: true,
    cell: (policy: string) => verdictWord(verdictsOf(view, policy)[i]),
  }));
  return [{ title: cpus.length === 1 ? "" : "verdict on", columns }];
}

function verdictWord(row: CompareRow | undefined): string {
  if (row?.verdict === undefined) return ABSENT;
  return row.verdict === "unsound" ? "UNSOUND" : row.verdict;
}

/** Which policies are unsound, for what, and where the story is told. */
function unsoundLines(view: ScenarioView): readonly string[] {
  const [first] = unsoundPolicies(view);
  if (!first) return [];
  return [
    `${unsoundSentence(view)} ${UNSAFE} marks the price of an unsound policy; how it fails: shootdown prove ${first.policy}`,
  ];
}

const nativeBlock = (view: ScenarioView, host: string): Block => ({
  title: "",
  columns: [{ head: host, cell: (policy) => price(view.row(policy, host)) }],
});

const nestedBlock = (view: ScenarioView, host: string): Block => ({
  title: host,
  columns: view.ipaBits.map((bits) => ({
    head: `${bits} bits`,
    cell: (policy) => price(view.row(policy, host, bits)),
  })),
});

/** What Xen executes is the same on every host. */
function tlbisBlock(view: ScenarioView): Block {
  const any = rowOf(view);
  return { title: "", columns: [{ head: "TLBIs", cell: (policy) => counted(any(policy), (row) => total(row.tlbi)) }] };
}

/** A nested host with the refaults at its largest IPA size. */
function withRefaults(view: ScenarioView, host: string): Block {
  const { title, columns } = nestedBlock(view, host);
  const refaults: Column = {
    head: "refaults",
    cell: (policy) => counted(view.row(policy, host), (row) => row.refaults),
  };
  return { title, columns: [...columns, refaults] };
}

/** A row of a policy on whichever host has one: what Xen executes does not depend on the host. */
const rowOf =
  (view: ScenarioView) =>
  (policy: string): CompareRow | undefined =>
    [...view.nested, ...view.native].map(({ name }) => view.row(policy, name)).find((row) => row !== undefined);

const price = (row: CompareRow | undefined): string =>
  row ? duration(row.microseconds) + (row.verdict === "unsound" ? UNSAFE : "") : ABSENT;
const counted = (row: CompareRow | undefined, of: (row: CompareRow) => number): string =>
  row ? count(of(row)) : ABSENT;

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
  const head = [view.nested.length > 0 ? `range at ${bits} bits` : "range", "widest, as factors", example!];
  return textTable(head, rows, { width, align: ["left", "right", "right"] });
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

const indented = (text: string): string => text.replaceAll(/^(?=.)/gm, "  ");

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

function notesText({ notes, proof }: CompareResult, width: number): string {
  const all = [
    `Prices are simulated time, not measurements: TLB maintenance and the refaults that it causes. A range has every elementary price at its low and at its high end; the widest of all policies is given as factors of the price.`,
    proof
      ? "Verdicts are for the occasions that a scenario has: sound = no CPU of that profile can go on using a stale translation, whatever the architecture lets it hold. shootdown prove tells how an unsound policy fails, and what a verdict assumes."
      : "Cheap is not safe: a price says nothing about whether a policy leaves stale translations behind.",
    ...notes,
  ];
  return `Notes\n${all.map((note) => wrapped(`- ${note}`, width, "  ")).join("")}`;
}

/** Predictions against measurements: a line with the name of each, a line with its figures; empty without checks. */
function checksText(checks: readonly Check[], width: number): string {
  if (checks.length === 0) return "";
  const [head, ...figures] = textTable(
    ["check", "predicted (range)", "measured"],
    checks.map((check) => [`  ${verdict(check)}`, predicted(check), measured(check)]),
    { width, align: ["left", "right", "right"] },
  )
    .trimEnd()
    .split("\n");
  const parts = checks.map((check, i) => `${wrapped(check.name, width, "  ")}${figures[i]}\n`);
  const calibrated = checks.some((check) => check.calibration)
    ? "Calibration: a price was derived from this very measurement, so that agreeing is no check. "
    : "";
  const rest = "The report and --json have the rule and the source of each.";
  return `${head}\n${parts.join("")}${wrapped(calibrated + rest, width)}`;
}

export const predicted = (check: Check, between?: string): string =>
  quantityIn(check.predicted, check.predictedRange, check.unit, between);

export const measured = ({ measuredLow, measuredHigh, unit }: Check, between?: string): string =>
  quantityRange(measuredLow, measuredHigh, unit, between);

/** A calibrated price says nothing by agreeing. */
export function verdict(check: Check): "calibration" | "agrees" | "DIFFERS" {
  if (check.calibration) return "calibration";
  return check.agrees ? "agrees" : "DIFFERS";
}
