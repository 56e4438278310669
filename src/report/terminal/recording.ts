/** What a trace says about its run, in words. */
import type { RecordingWords } from "../../compare/index.js";
import { wrapped } from "./text.js";

/** Digits of a hash that are shown; JSON has all. */
const DIGITS = 12;

/** A line each for Xen, and for what ran; "" where the trace does not say. Lines end with a newline. */
export function recordingText({ xen, sha256, leftOut }: RecordingWords, width: number): string {
  const lines = [];
  if (xen !== undefined) lines.push(`Xen: ${xenText(xen)}`);
  const hashes = Object.entries(sha256 ?? {}).map(([what, hash]) => `${what} ${hash.slice(0, DIGITS)}`);
  if (hashes.length > 0) lines.push(`SHA-256 begins: ${hashes.join(", ")}`);
  if (leftOut !== undefined && leftOut.length > 0) lines.push(`not recorded: ${leftOut.join(", ")}`);
  return lines.map((line) => wrapped(line, width, "  ")).join("");
}

/** A Xen by its first line on the console and its build-id. */
function xenText({ banner, buildId, own }: NonNullable<RecordingWords["xen"]>): string {
  const name = banner === "" ? "it did not say its version" : banner;
  return `${own ? "the user's own, " : ""}${name}${buildId === "" ? "" : `, build-id ${buildId}`}`;
}
