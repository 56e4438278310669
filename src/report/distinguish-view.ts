/** Where two policies differ, as a table and in sentences. */
import type { Distinguished } from "../jobs/index.js";
import type { Distinction } from "../synth/index.js";
import { count } from "./format.js";
import { granuleWords } from "./synth-view.js";
import { type Table, tableOf } from "./table.js";

/** A row for each scenario that only one survives, the smallest first. */
export const distinguishTable = ({ policies, distinctions }: Distinguished): Table =>
  tableOf<Distinction>(
    [
      { head: "fails", kind: "words", once: true, of: ({ fails }) => policies[fails === "first" ? 0 : 1].name },
      { head: "occasion", kind: "words", once: true, of: ({ occasion }) => occasion },
      { head: "CPU", kind: "words", of: ({ cpu }) => cpu },
      { head: "steps", kind: "count", of: ({ story }) => story.witness?.length ?? 0 },
      { head: "scenario", kind: "words", of: ({ scenario }) => scenario },
    ],
    distinctions,
  );

/** What was looked at. */
export function distinguishNotes({
  policies: [a, b],
  setting,
  distinctions,
  scenarios,
  undecided,
  leftOut,
}: Distinguished): string[] {
  return [
    distinctions.length === 0
      ? `No scenario of ${count(scenarios)} tells ${a.name} from ${b.name}${granuleWords(setting)}.`
      : `${count(distinctions.length)} of ${count(scenarios)} scenarios tell ${a.name} from ${b.name}; the smallest is told above.`,
    ...(undecided > 0 ? [`WARNING: ${count(undecided)} scenarios were not decided within the bounds.`] : []),
    ...leftOut.map(({ cpu, feature }) => `${cpu} is left out: one of the two requires ${feature}.`),
  ];
}
