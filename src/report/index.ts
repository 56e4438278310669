/** What people read: tables for the terminal, CSV and Markdown, and one self-contained HTML file. */
import type { CompareResult, PricedCapture } from "../compare/index.js";
import { visibleText } from "../input/index.js";
import type { Checked, Made, Synthesis } from "../jobs/index.js";
import type { Proof } from "../prove/index.js";
import type { SweepFound, SweepResult, TornadoPrice } from "./sweep-view.js";
import type { Alone } from "./synth-view.js";

export { checkTable, isGrave } from "./check-view.js";
export { codeJson } from "./code-view.js";
export { compareForms, notSound } from "./compare-tables.js";
export { csv } from "./csv.js";
export { differenceTable } from "./diff-view.js";
export { cpusDistinguishedTable } from "./distinguish-cpus-view.js";
export { distinguishTable } from "./distinguish-view.js";
export { foldedText } from "./folded.js";
export { count } from "./format.js";
export {
  compareJson,
  coverJson,
  cpuJson,
  cpusDistinguishedJson,
  distinguishJson,
  explanationJson,
  litmusJson,
  minimizeJson,
  signOffJson,
  synthesisJson,
  tlbiListJson,
} from "./json.js";
export { isUnexpected, litmusTable, testTable } from "./litmus-view.js";
export { markdown, markdownList, type Titled, titledMarkdown } from "./markdown.js";
export { minimizeTable } from "./minimize-view.js";
export { occasionTable } from "./occasion-view.js";
export { tableParquet } from "./parquet.js";
export { priceTable, SIMULATED } from "./price-view.js";
export { probeChanges, probeChangeTable, probeTable } from "./probe-view.js";
export { proofForms, unexpected } from "./proof-view.js";
export { summaryTable } from "./show-view.js";
export { simulationTable } from "./simulate-view.js";
export { type SweepFound, type SweepResult, sweepTable, type TornadoPrice, tornadoTable } from "./sweep-view.js";
export { type Alone, pricesTable, shownOf } from "./synth-view.js";
export type { Table } from "./table.js";
export { calibrationText } from "./terminal/calibrate.js";
export { captureText, setupText } from "./terminal/capture.js";
export { checkText } from "./terminal/check.js";
export { codeText } from "./terminal/code.js";
export { compareTables } from "./terminal/compare.js";
export { type Candidates, type CommandDefinition, completionScript, SHELLS } from "./terminal/completion.js";
export { convertedText, refusedText } from "./terminal/convert.js";
export { differenceText } from "./terminal/diff.js";
export { cpusDistinguishedText, distinguishText } from "./terminal/distinguish.js";
export { EventJson, EventLines, EventPage } from "./terminal/events.js";
export { policyText, wordListText, wordText } from "./terminal/explain.js";
export { heldText, heldTraceText } from "./terminal/held.js";
export { injectionJson, injectionText } from "./terminal/inject.js";
export { liftedJson, liftedText } from "./terminal/lifted.js";
export { listingText, recordedText } from "./terminal/listing.js";
export { litmusText } from "./terminal/litmus.js";
export { finalStatesText } from "./terminal/litmus-states.js";
export { minimizeText } from "./terminal/minimize.js";
export { occasionsText } from "./terminal/occasions.js";
export { priceText } from "./terminal/price.js";
export { probeChangesText, probeText } from "./terminal/probe.js";
export { proofText } from "./terminal/proof.js";
export { servingText, workerText } from "./terminal/serving.js";
export { hostWorkText, showText } from "./terminal/show.js";
export { sweepText, tornadoText } from "./terminal/sweep.js";
export { synthesisText } from "./terminal/synthesize.js";
export { coloured, warningText } from "./terminal/text.js";
export { coverText, explanationText, tlbiListText, tlbiPriceText } from "./terminal/tlbi.js";

/** The report of a proof as one HTML file. */
export async function renderProofReport(proof: Proof, made: Made): Promise<string> {
  const { proofReport } = await import("./html/proof.js");
  return visibleText(proofReport(proof, made));
}

/** The report of a comparison as one HTML file; what draws it is loaded only now, so that other commands start fast. */
export async function renderReport(
  result: CompareResult,
  captures: readonly PricedCapture[] = [],
  made?: Made,
): Promise<string> {
  const { htmlReport } = await import("./html/compare.js");
  return visibleText(htmlReport(result, captures, made));
}

/** The report of checked traces as one HTML file; `command` is the line that makes it again. */
export async function renderCheckReport(checked: readonly Checked[], command: string): Promise<string> {
  const { checkReport } = await import("./html/check.js");
  return visibleText(checkReport(checked, command));
}

/** The report of a sweep as one HTML file; `made` says from what, and how. */
export async function renderSweep(result: SweepResult, made: Made): Promise<string> {
  const { sweepReport } = await import("./html/sweep.js");
  return visibleText(sweepReport(result, made));
}

/** The report of a tornado as one HTML file. */
export async function renderTornado(found: SweepFound<TornadoPrice>, made: Made): Promise<string> {
  const { tornadoReport } = await import("./html/sweep.js");
  return visibleText(tornadoReport(found, made));
}

/** The report of a search as one HTML file. */
export async function renderSynthesis(
  found: Synthesis,
  alone: readonly Alone[],
  top: number,
  made: Made,
): Promise<string> {
  const { synthesisReport } = await import("./html/synthesize.js");
  return visibleText(synthesisReport(found, alone, top, made));
}
