/** What a search found: prices, the certificate, and what is sound, as tables and sentences. */
import { GRANULE_NAME } from "../arch/index.js";
import type { Beside, Priced, Synthesis } from "../jobs/index.js";
import { proofsOf, wordsOf } from "../synth/index.js";
import { count, duration } from "./format.js";
import { SIMULATED } from "./price-view.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";

/** A search on one CPU beside the search on all of them. */
export interface Alone {
  readonly cpu: string;
  readonly found: Synthesis;
}

type Row = Pick<Priced, "length" | "rows"> & { readonly what: string; readonly verdict?: string };

const priceColumns = ({ priced, beside }: Synthesis): ColumnOf<Row>[] => {
  const hosts = [...new Set([...priced, ...beside].flatMap(({ rows }) => rows.map(({ host }) => host)))];
  return hosts.map((host) => ({
    ...{ head: host, kind: "time", key: host.replaceAll(/[^a-z0-9]+/g, "_") },
    of: ({ rows }: Row) => rows.find((row) => row.host === host)?.microseconds ?? null,
  }));
};

/** The cheapest, and what they are better than. */
export const pricesTable = (found: Synthesis, list: readonly Priced[]): Table =>
  tableOf<Row>(
    [
      { head: "length", kind: "count", of: (row) => row.length },
      ...priceColumns(found),
      { head: "sequence", kind: "words", of: (row) => row.what },
    ],
    list.map(({ length, rows, words }) => ({ length, rows, what: words })),
  );

/** Known policies on the same occasion. */
export const besideTable = (found: Synthesis): Table =>
  tableOf<Row>(
    [
      { head: "length", kind: "count", of: (row) => row.length },
      ...priceColumns(found),
      { head: "policy", kind: "words", of: (row) => row.what },
      {
        head: "verdict",
        kind: "words",
        of: (row) => row.verdict ?? null,
        tone: ({ verdict }) => (verdict === "unsound" ? "bad" : undefined),
      },
    ],
    found.beside.map(({ policy, verdict, length, rows }: Beside) => ({
      ...{ length, rows, what: policy },
      verdict: verdict === "unsound" ? "UNSOUND" : verdict,
    })),
  );

/** How many fell to which scenario. */
export const certificateTable = ({ tally, space }: Synthesis): Table => {
  const rows = Object.entries(tally.refuted).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const several = space.cpus.length > 1;
  return tableOf<readonly [string, number]>(
    [
      { head: "sequences", kind: "count", of: ([, n]) => n },
      { head: "fail in", kind: "words", of: ([by]) => by.split(" ")[2]! },
      ...(several
        ? [{ head: "on", kind: "words", of: ([by]: readonly [string, number]) => by.split(" ")[1]! } as const]
        : []),
    ],
    rows,
  );
};

/** What was searched. */
export function spaceSentence({ space, size }: Synthesis): string {
  const { length, instructions, occasion, cpus, base } = space;
  return `Searched for ${occasion} on ${cpus.map(({ name }) => name).join(", ")}: every sequence of up to ${length} of ${instructions.length} instructions, with the owner's VMID in VTTBR_EL2 around it and without, ${count(size)} in all; everything else as ${base.name}${granuleWords(space.setting)}. Held against ${proofsOf(occasion).join(" and ")} of \`prove\`.`;
}

/** Behind a sentence: the granule of the tables, where it is not the usual one. */
export const granuleWords = ({ granule = 12 }: Synthesis["space"]["setting"]): string =>
  granule === 12 ? "" : `; all tables have the ${GRANULE_NAME[granule]} granule`;

/** What prices are of, where verdicts are of tables of another granule. */
export const pricedGranule = ({ granule = 12 }: Synthesis["space"]["setting"]): readonly string[] =>
  granule === 12 ? [] : [`Prices are of tables of ${GRANULE_NAME[12]}: no others are simulated.`];

/** What became of them. The word "cheapest" is for a search that left nothing open. */
export function certificateSentence({ tally, size, seconds, front }: Synthesis): string {
  const refuted = Object.values(tally.refuted).reduce((n, one) => n + one, 0);
  const open = tally.unknown === 0 ? "none is undecided" : `${count(tally.unknown)} are undecided`;
  const work = `${count(tally.judged)} policies judged, ${count(tally.scenarios)} scenarios decided, in ${duration(seconds * 1e6)}${seconds > 0 ? ` (${count(Math.round(size / seconds))} sequences a second)` : ""}`;
  const none = front.length === 0 ? " No sequence of the space is sound." : "";
  return `${count(tally.sound)} are sound, ${count(refuted)} fail, ${open}: ${work}.${none}`;
}

/** What is said of prices. */
export const priceNotes = ({ tally, priced, space }: Synthesis): readonly string[] => [
  tally.unknown === 0
    ? "Nothing that is sound in this space is cheaper: prices were taken of all sound sequences but those that one more instruction makes of others, which makes none cheaper."
    : "Some are undecided, so that a sound one among them may cost less.",
  `${count(priced.length)} sound sequences were priced. ${SIMULATED}`,
  ...pricedGranule(space.setting),
  ...(space.cpus.length > 1 ? ["A sequence must be sound on all of these CPUs, and uses what all of them have."] : []),
];

/** Undecided sequences, by name. */
export const undecidedLines = ({ tally, space }: Synthesis): readonly string[] =>
  tally.undecided.map(
    ({ word, reason }) =>
      `${wordsOf({ owner: false, instructions: word.map((one) => space.instructions[one]!) })}: ${reason}`,
  );

/** Sound ones of which no weaker one is sound. */
export const weakestLines = ({ weakest }: Synthesis): readonly string[] => weakest.map(wordsOf);

/** The front, and as many of the cheapest as asked for. */
export const shownOf = ({ front, priced }: Synthesis, top: number): readonly Priced[] => [
  ...new Set([...front, ...priced.slice(0, top)]),
];
