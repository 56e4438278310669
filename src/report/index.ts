/** What people read: tables for the terminal, and one self-contained HTML file. */
import type { CompareResult, PricedCapture } from "../compare/index.js";
import type { Proof } from "../prove/index.js";

export { differenceText } from "./difference.js";
export * from "./executed-text.js";
export * from "./format.js";
export { byHost, HOST_ALIGN, HOST_HEADS, hostCells } from "./host-cells.js";
export { labelledCounts } from "./labels.js";
export { proofText } from "./proof-text.js";
export { recordingText, xenText } from "./recording-text.js";
export { compareTables } from "./table.js";
export { type Align, type Span, type TextTableOptions, textTable, wrapped } from "./text.js";

/** The report of a proof as one HTML file; `command` is the line that makes it again. */
export async function renderProofReport(proof: Proof, command: string): Promise<string> {
  const { proofReport } = await import("./proof-html.js");
  return proofReport(proof, command);
}

/** The report of a comparison as one HTML file; what draws it is loaded only now, so that other commands start fast. */
export async function renderReport(result: CompareResult, captures: readonly PricedCapture[] = []): Promise<string> {
  const { htmlReport } = await import("./html.js");
  return htmlReport(result, captures);
}
