/** What `shootdown diff` prints: what differs between two traces, phase by phase, and what that is worth on each host. */
import {
  type CallerChange,
  type Change,
  type ComparedTrace,
  type HalfPhase,
  inBoth,
  isChanged,
  isNestedRow,
  type PhaseDifference,
  type PriceChange,
  type PricedCounts,
  TOTAL,
  type TraceDifference,
} from "../../compare/index.js";
import { callPath, capital, count, list, NO_BREAK, signed, tally } from "../format.js";
import { byHost, hostColumns } from "../host-columns.js";
import { hostChangesTable } from "../host-work-view.js";
import { integrityWords } from "../integrity.js";
import { labelledCounts, phaseTitle } from "../labels.js";
import { type ColumnOf, right, tableOf, wordTable } from "../table.js";
import { guestlessText } from "./no-shadow.js";
import { recordingText } from "./recording.js";
import { fits, indented, tableText, warningText, wrapped } from "./text.js";

/**
 * The difference as text for a terminal of `width` columns (80 or more read well). What is equal in both traces is summed
 * up, or with `all` shown like the rest. Ends with a newline.
 */
export function differenceText(difference: TraceDifference, width: number, all = false): string {
  const { identical, phases, prices } = difference;
  const sections = [headText(difference, width)];
  if (identical) sections.push(wrapped("The two traces are the same, event for event.", width));
  const names = Object.keys(phases);
  const changed = names.filter((name) => isChanged(phases[name]!));
  if (!identical && changed.length === 0) sections.push(wrapped(nothingCounted(difference), width));
  for (const name of all ? names : changed) {
    const phase = phases[name]!;
    sections.push(inBoth(phase) ? phaseText(name, phase, width, all) : halfText(name, phase, difference, width));
  }
  const unchanged = names.filter((name) => !changed.includes(name));
  if (!all && changed.length > 0 && unchanged.length > 0)
    sections.push(wrapped(`Unchanged: ${list(unchanged.map(phaseTitle))}.`, width));
  if (!identical || all) sections.push(pricesText(prices, width, all));
  sections.push(hostText(difference, width, all));
  for (const { trace, noShadow, vmidsRun } of identical ? [difference.before] : [difference.before, difference.after])
    sections.push(guestlessText(noShadow, vmidsRun, width, trace));
  return sections.filter((section) => section !== "").join("\n");
}

/** What the hosts did, where both traces were counted on one: two kernels of it, or two Xens. */
function hostText({ host }: TraceDifference, width: number, all: boolean): string {
  const rows = hostChangesTable(host, all);
  if (rows.rows.length === 0) return "";
  return `${wrapped("What the host did, counted, in instructions of its kernel; an exit is what lies between TLBIs:", width)}${tableText(rows, width)}`;
}

/** Traces that differ, though no count of the phases at hand does. */
function nothingCounted({ before, after, phases }: TraceDifference): string {
  const names = Object.keys(phases);
  const events = (side: "before" | "after"): number =>
    names.reduce((sum, name) => sum + (phases[name]!.events[side] ?? 0), 0);
  const whole = events("before") === before.events && events("after") === after.events;
  const where = whole ? "" : ` in ${list(names.map(phaseTitle))}`;
  const what = `Nothing that is counted differs${where}: TLBIs by call path and VMID, hypercalls, descriptor writes, barriers, accesses.`;
  return whole ? `${what} The events themselves do: in order, address, operand or pCPU.` : what;
}

function headText({ before, after, otherBuild }: TraceDifference, width: number): string {
  const line = (side: string, { trace, events, producer, integrity, recording }: ComparedTrace): string => {
    const more = [integrityWords(integrity), producer && `made by: ${producer}`].filter((words) => words !== "");
    const head = wrapped(
      [`${side} ${trace}: ${count(events)}${NO_BREAK}events`, ...more].join(", "),
      width,
      "        ",
    );
    return head + (recording === null ? "" : indented(recordingText(recording, width - 2)));
  };
  const of = ({ trace, warnings }: ComparedTrace): string =>
    warningText(
      warnings.map((sentence) => `${trace}: ${sentence}`),
      width,
    );
  const advice = otherBuild
    ? "One of the two Xens is your own build and the other is not: what differs may be the build, not your change. Capture your own build without the change first, and compare with that."
    : "";
  return (
    of(before) +
    of(after) +
    `${line(`before:${NO_BREAK}`, before)}${line(`after:${NO_BREAK}${NO_BREAK}`, after)}${advice && wrapped(advice, width)}`
  );
}

const changedOnly = (of: Change): boolean => of.difference !== 0;
const figures = ({ before, after, difference }: Change): string[] => [count(before), count(after), signed(difference)];

/** A phase that one trace does not have: was it left out, or did it never begin? */
function halfText(name: string, { events }: HalfPhase, { before, after }: TraceDifference, width: number): string {
  const [side, other, n] =
    events.before === null
      ? (["before", "after", events.after] as const)
      : (["after", "before", events.before] as const);
  const { recording } = side === "before" ? before : after;
  const leftOut = recording?.leftOut?.includes(name) === true;
  const why = leftOut ? `not recorded ${side} (it was left out of the capture)` : `not in the trace ${side}`;
  return wrapped(`${capital(phaseTitle(name))}: ${why}; ${count(n ?? 0)}${NO_BREAK}events ${other}`, width);
}

function phaseText(name: string, phase: PhaseDifference, width: number, all: boolean): string {
  const { before, after } = phase.events;
  const title = wrapped(
    `${capital(phaseTitle(name))}: ${count(before)}${NO_BREAK}events before, ${count(after)}${NO_BREAK}after`,
    width,
  );
  const parts = [tlbiText(phase, width - 2, all), countsText(phase, width - 2, all)].filter((part) => part !== "");
  return [title, ...parts.map(indented)].join("\n");
}

/** TLBIs: in all by name, then call path by call path, each with what it issues. */
function tlbiText(phase: PhaseDifference, width: number, all: boolean): string {
  const keep = (of: Change): boolean => all || changedOnly(of);
  const rows = phase.byCaller.filter(keep);
  // Also a total that stays the same, where it is other call paths that issue it.
  const inAll = Object.entries(phase.tlbi)
    .filter(([op]) => rows.some((row) => row.op === op))
    .sort(([, a], [, b]) => Math.abs(b.difference) - Math.abs(a.difference));
  const hidden = phase.byCaller.filter((row) => !keep(row));
  const callers = [...new Set(rows.map((row) => row.caller))];
  const groups = [
    { title: "in all", rows: inAll.map(([op, of]) => [`  ${op}`, "", ...figures(of)]) },
    ...callers.map((caller) => ({
      title: callPath(caller),
      rows: rows.filter((row) => row.caller === caller).map(callerRow),
    })),
  ].filter((group) => group.rows.length > 0);
  const rest = hidden.length > 0 ? wrapped(unchangedRows(hidden), width, "    ") : "";
  if (groups.length === 0) return rest;
  const table = wordTable(
    ["TLBI", ...["VMID", "before", "after", "difference"].map(right)],
    groups.flatMap((group) => group.rows),
  );
  const [head, ...lines] = tableText(table, width).split("\n");
  const texts = groups.map((group) => {
    const own = lines.splice(0, group.rows.length).map((line) => `${line}\n`);
    return wrapped(group.title, width, "    ") + own.join("");
  });
  return `${head}\n${texts.join("")}${rest}`;
}

const callerRow = (row: CallerChange): string[] => [`  ${row.op}`, String(row.vmid), ...figures(row)];

function unchangedRows(rows: readonly CallerChange[]): string {
  const tlbis = rows.reduce((sum, row) => sum + row.before, 0);
  const callers = [...new Set(rows.map((row) => row.caller))];
  const by = callers.length === 1 ? callPath(callers[0]!) : `${count(callers.length)} call paths (--all shows them)`;
  return `unchanged: ${count(tlbis)}${NO_BREAK}${tlbis === 1 ? "TLBI" : "TLBIs"} by ${by}`;
}

/** Hypercalls, writes and the rest of what is counted. */
function countsText(phase: PhaseDifference, width: number, all: boolean): string {
  const counts = labelledCounts<Change>(phase).filter(([, of]) => of.before > 0 || of.after > 0);
  const rows = counts.filter(([, of]) => all || changedOnly(of));
  const hidden = counts.filter((row) => !rows.includes(row)).map(([label, of]) => [label, of.before] as const);
  const table =
    rows.length === 0
      ? ""
      : tableText(
          wordTable(
            ["", ...["before", "after", "difference"].map(right)],
            rows.map(([label, of]) => [label, ...figures(of)]),
          ),
          width,
        );
  const whole = (text: string): string =>
    text
      .split(", ")
      .map((item) => item.replaceAll(" ", NO_BREAK))
      .join(", ");
  return hidden.length === 0
    ? table
    : `${table}${wrapped(`unchanged: ${whole(tally(Object.fromEntries(hidden)))}`, width, "    ")}`;
}

/** A price in both traces. */
type PricePair = PriceChange & { readonly before: PricedCounts; readonly after: PricedCounts };
const isPair = (row: PriceChange): row is PricePair => row.before !== null && row.after !== null;
const isNested = (row: PricePair): boolean => isNestedRow(row.before);
const costsDiffer = (row: PricePair): boolean => row.before.microseconds !== row.after.microseconds;

function pricesText(prices: readonly PriceChange[], width: number, all: boolean): string {
  if (prices.length === 0) return "";
  const hosts = list([...new Set(prices.map((row) => row.host))]);
  const rows = byHost(prices.filter(isPair), isNested).filter((row) => all || costsDiffer(row));
  if (rows.length === 0) return wrapped(`No price differs: ${hosts}.`, width);
  const table = (...more: readonly ColumnOf<PricePair>[]): string =>
    tableText(tableOf([...hostColumns<PricePair>(isNested), ...PRICES, ...more], rows), width);
  const full = table(RANGE);
  const isWhole = fits(full, width);
  const notes = [
    ...(prices.every(isPair) || !prices.some(({ phase }) => phase === TOTAL)
      ? []
      : ["The total is of all that each trace holds: one of them has phases that the other has not."]),
    "Prices are simulated time, never measurements; factor is the one before divided by the one after.",
    ...(isWhole ? ["Range: the factor, with every elementary price anywhere in its range, the same for both."] : []),
  ];
  return `${isWhole ? full : table()}${notes.map((note) => wrapped(note, width)).join("")}`;
}

const PRICES: readonly ColumnOf<PricePair>[] = [
  { head: "before", kind: "time", of: (row) => row.before.microseconds },
  { head: "after", kind: "time", of: (row) => row.after.microseconds },
  { head: "factor", kind: "factor", of: (row) => row.factor },
];
const RANGE: ColumnOf<PricePair> = { head: "range", kind: "factors", of: (row) => row.factorRange };
