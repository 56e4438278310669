/** What people read: tables for the terminal, and one self-contained HTML file. */
import type { CompareResult, PricedCapture } from "../compare/index.js";
import { visibleText } from "../input/index.js";
import type { Proof } from "../prove/index.js";

export { differenceText } from "./difference.js";
export { executedText } from "./executed-text.js";
export { callPath, count, duration, durationRange, tally } from "./format.js";
export { byHost, HOST_ALIGN, HOST_HEADS, hostCells } from "./host-cells.js";
export { integrityWords } from "./integrity.js";
export { labelledCounts } from "./labels.js";
export { noShadowText } from "./no-shadow.js";
export { proofText } from "./proof-text.js";
export { recordingText } from "./recording-text.js";
export { compareTables } from "./table.js";
export { type Align, textTable, warningText, wrapped } from "./text.js";

/** The report of a proof as one HTML file; `command` is the line that makes it again. */
export async function renderProofReport(proof: Proof, command: string): Promise<string> {
  const { proofReport } = await import("./proof-html.js");
  return visibleText(proofReport(proof, command));
}

/** The report of a comparison as one HTML file; what draws it is loaded only now, so that other commands start fast. */
export async function renderReport(result: CompareResult, captures: readonly PricedCapture[] = []): Promise<string> {
  const { htmlReport } = await import("./html.js");
  return visibleText(htmlReport(result, captures));
}
