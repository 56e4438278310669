/** What a search found, for a terminal. */
import type { Made, Priced, Synthesis } from "../../jobs/index.js";
import { count } from "../format.js";
import {
  type Alone,
  besideTable,
  certificateSentence,
  certificateTable,
  priceNotes,
  pricesTable,
  shownOf,
  spaceSentence,
  undecidedLines,
  weakestLines,
} from "../synth-view.js";
import { indented, madeText, tableText, wrapped } from "./text.js";

/** The whole text; `top`: how many to show by price besides the front. */
export function synthesisText(
  found: Synthesis,
  alone: readonly Alone[],
  { width, top, made }: { readonly width: number; readonly top: number; readonly made: Made },
): string {
  const shown = shownOf(found, top);
  const parts = [wrapped(spaceSentence(found), width) + wrapped(certificateSentence(found), width)];
  if (shown.length > 0) {
    const word = found.tally.unknown === 0 ? "The cheapest" : "The best that were found";
    parts.push(
      `${word}, by price on ${found.priced[0]!.rows[0]?.host ?? "no host"}\n${tableText(pricesTable(found, shown), width)}`,
    );
    parts.push(indented(codeOf(shown[0]!)));
    parts.push(`Beside them\n${tableText(besideTable(found), width)}`);
  }
  parts.push(`Sound ones, no weaker one of which is\n${list(weakestLines(found), width)}`);
  parts.push(tableText(certificateTable(found), width));
  if (found.tally.unknown > 0)
    parts.push(`${count(found.tally.unknown)} undecided\n${list(undecidedLines(found), width)}`);
  for (const { cpu, found: own } of alone) {
    const [best] = own.priced;
    parts.push(
      wrapped(
        `On ${cpu} alone: ${best === undefined ? "none is sound" : best.words}. ${certificateSentence(own)}`,
        width,
      ) + (best === undefined ? "" : tableText(pricesTable(own, [best]), width)),
    );
  }
  if (shown.length > 0)
    parts.push(
      priceNotes(found)
        .map((note) => wrapped(note, width))
        .join(""),
    );
  parts.push(madeText(made, width));
  return parts.join("\n");
}

const list = (lines: readonly string[], width: number): string =>
  lines.map((line) => wrapped(`- ${line}`, width, "  ")).join("");

/** The section of the policy file. */
const codeOf = ({ file }: Priced): string => file.slice(file.indexOf("\n[") + 1);
