/** What a sweep found, arranged for reading: tables of its prices, curves, and where another policy becomes the cheapest. */
import type { Bar, CompareRow, Numbers, SweptKey, Tornado } from "../compare/index.js";
import { PRICED } from "./compare-tables.js";
import { count, duration, list } from "./format.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";
import { toneOf } from "./view.js";

/** A price of a sweep: of a comparison, or of a phase of a trace. */
interface SweptPrice
  extends Pick<CompareRow, "microseconds" | "microsecondsRange" | "parts" | "refaults" | "rest" | "host" | "ipaBits"> {
  readonly scenario?: string;
  readonly policy?: string;
  readonly phase?: string;
  readonly verdict?: CompareRow["verdict"];
  readonly set: Numbers;
}

/** What a sweep, or a tornado, found. */
export interface SweepFound<Row> {
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
}
export interface SweepResult extends SweepFound<SweptPrice> {
  readonly keys: readonly SweptKey[];
}
/** A price, and how far each elementary price moves it. */
export type TornadoPrice = Tornado<Omit<SweptPrice, "set">>;

/** Prices of which nothing but the swept numbers differ are sentences of their own. */
export const SWEPT =
  "Prices are simulated time, not measurements. A price that was set has no range: it is taken as known. Whole numbers are rounded.";
export const MOVED =
  "Each elementary price is moved alone through its range, all the others stay at their values. Prices are simulated time, not measurements.";

type Place = Omit<SweptPrice, "set">;

/** Where a price is: the columns before it. */
const PLACES: readonly (ColumnOf<Place> & { readonly in: keyof Place })[] = [
  { in: "scenario", head: "scenario", kind: "words", once: true, of: (row) => row.scenario ?? null },
  { in: "host", head: "host", kind: "words", once: true, of: (row) => row.host },
  { in: "rest", head: "bits", key: "ipa_bits", kind: "id", once: true, of: (row) => (row.rest === null ? null : row.ipaBits), text: (row) => (row.rest === null ? "any" : String(row.ipaBits)) }, // biome-ignore format: one row
  { in: "phase", head: "phase", kind: "words", once: true, of: (row) => row.phase ?? null },
  { in: "policy", head: "policy", kind: "words", once: true, of: (row) => row.policy ?? null },
];

const placesOf = (rows: readonly Place[]): ColumnOf<Place>[] =>
  PLACES.filter(({ in: part }) => rows.some((row) => row[part] !== undefined)).map(
    ({ in: _, ...column }) => column as ColumnOf<Place>,
  );

/** The number that a row has under a key; null where its scenario, policy or host has none. */
const setColumn = ({ key }: SweptKey): ColumnOf<SweptPrice> => ({
  ...{ head: key, key: key.replace(/\W+/g, "_"), kind: "id" },
  of: ({ set }) => set[key] ?? null,
  text: ({ set }) => (set[key] === undefined ? "-" : count(set[key])),
});

const verdictOf: ColumnOf<Pick<SweptPrice, "verdict">> = {
  ...{ head: "verdict", kind: "words" },
  of: (row) => row.verdict ?? null,
  text: ({ verdict }) => (verdict === "unsound" ? "UNSOUND" : (verdict ?? "-")),
  tone: (row) => toneOf(row.verdict),
};

/** What a table has beside the least: the parts of prices, and where each is, which else a {@link Section} says. */
interface Columns {
  readonly parts?: boolean;
  readonly places?: boolean;
}

const isSwept = (keys: readonly SweptKey[]): boolean => keys.some(({ key }) => key === "ipa-bits");

/** Rows of one scenario on one host at one IPA size, unless sizes were swept. */
interface Section<Row> {
  /** "create-domu on kvm-nested-7.2 at 48 bits" */
  readonly title: string;
  readonly rows: readonly Row[];
}

const titleOf = ({ scenario, host, rest, ipaBits }: Place, bits: boolean): string =>
  `${scenario === undefined ? "" : `${scenario} on `}${host}${rest === null || !bits ? "" : ` at ${ipaBits} bits`}`;

/** The same rows, cut where a table with fewer columns can say it. */
export function sections<Row extends Place>(rows: readonly Row[], keys: readonly SweptKey[] = []): Section<Row>[] {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const title = titleOf(row, !isSwept(keys));
    const own = found.get(title);
    if (own) own.push(row);
    else found.set(title, [row]);
  }
  return [...found].map(([title, own]) => ({ title, rows: own }));
}

const placesAsked = (rows: readonly Place[], asked: boolean): ColumnOf<Place>[] =>
  placesOf(rows).filter(({ head }) => asked || head === "phase" || head === "policy");

/** A row for each price. IPA sizes that were swept have their own column, as other keys do. */
export function sweepTable(
  { keys, rows }: SweepResult,
  { parts: all = false, places: asked = true }: Columns = {},
): Table {
  const places = placesAsked(rows, asked).filter(({ head }) => !(isSwept(keys) && head === "bits"));
  const proved = rows.some(({ verdict }) => verdict !== undefined);
  const priced = all ? PRICED : PRICED.slice(0, 2);
  return tableOf<SweptPrice>([...places, ...keys.map(setColumn), ...(proved ? [verdictOf] : []), ...priced], rows);
}

/** A row for each elementary price that moves a price at all; `least`: by at least that share of it. */
export function tornadoTable({ rows }: SweepFound<TornadoPrice>, least = 0, places = true): Table {
  const all = rows.flatMap((row) => {
    const bars = row.bars.filter(({ microseconds: [a, b] }) => Math.abs(b - a) >= least * row.microseconds);
    return bars.map((bar) => ({ ...row, bar }));
  });
  type Moved = Place & { readonly bar: Bar };
  return tableOf<Moved>(
    [
      ...placesAsked(rows, places),
      { head: "price", kind: "time", once: true, of: (row) => row.microseconds },
      { head: "elementary price", key: "elementary", kind: "words", of: ({ bar }) => bar.key },
      { head: "unit", kind: "words", of: ({ bar }) => bar.unit },
      { head: "from", key: "low", kind: "factor", of: ({ bar }) => bar.low },
      { head: "to", key: "high", kind: "factor", of: ({ bar }) => bar.high },
      { head: "price then", key: "moved", kind: "times", of: ({ bar }) => bar.microseconds },
    ],
    all,
  );
}

/** A line of a picture: prices of one policy (or phase) on the way of one key. */
interface Curve {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly row: SweptPrice }[];
  readonly unsound: boolean;
}

/** A picture: how prices go with one key, everything else fixed. */
export interface Picture {
  readonly key: SweptKey;
  /** what is fixed: "create-domu on kvm-nested-7.2 at 48 bits, lives = 2" */
  readonly of: string;
  readonly curves: readonly Curve[];
}

/** The pictures of a sweep, along the key with the most values; what does not have that key is a line as far as the others go. */
export function pictures({ keys, rows }: SweepResult): readonly Picture[] {
  const key = [...keys].sort((a, b) => b.values.length - a.values.length)[0];
  if (!key) return [];
  const others = keys.filter((other) => other !== key);
  const byPlace = new Map<string, Map<string, SweptPrice[]>>();
  for (const row of rows) {
    const fixed = others
      .filter(({ of, key: other }) => of !== "policy" && other !== "ipa-bits")
      .flatMap((other) => settingIn(row, other));
    const place = `${titleOf(row, key.key !== "ipa-bits")}${fixed.map((text) => `, ${text}`).join("")}`;
    const mine = others.filter(({ of }) => of === "policy").flatMap((other) => settingIn(row, other));
    const line = [row.policy ?? row.phase ?? "", ...mine].join(", ");
    const lines = byPlace.get(place) ?? new Map<string, SweptPrice[]>();
    byPlace.set(place, lines);
    lines.set(line, [...(lines.get(line) ?? []), row]);
  }
  return [...byPlace].map(([of, lines]) => ({
    key,
    of,
    curves: [...lines].map(([name, own]) => ({
      name,
      unsound: own.some(({ verdict }) => verdict === "unsound"),
      points: own
        .flatMap((row) => (row.set[key.key] === undefined ? key.values : [row.set[key.key]!]).map((x) => ({ x, row })))
        .sort((a, b) => a.x - b.x),
    })),
  }));
}

const settingIn = ({ set }: SweptPrice, { key }: SweptKey): string[] =>
  set[key] === undefined ? [] : [`${key} = ${count(set[key])}`];

/** From where on which policies are the cheapest. */
interface Reign {
  readonly names: readonly string[];
  readonly from: number;
  readonly to: number;
}

/** Where the cheapest changes along a picture, unsound ones apart; equally cheap ones reign together. */
function reigns({ curves }: Picture): readonly Reign[] {
  const able = curves.filter(({ unsound }) => !unsound);
  const xs = [...new Set(able.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const found: { names: string[]; from: number; to: number }[] = [];
  for (const x of xs) {
    const prices = able.flatMap(({ name, points }) => {
      const at = points.find((point) => point.x === x);
      return at ? [{ name, price: at.row.microseconds }] : [];
    });
    const least = Math.min(...prices.map(({ price }) => price));
    const names = prices.filter(({ price }) => price <= least * (1 + 1e-9)).map(({ name }) => name);
    const last = found.at(-1);
    if (last && last.names.join("\0") === names.join("\0")) last.to = x;
    else found.push({ names, from: x, to: x });
  }
  return found;
}

/** The same in a sentence; "" where nobody else could be the cheapest. */
export function reignSentence(picture: Picture): string {
  const { key, of, curves } = picture;
  const rivals = curves.filter(
    ({ unsound, points }) => !unsound && points.every(({ row }) => row.policy !== undefined),
  );
  if (curves.length === 1 && rivals.length === 1) return leastSentence(picture);
  if (rivals.length < 2) return "";
  const unit = key.unit === undefined || key.key.endsWith(key.unit) ? "" : ` ${key.unit}`;
  const parts = reigns(picture).map(({ names, from, to }) => {
    const where = from === to ? `at ${count(from)}` : `from ${count(from)} to ${count(to)}`;
    return `${list(names)} ${where}`;
  });
  const sound = curves.some(({ unsound }) => unsound) ? " that is not unsound" : "";
  return `${of}: the cheapest${sound} by ${key.key}${unit ? ` (${unit.trim()})` : ""} is ${parts.join("; ")}.`;
}

/** Where a policy that nothing is compared with costs least; "" where it costs the same everywhere. */
function leastSentence({ key, of, curves: [only] }: Picture): string {
  const { name, points } = only!;
  const prices = points.map(({ row }) => row.microseconds);
  const least = Math.min(...prices);
  if (prices.every((price) => price === least)) return "";
  const where = points.filter((_, i) => prices[i] === least).map(({ x }) => count(x));
  return `${of}: ${name} costs least, ${duration(least)}, at ${key.key} = ${list(where)}.`;
}
