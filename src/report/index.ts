/** What people read: tables for the terminal, CSV and Markdown, and one self-contained HTML file. */
import type { CompareResult, PricedCapture } from "../compare/index.js";
import { visibleText } from "../input/index.js";
import type { Proof } from "../prove/index.js";

export { compareTable, notesOf, scenarioTables } from "./compare-tables.js";
export { csv } from "./csv.js";
export { differenceTable } from "./diff-view.js";
export { count } from "./format.js";
export { coverJson, explanationJson, litmusJson, signOffJson, tlbiListJson } from "./json.js";
export { isUnexpected, litmusTable, testTable } from "./litmus-view.js";
export { markdown, markdownList, type Titled, titledMarkdown } from "./markdown.js";
export { priceTable, SIMULATED } from "./price-view.js";
export { proofTable, verdictTable } from "./proof-view.js";
export { summaryTable } from "./show-view.js";
export { simulationTable } from "./simulate-view.js";
export type { Table } from "./table.js";
export { captureText, setupText } from "./terminal/capture.js";
export { compareTables } from "./terminal/compare.js";
export { convertedText, refusedText } from "./terminal/convert.js";
export { differenceText } from "./terminal/diff.js";
export { EventJson, EventLines, EventPage } from "./terminal/events.js";
export { heldText, heldTraceText } from "./terminal/held.js";
export { listingText } from "./terminal/listing.js";
export { litmusText } from "./terminal/litmus.js";
export { finalStatesText } from "./terminal/litmus-states.js";
export { priceText } from "./terminal/price.js";
export { proofText } from "./terminal/proof.js";
export { showText } from "./terminal/show.js";
export { warningText } from "./terminal/text.js";
export { coverText, explanationText, tlbiListText, tlbiPriceText } from "./terminal/tlbi.js";

/** The report of a proof as one HTML file; `command` is the line that makes it again. */
export async function renderProofReport(proof: Proof, command: string): Promise<string> {
  const { proofReport } = await import("./html/proof.js");
  return visibleText(proofReport(proof, command));
}

/** The report of a comparison as one HTML file; what draws it is loaded only now, so that other commands start fast. */
export async function renderReport(result: CompareResult, captures: readonly PricedCapture[] = []): Promise<string> {
  const { htmlReport } = await import("./html/compare.js");
  return visibleText(htmlReport(result, captures));
}
