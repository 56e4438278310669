/** What of a policy is needed, as tables and sentences. */

import { usualCpus } from "../builtin/index.js";
import type { MinimizeResult } from "../jobs/index.js";
import type { Accounted, Minimal, Need } from "../synth/index.js";
import { count } from "./format.js";
import { onWhich } from "./proof-view.js";
import { granuleWords, pricedGranule } from "./synth-view.js";
import { type Table, tableOf } from "./table.js";

/** An instruction in a word. */
const NEED: Readonly<Record<Need, string>> = {
  needed: "needed",
  superfluous: "superfluous",
  stronger: "too strong",
  "not-run": "not run",
  unknown: "UNKNOWN",
};

/** What is said of an instruction behind its word. */
function why({ need, story, weakest, neededOn, runOn, reason }: Accounted): string {
  const bad = story?.scenario === undefined ? "" : `without it, ${story.scenario.meaning} (${story.scenario.name})`;
  const where = neededOn.length < runOn.length ? `on ${neededOn.join(", ")}: ` : "";
  switch (need) {
    case "needed":
      return where + bad;
    case "stronger":
      return `${weakest.join(" or ")} is enough; ${where}${bad}`;
    case "superfluous":
      return "no scenario fails without it";
    case "not-run":
      return "no CPU asked about runs it";
    case "unknown":
      return reason ?? "";
  }
}

/** The instructions of all occasions. */
export const minimizeTable = ({ parts }: MinimizeResult): Table =>
  tableOf<Accounted>(
    [
      { head: "occasion", kind: "words", once: true, of: (row) => row.occasion },
      { head: "line", kind: "id", of: (row) => row.line },
      { head: "code", kind: "words", of: (row) => row.code },
      {
        head: "is",
        kind: "words",
        of: (row) => NEED[row.need],
        tone: ({ need }) => (need === "superfluous" ? "good" : undefined),
      },
      { head: "why", kind: "words", of: why },
    ],
    parts.flatMap(({ instructions }) => instructions),
  );

/** What can be said of an occasion besides its instructions. */
export function minimizeNotes({ policy, parts, setting, prices }: MinimizeResult): readonly string[] {
  return parts
    .flatMap((part) => [
      ...leftOutNotes(part),
      ...(part.proofs.length === 0
        ? [`Nothing proves ${part.occasion}, or nobody asked: its code is left as it is.`]
        : []),
      ...(part.cpus.length > 0 && part.proofs.length > 0
        ? [
            `[${part.occasion}] was held against ${part.proofs.join(", ")} on ${onWhich(part.cpus, { cpus: [] })}: ${count(part.judged)} policies judged, ${count(part.scenarios)} scenarios decided${granuleWords(setting)}.`,
          ]
        : []),
    ])
    .concat(prices.length > 0 ? pricedGranule(setting) : [])
    .concat(parts.length === 0 ? [`${policy.name} has no code for what was asked about.`] : []);
}

function leftOutNotes({ occasion, leftOut }: Minimal): string[] {
  const byWhy = new Map<string, string[]>();
  for (const { cpu, why: reason } of leftOut) byWhy.set(reason, [...(byWhy.get(reason) ?? []), cpu]);
  return [...byWhy].map(
    ([reason, cpus]) =>
      `[${occasion}] ${usualCpus().every((name) => cpus.includes(name)) ? "is" : `on ${cpus.join(", ")} is`} not sound as it is, so that there is nothing to keep (${reason}).`,
  );
}

/** A price before and after. */
interface Pair {
  readonly scenario: string;
  readonly host: string;
  readonly ipaBits: number;
  readonly before: number;
  readonly after: number;
}

/** Prices of the policy and of what results. */
export const savingTable = ({ policy, prices }: MinimizeResult): Table => {
  const pairs = prices.flatMap((row): Pair[] => {
    if (row.policy !== policy.name) return [];
    const { scenario, host, ipaBits, microseconds: before } = row;
    const after = prices.find(
      (other) =>
        other !== row &&
        other.policy !== row.policy &&
        other.scenario === scenario &&
        other.host === host &&
        other.ipaBits === ipaBits,
    );
    return after === undefined ? [] : [{ scenario, host, ipaBits, before, after: after.microseconds }];
  });
  return tableOf<Pair>(
    [
      { head: "scenario", kind: "words", once: true, of: (row) => row.scenario },
      { head: "host", kind: "words", of: (row) => row.host },
      { head: "IPA bits", kind: "id", of: (row) => row.ipaBits },
      { head: "now", kind: "time", of: (row) => row.before },
      { head: "then", kind: "time", of: (row) => row.after },
      { head: "times", kind: "factor", of: (row) => (row.after > 0 ? row.before / row.after : null) },
    ],
    pairs,
  );
};
