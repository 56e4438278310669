/** The answer of a comparison: at each place the cheapest policy that is sound, and what it saves against the one of today. */
import type { CompareResult, CompareRow } from "../compare/index.js";
import { count, duration, factor, list } from "./format.js";
import type { Titled } from "./markdown.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";
import { grouped, isProved, type ScenarioView, scenarioViews, UNSAFE } from "./view.js";

/** What others are held against, where it is among the policies; else the first of them. */
const TODAY = "xen-today";

/** A price in microseconds of simulated time, and the same with every elementary price at its low and at its high end. */
interface Price {
  readonly microseconds: number;
  readonly microsecondsRange: readonly [number, number];
}

/** The answer for a scenario on a host at an IPA size. */
export interface Answer {
  readonly scenario: string;
  readonly host: string;
  /** null where it changes nothing */
  readonly ipaBits: number | null;
  /** the sound policies that cost least, to three digits; empty where no policy is known to be sound */
  readonly cheapest: readonly string[];
  readonly price: Price | null;
  /** sound policies that cost less than those where every elementary price is at its low, or at its high end */
  readonly contested: readonly string[];
  /** what it is held against */
  readonly against: { readonly policy: string; readonly verdict: string | null; readonly price: Price };
  /** by how much less; null where nothing is left, or there is no price */
  readonly timesLess: number | null;
  readonly timesLessRange: readonly [number, number] | null;
  /** how many policies are unsound there, and of how many nobody knows */
  readonly unsound: number;
  readonly unknown: number;
}

/** One for each scenario, host and IPA size; empty where nobody asked whether the policies are sound. */
export const answersOf = (result: CompareResult): readonly Answer[] =>
  scenarioViews(result)
    .filter(isProved)
    .flatMap((view) => [
      ...view.native.flatMap(({ name }) => answerAt(view, name, null)),
      ...view.nested.flatMap(({ name }) => view.ipaBits.flatMap((bits) => answerAt(view, name, bits))),
    ]);

function answerAt(view: ScenarioView, host: string, ipaBits: number | null): readonly Answer[] {
  const rows = view.policies.flatMap((policy) => view.row(policy, host, ipaBits ?? undefined) ?? []);
  const against = rows.find(({ policy }) => policy === TODAY) ?? rows[0];
  if (against === undefined) return [];
  const sound = rows.filter(({ verdict }) => verdict === "sound");
  const cheapest = lowest(sound, (row) => row.microseconds);
  const [first] = cheapest;
  const atEnds = [0, 1].flatMap((end) => lowest(sound, (row) => row.microsecondsRange[end]!));
  const contested = first === undefined ? [] : atEnds.filter((row) => !cheapest.includes(row) && beats(row, cheapest));
  return [
    {
      ...{ scenario: view.scenario.name, host, ipaBits },
      cheapest: cheapest.map(({ policy }) => policy),
      price: first ? priceOf(first) : null,
      contested: [...new Set(contested.map(({ policy }) => policy))],
      against: { policy: against.policy, verdict: against.verdict ?? null, price: priceOf(against) },
      ...savings(first, against),
      unsound: rows.filter(({ verdict }) => verdict === "unsound").length,
      unknown: rows.filter(({ verdict }) => verdict === "unknown").length,
    },
  ];
}

const priceOf = ({ microseconds, microsecondsRange }: CompareRow): Price => ({ microseconds, microsecondsRange });

/** The rows with the lowest figure, as it is shown. */
function lowest(rows: readonly CompareRow[], of: (row: CompareRow) => number): readonly CompareRow[] {
  const least = duration(Math.min(...rows.map(of)));
  return rows.filter((row) => duration(of(row)) === least);
}

/** True where a row costs less than each of the others at one end of its range. */
const beats = (row: CompareRow, others: readonly CompareRow[]): boolean =>
  [0, 1].some((end) => others.every((other) => row.microsecondsRange[end]! < other.microsecondsRange[end]!));

function savings(row: CompareRow | undefined, today: CompareRow): Pick<Answer, "timesLess" | "timesLessRange"> {
  if (row === undefined) return { timesLess: null, timesLessRange: null };
  const times = (from: number, to: number): number => (from === to ? 1 : from / to);
  const ends = [0, 1].map((end) => times(today.microsecondsRange[end]!, row.microsecondsRange[end]!));
  const timesLess = times(today.microseconds, row.microseconds);
  const [low, high] = [Math.min(timesLess, ...ends), Math.max(timesLess, ...ends)];
  return Number.isFinite(timesLess + high)
    ? { timesLess, timesLessRange: [low, high] }
    : { timesLess: null, timesLessRange: null };
}

/** Answers that read alike at several IPA sizes. */
type Alike = readonly Answer[];

/** Hangs on a price whose policy is not the cheapest over the whole range. */
const CONTESTED = "~";

/** Columns of the answers; `today` is the policy that they are held against. */
const columnsFor = (today: string) =>
  ({
    scenario: { head: "scenario", kind: "words", once: true, of: ([first]) => first!.scenario },
    host: { head: "host", kind: "words", once: true, of: ([first]) => first!.host },
    bits: {
      ...{ head: "IPA bits", kind: "words", right: true },
      of: (alike) => (alike[0]!.ipaBits === null ? null : alike.map(({ ipaBits }) => ipaBits).join("/")),
      text: (alike) => alike.map(({ ipaBits }) => ipaBits ?? "any").join("/"),
    },
    today: {
      ...{ head: today, kind: "time" },
      of: ([first]) => first!.against.price.microseconds,
      mark: ([first]) => (first!.against.verdict === "unsound" ? UNSAFE : ""),
    },
    cheapest: {
      ...{ head: "cheapest", kind: "time" },
      of: ([first]) => first!.price?.microseconds ?? null,
      mark: ([first]) => (first!.contested.length > 0 ? CONTESTED : ""),
    },
    times: {
      head: "times less",
      kind: "factor",
      of: ([first]) => first!.timesLess,
      text: ([first]) => timesLess(first!),
    },
    range: { head: "range", kind: "factors", of: ([first]) => first!.timesLessRange },
    under: {
      ...{ head: "under", kind: "words" },
      of: ([first]) => first!.cheapest.join(", "),
      text: ([first]) => namesInShort(first!.cheapest),
      tone: () => "good",
    },
  }) satisfies Record<string, ColumnOf<Alike>>;

/** What is shown, by the room that there is. */
const SHOWN = {
  wide: ["scenario", "host", "bits", "today", "cheapest", "times", "range", "under"],
  narrow: ["host", "bits", "today", "cheapest", "times", "under"],
  least: ["host", "bits", "cheapest", "times", "under"],
} as const;
type Room = keyof typeof SHOWN;

/** The answers for people: those that read alike share a row. */
function tableFor(all: readonly Answer[], room: Room): Table {
  const answers = all.filter(({ price }) => price !== null);
  const known = columnsFor(list(heldAgainst(answers)));
  const columns = SHOWN[room].map((key): ColumnOf<Alike> => known[key]);
  const alike = grouped(answers, (answer) =>
    JSON.stringify([answer.scenario, tableOf(columns, [[{ ...answer, ipaBits: null }]]).rows]),
  );
  return tableOf(
    columns,
    alike.map(({ names }) => names),
  );
}

const heldAgainst = (answers: readonly Answer[]): string[] => [
  ...new Set(answers.map(({ against }) => against.policy)),
];

const timesLess = ({ timesLess: times }: Answer): string => (times === null ? "all of it" : factor(times));

/** So many names are said in full. */
const NAMED = 2;
const namesInShort = (names: readonly string[]): string =>
  names.length > NAMED ? `${names[0]} (+${names.length - 1})` : names.join(", ");

/** All answers in one table. */
export const answerTable = (answers: readonly Answer[]): Table => tableFor(answers, "wide");

/** The answers of each scenario, for who has less room; "least": without the price that they are held against. */
export const answerTables = (answers: readonly Answer[], room: Exclude<Room, "wide">): readonly Titled[] =>
  [...new Set(answers.filter(({ price }) => price !== null).map(({ scenario }) => scenario))].map((scenario) => ({
    title: scenario,
    table: tableFor(
      answers.filter((answer) => answer.scenario === scenario),
      room,
    ),
    below: [],
  }));

/** What stands over the answers. */
export function answerTitle(answers: readonly Answer[]): string {
  return `The answer: the cheapest policy that is sound, and how many times less it costs than ${list(heldAgainst(answers))}`;
}

/** What must be known to read the answers. */
export function answerNotes(result: CompareResult, answers: readonly Answer[]): readonly string[] {
  if (result.proof === undefined)
    return [
      "No answer: nobody asked which policies are sound, and cheap is not safe. A policy may be cheap because it leaves out a flush that is needed.",
    ];
  const contested = answers.filter((answer) => answer.contested.length > 0);
  const others = [...new Set(contested.flatMap((answer) => answer.contested))];
  return [
    ...(contested.length > 0
      ? [
          `${CONTESTED} The range decides: with every elementary price at its low or at its high end, ${list(others)} ${others.length === 1 ? "costs" : "cost"} less.`,
        ]
      : []),
    ...(answers.some(({ against }) => against.verdict === "unsound")
      ? [`${UNSAFE} What is saved is counted from a policy that is unsound.`]
      : []),
    ...manyNames(answers),
    ...noneSound(answers),
  ];
}

/** Who costs the same, to three digits, where it is too many to be named in place. */
function manyNames(answers: readonly Answer[]): readonly string[] {
  const many = grouped(
    answers.filter(({ cheapest }) => cheapest.length > NAMED),
    ({ cheapest }) => JSON.stringify(cheapest),
  );
  return many.map(
    ({ names: [first] }) =>
      `${namesInShort(first!.cheapest)}: ${list(first!.cheapest.slice(1))} cost the same, to three digits.`,
  );
}

/** Where no policy is known to be sound, and why. */
function noneSound(answers: readonly Answer[]): readonly string[] {
  const groups = grouped(
    answers.filter(({ price }) => price === null),
    ({ scenario, unsound, unknown }) => JSON.stringify([scenario, unsound, unknown]),
  );
  return groups.map(({ names: [first, ...rest] }) => {
    const { scenario, unsound, unknown } = first!;
    const hosts = [...new Set([first!, ...rest].map(({ host }) => host))];
    const parts = [unsound > 0 ? `${count(unsound)} unsound` : "", unknown > 0 ? `${count(unknown)} unknown` : ""];
    return `${scenario}: no policy is known to be sound (${parts.filter((part) => part !== "").join(", ")}) on ${list(hosts)}.`;
  });
}

/** How many predictions agree with measurements; "" without any. */
export function checksSentence({ checks }: CompareResult): string {
  const real = checks.filter((check) => !check.calibration);
  if (real.length === 0) return "";
  const differing = real.filter((check) => !check.agrees).map((check) => check.name);
  const calibrated = checks.length - real.length;
  const agreeing = `${count(real.length - differing.length)} of ${count(real.length)} predictions agree with what others measured`;
  const but = differing.length > 0 ? `; these do not: ${list(differing)}` : "";
  const rest =
    calibrated > 0 ? ` Not counted: what a price was calibrated on (${count(calibrated)}), which is no check.` : "";
  return `${agreeing}${but}.${rest}`;
}
