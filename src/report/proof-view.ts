/** The sign-off of policies, arranged for reading: results that read alike on several CPUs once. */

import { usualCpus } from "../builtin/index.js";
import type { Made } from "../jobs/index.js";
import type { Proof, ProvedOccasion, SignOff } from "../prove/index.js";
import { count } from "./format.js";
import { madeSentences } from "./made.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";
import { grouped, toneOf } from "./view.js";

/** A policy on CPUs on which its verdicts are the same. */
interface VerdictRow {
  readonly policy: string;
  /** the results of each occasion, one for each CPU */
  readonly cells: readonly (readonly SignOff[])[];
  readonly cpus: readonly string[];
}

/** The occasions of a proof. */
const occasionsOf = ({ results }: Proof): readonly ProvedOccasion[] => [
  ...new Set(results.map(({ occasion }) => occasion)),
];

/** One row for each policy and each set of verdicts that it has. */
export function verdictRows(proof: Proof): readonly VerdictRow[] {
  const { results, policies, cpus } = proof;
  return policies.flatMap(({ name }) => {
    const alike = new Map<string, { cells: SignOff[][]; cpus: string[] }>();
    for (const cpu of cpus) {
      const own = results.filter((r) => r.policy === name && r.cpu === cpu.name);
      const key = own.map(verdictWord).join();
      const row = alike.get(key) ?? { cells: own.map(() => []), cpus: [] };
      alike.set(key, row);
      row.cpus.push(cpu.name);
      own.forEach((result, i) => {
        row.cells[i]!.push(result);
      });
    }
    return [...alike.values()].map((row) => ({ policy: name, ...row }));
  });
}

/** Occasions that have columns side by side; more are told in words. */
const MOST_COLUMNS = 6;

/** Each verdict, and the CPUs that it is for: occasions across, or in words where they are many. */
export const verdictTable = (proof: Proof): Table =>
  occasionsOf(proof).length > MOST_COLUMNS ? verdictList(proof) : verdictMatrix(proof);

/** A policy's verdict on CPUs, with all the occasions that it is the verdict for. */
interface ListedRow {
  readonly policy: string;
  readonly cpus: readonly string[];
  readonly results: readonly SignOff[];
}

function verdictList(proof: Proof): Table {
  const rows = verdictRows(proof).flatMap(({ policy, cells, cpus }) =>
    VERDICTS.flatMap((verdict): ListedRow[] => {
      const results = cells.flatMap(([first]) => (first!.verdict === verdict ? [first!] : []));
      return results.length === 0 ? [] : [{ policy, cpus, results }];
    }),
  );
  return tableOf<ListedRow>(
    [
      { head: "policy", kind: "words", once: true, of: (row) => row.policy },
      { head: "on", kind: "names", once: true, of: ({ cpus }) => (isEvery(cpus) ? ["every CPU"] : cpus) },
      {
        ...{ head: "verdict", kind: "words" },
        of: ({ results }) => verdictWord(results[0]!),
        tone: ({ results }) => toneOf(results[0]!.verdict),
      },
      { head: "occasions", kind: "words", of: ({ results }) => results.map(({ occasion }) => occasion).join(", ") },
    ],
    rows,
  );
}

/** In the order in which they are told. */
const VERDICTS = ["unsound", "unknown", "sound", "not-stated", "not-applicable"] as const;

/** Policies down, occasions across. */
export const verdictMatrix = (proof: Proof): Table =>
  tableOf<VerdictRow>(
    [
      { head: "policy", kind: "words", once: true, of: (row) => row.policy },
      ...occasionsOf(proof).map(
        (head, i): ColumnOf<VerdictRow> => ({
          ...{ head, kind: "words" },
          of: ({ cells }) => verdictWord(cells[i]![0]!),
          note: ({ cells }) => lookedNote(cells[i]!),
          tone: ({ cells }) => toneOf(cells[i]![0]!.verdict),
        }),
      ),
      { head: "on", kind: "words", of: ({ cpus }) => onWhich(cpus, proof) },
    ],
    verdictRows(proof),
  );

/** What a verdict looked at, on each CPU of its row. */
function lookedNote(results: readonly SignOff[]): string {
  const [first] = results;
  if (isClear(first!)) return "";
  if (first!.verdict === "unsound") return `${failsOf(results)} scenarios fail`;
  const of = (figure: (result: SignOff) => number, what: string): string => `${between(results.map(figure))} ${what}`;
  return [of((r) => r.scenarios, "scenarios"), of((r) => r.timelines, "timelines"), of((r) => r.states, "states")].join(
    ", ",
  );
}

/** All that was decided: a row for each policy, occasion and CPU. */
const proofTable = ({ results }: Proof): Table =>
  tableOf<SignOff>(
    [
      { head: "policy", kind: "words", of: (row) => row.policy },
      { head: "occasion", kind: "words", of: (row) => row.occasion },
      { head: "CPU", kind: "words", of: (row) => row.cpu },
      { head: "verdict", kind: "words", of: (row) => row.verdict },
      { head: "reason", kind: "words", of: (row) => row.breach?.sentence ?? row.reason ?? null },
      { head: "fails in", key: "failing_scenario", kind: "words", of: (row) => row.scenario?.name ?? null },
      { head: "failing scenarios", kind: "count", of: (row) => row.unsound?.length ?? 0 },
      { head: "scenarios", kind: "count", of: (row) => row.scenarios },
      { head: "timelines", kind: "count", of: (row) => row.timelines },
      { head: "states", kind: "count", of: (row) => row.states },
      { head: "time", kind: "time", of: (row) => row.milliseconds * 1000 },
    ],
    results,
  );

/** True where nothing was to be decided: the policy cannot run on the CPU, or does not say what it does. */
const isClear = ({ verdict }: Pick<SignOff, "verdict">): boolean =>
  verdict === "not-applicable" || verdict === "not-stated";

const WORDS: Readonly<Partial<Record<SignOff["verdict"], string>>> = {
  unsound: "UNSOUND",
  "not-applicable": "-",
  "not-stated": "not stated",
};

/** A verdict in a table: a dash where the policy cannot run on the CPU. */
export const verdictWord = ({ verdict, breach }: Pick<SignOff, "verdict" | "breach">): string =>
  breach ? "BREAKS-BBM" : (WORDS[verdict] ?? verdict);

const isEvery = (cpus: readonly string[]): boolean => usualCpus().every((name) => cpus.includes(name));

/** "every CPU" for the usual ones and all others that were asked for, or their names. */
export const onWhich = (cpus: readonly string[], asked: Pick<Proof, "cpus">): string =>
  [...usualCpus(), ...asked.cpus.map(({ name }) => name)].every((name) => cpus.includes(name))
    ? "every CPU"
    : cpus.join(", ");

/** What "every CPU" is, where it is said; else empty. */
export function everyCpu(proof: Proof): string {
  const names = proof.cpus.map(({ name }) => name);
  return onWhich(names, proof) === "every CPU"
    ? `Every CPU: each of the ${names.length} profiles, ${names.join(", ")}.`
    : "";
}

/** Of each erratum that was asked about, what it is, what is done about it, and which CPUs are not known to have it. */
export const erratumNotes = ({ errata = [] }: Proof): readonly string[] =>
  errata.map(({ erratum: { number, vendor, cpus, text, remedy, source, outside, symptoms }, supposed }) => {
    const whose =
      supposed.length === 0
        ? ""
        : ` Not known of ${supposed.join(", ")}: asked as if ${supposed.length === 1 ? "it" : "they"} had it.`;
    const said = outside === undefined ? `In the model: ${symptoms.join(", ")}.` : `Outside of the model: ${outside}.`;
    return `Erratum ${number} (${vendor}; ${cpus}): ${text}. ${said} Remedy: ${remedy}. (${source}.)${whose}`;
  });

/** What the verdicts looked at: how many scenarios of each occasion, on how many CPUs. */
export function lookedAt({ results, cpus }: Proof): string {
  const decided = results.filter((result) => !isClear(result));
  const kinds = grouped(decided, ({ occasion }) => occasion).map(
    ({ text, names }) => `${text} ${between(names.map(({ scenarios }) => scenarios))}`,
  );
  if (kinds.length === 0)
    return `Nothing was looked at: ${results.every(({ verdict }) => verdict === "not-applicable") ? "no CPU can run this" : "what is executed then is not stated"}.`;
  return `Each verdict looked at every scenario of its occasion, made from the policy's own code: ${kinds.join(", ")}; on ${cpus.length === 1 ? cpus[0]!.name : `each of ${count(cpus.length)} CPU profiles`}.`;
}

/** "54", or "52 to 54". */
const between = (numbers: readonly number[]): string => {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return low === high ? count(low) : `${count(low)} to ${count(high)}`;
};

/** "19 of 54", or "19 to 21 of 54" where CPUs differ: how many scenarios fail. */
export const failsOf = (results: readonly SignOff[]): string =>
  `${between(results.map(({ unsound = [] }) => unsound.length))} of ${between(results.map(({ scenarios }) => scenarios))}`;

/** Which policies do not say what they execute on an occasion, a sentence for each occasion. */
function notStatedOf({ results, policies }: Proof): readonly string[] {
  const not = results.filter(({ verdict }) => verdict === "not-stated");
  return grouped(not, ({ reason, occasion }) => `${occasion}: ${reason}`).map(({ names }) => {
    const [{ occasion, reason }] = names as [SignOff];
    const who = [...new Set(names.map(({ policy }) => policy))];
    const whose = who.length === policies.length && who.length > 1 ? "each of these policies" : who.join(", ");
    return `Not stated: ${occasion}. Of ${whose} it holds that it ${reason}.`;
  });
}

/** Why verdicts are unknown or not applicable, a sentence each; and what is not stated. */
export function reasonsOf(proof: Proof): readonly string[] {
  const { results } = proof;
  const byReason = new Map<string, SignOff[]>();
  for (const result of results)
    if (result.verdict === "unknown" || result.verdict === "not-applicable") {
      const key = `${result.policy}: ${result.reason}`;
      byReason.set(key, [...(byReason.get(key) ?? []), result]);
    }
  const reasons = [...byReason.values()].map((same) => {
    const cpus = [...new Set(same.map(({ cpu }) => cpu))].join(", ");
    return `${same[0]!.policy} on ${cpus}: ${same[0]!.reason}.`;
  });
  return [...reasons, ...bothWaysOf(proof.results), ...notStatedOf(proof)];
}

/** Which verdicts looked at a CPU both ways, as nobody says whether it has what the policy asks for. */
const bothWaysOf = (results: readonly SignOff[]): readonly string[] =>
  grouped(
    results.filter(({ bothWays }) => bothWays),
    ({ policy, bothWays }) => `${policy} asks for ${bothWays!.join(", ")}`,
  ).map(
    ({ text, names }) =>
      `${text}, which is unknown of ${[...new Set(names.map(({ cpu }) => cpu))].join(", ")}: with and without it was looked at, and the worse counts.`,
  );

/** A proof for who asks for CSV or for Markdown. */
export const proofForms = (proof: Proof, made: Made) => ({
  csv: () => proofTable(proof),
  markdown: () => verdictTable(proof),
  notes: [...erratumNotes(proof), lookedAt(proof), ...madeSentences(made)],
});

/**
 * What is not as `--expect sound` has it, a line for each policy: what cannot run anywhere is no fault, what is unknown is, and
 * what is not stated where nothing else was asked.
 */
export function unexpected(
  results: readonly Pick<SignOff, "policy" | "occasion" | "cpu" | "verdict">[],
): readonly string[] {
  const nothingElse = results.every(({ verdict }) => verdict === "not-stated");
  const not = results.filter(({ verdict }) => verdict === "unsound" || verdict === "unknown" || nothingElse);
  const asked = { cpus: [...new Set(results.map(({ cpu }) => cpu))].map((name) => ({ name, title: name })) };
  return grouped(not, ({ policy }) => policy).map(({ text, names }) => {
    const kinds = grouped(names, ({ verdict, occasion }) => `${verdict} for ${occasion}`);
    return `${text} is ${kinds
      .map(
        (kind) =>
          `${kind.text} on ${onWhich(
            kind.names.map(({ cpu }) => cpu),
            asked,
          )}`,
      )
      .join("; ")}`;
  });
}

/** A policy that is unsound for an occasion by one scenario's story; on several CPUs it goes alike. */
export interface Failure {
  /** the result of the first CPU, whose story is told */
  readonly result: SignOff;
  readonly results: readonly SignOff[];
  readonly cpus: readonly string[];
}

/** Unsound results, those that fail alike once: the same policy, occasion and scenario; CPUs differ in details only. */
export function failuresOf({ results }: Proof): readonly Failure[] {
  const groups = new Map<string, SignOff[]>();
  for (const result of results) {
    if (result.verdict !== "unsound") continue;
    const key = JSON.stringify([result.policy, result.occasion, result.scenario?.name]);
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups.values()].map((same) => ({
    result: same[0]!,
    results: same,
    cpus: same.map(({ cpu }) => cpu),
  }));
}
