/** What `shootdown price POLICY` prints: what each occasion costs by itself, host by host, and what was executed. */

import { tally } from "../format.js";
import { caseSentences, occasionTable, type PricedOccasions, unpricedSentences } from "../occasion-view.js";
import { SIMULATED } from "../price-view.js";
import { wordTable } from "../table.js";
import { fits, tableText, wrapped } from "./text.js";

/** For a terminal of `width` columns; `notes` must be said of the hosts at these IPA sizes. */
export function occasionsText(priced: PricedOccasions, notes: readonly string[], width: number): string {
  const { rows } = priced;
  const occasions = [...new Set(rows.map(({ occasion }) => occasion))];
  const executed = wordTable(
    ["occasion", "TLBIs that the code executes"],
    occasions.map((occasion) => [occasion, tally(rows.find((row) => row.occasion === occasion)!.tlbi)]),
  );
  const said = [...caseSentences(priced), SIMULATED].join(" ");
  return [
    wrapped(said, width),
    rows.length === 0 ? "" : pricesText(priced, width),
    rows.length === 0 ? "" : tableText(executed, width),
    [...unpricedSentences(priced), ...notes].map((text) => wrapped(text, width)).join(""),
  ]
    .filter((text) => text !== "")
    .join("\n");
}

/** As many columns as the terminal has room for. */
function pricesText(priced: PricedOccasions, width: number): string {
  const full = tableText(
    occasionTable(priced, ["price", "range", "trap", "walk", "flush", "refault", "refaults"]),
    width,
  );
  return fits(full, width) ? full : tableText(occasionTable(priced, ["price", "range", "refaults"]), width);
}
