/** The sign-off of policies for a terminal: a table of verdicts, stories of the unsound ones, and what was assumed. */

import type { Made } from "../../jobs/index.js";
import type { Proof, SignOff } from "../../prove/index.js";
import { count, duration } from "../format.js";
import { guiltySentence, type Listing, listingsOf, listingTable } from "../guilty-lines.js";
import {
  erratumNotes,
  everyCpu,
  type Failure,
  failuresOf,
  lookedAt,
  onWhich,
  reasonsOf,
  verdictTable,
} from "../proof-view.js";
import { right, wordTable } from "../table.js";
import { madeText, tableText, wrapped } from "./text.js";

/** The whole text; `witness` = with the stories. */
export function proofText(
  proof: Proof,
  { width, witness, made }: { readonly width: number; readonly witness: boolean; readonly made?: Made },
): string {
  const parts = [tableText(verdictTable(proof), width)];
  const all = everyCpu(proof);
  if (all !== "") parts.push(wrapped(all, width));
  parts.push(...erratumNotes(proof).map((note) => wrapped(note, width, "  ")));
  const reasons = reasonsOf(proof);
  if (reasons.length > 0) parts.push(reasons.map((reason) => wrapped(reason, width, "  ")).join(""));
  const unsound = failuresOf(proof);
  if (witness) for (const group of unsound) parts.push(storyText(proof, group, width));
  else if (unsound.length > 0)
    parts.push(wrapped(`How it fails: shootdown prove ${unsound[0]!.result.policy}, or --witness for all.`, width));
  parts.push(`Assumptions\n${proof.assumptions.map((text) => wrapped(`- ${text}`, width, "  ")).join("")}`);
  parts.push(wrapped(lookedAt(proof), width) + wrapped(sumOf(proof), width));
  if (made) parts.push(madeText(made, width));
  return parts.join("\n");
}

/** How a policy fails: the scenario, who is who, what happens and which line is to blame. */
export function storyText(proof: Proof, { result, cpus }: Failure, width: number): string {
  const { scenario, witness = [], unsound = [] } = result;
  const on = onWhich(cpus, proof);
  const told = cpus.length > 1 ? ` On ${cpus[0]} it goes so:` : "";
  const rows = witness.flatMap(({ time, who, what, rule, from }) => [
    [String(time), who, from ? `${what} (${from.policy}:${from.line})` : what],
    ...(rule === undefined ? [] : [["", "", `[${rule}]`]]),
  ]);
  const how = result.breach
    ? `violates break-before-make for ${result.occasion} on ${on} (BREAKS-BBM): ${result.breach.sentence}`
    : `is UNSOUND for ${result.occasion} on ${on}: ${scenario!.meaning}`;
  return [
    wrapped(`${result.policy} ${how}.`, width),
    wrapped(
      `${scenario!.title} (${scenario!.name}; ${unsound.length} of ${result.scenarios} scenarios fail).${told}`,
      width,
    ),
    ...scenario!.cast.map((who) => wrapped(`- ${who}`, width, "  ")),
    "\n",
    tableText(wordTable([right("time"), "who", "what"], rows), width),
    "\n",
    wrapped(guiltySentence(result), width, "  "),
    ...listingsOf(proof, result).map((listing) => listingText(listing, width)),
  ].join("");
}

function listingText(listing: Listing, width: number): string {
  const head = wrapped(`${listing.title}${listing.lines.length > 0 ? "" : ": no code"}`, width);
  return head + (listing.lines.length > 0 ? tableText(listingTable(listing), width) : "");
}

function sumOf({ results }: Proof): string {
  const sum = (of: (r: SignOff) => number): number => results.reduce((total, r) => total + of(r), 0);
  const verdicts = (["sound", "unsound", "unknown", "not-applicable", "not-stated"] as const)
    .map((verdict) => [results.filter((r) => r.verdict === verdict).length, verdict] as const)
    .filter(([n]) => n > 0)
    .map(([n, verdict]) => `${count(n)} ${verdict.replace("-", " ")}`);
  return `${count(results.length)} ${results.length === 1 ? "verdict" : "verdicts"}: ${verdicts.join(", ")}. ${count(sum((r) => r.timelines))} timelines, ${count(sum((r) => r.states))} states; ${duration(sum((r) => r.milliseconds) * 1000)} of one core, scenarios that several verdicts share counted for each.`;
}
