/** Where two CPUs differ, as a table and in sentences. */
import type { CpusDistinguished, OnlyOn } from "../jobs/index.js";
import { count } from "./format.js";
import { granuleWords } from "./synth-view.js";
import { type Table, tableOf } from "./table.js";

/** A row for each weakest sequence that is sound on one of the two only. */
export const cpusDistinguishedTable = ({ only }: CpusDistinguished): Table =>
  tableOf<OnlyOn>(
    [
      { head: "sound on", kind: "words", once: true, of: ({ cpu }) => cpu },
      { head: "other", kind: "words", of: ({ other }) => other.verdict },
      { head: "scenario", kind: "words", of: ({ other }) => other.scenario?.name ?? other.reason ?? "" },
      { head: "sequence", kind: "words", of: ({ sequence }) => sequence },
    ],
    only,
  );

/** What was searched, and how many sequences differ. */
export function cpusDistinguishedNotes({ space, size, sound, both, unknown, only }: CpusDistinguished): string[] {
  const [a, b] = space.cpus.map(({ name }) => name);
  const searched = `every sequence of up to ${space.length} of the ${space.instructions.length} instructions that both have, ${count(size)} in all; everything else as ${space.base.name}${granuleWords(space.setting)}`;
  const differ = sound[0] + sound[1] - 2 * both;
  return [
    `Searched for ${space.occasion}: ${searched}.`,
    `${count(sound[0])} are sound on ${a}, ${count(sound[1])} on ${b}, ${count(both)} on both: the verdict on ${count(differ)} differs.`,
    ...(only.length > 0 ? ["The table has those of them of which no weaker one is sound on that CPU."] : []),
    ...(unknown > 0 ? ["WARNING: some were not decided within the bounds, and count as not sound."] : []),
  ];
}
