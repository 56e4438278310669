/** What `shootdown calibrate` says beside the file: how well each price is determined, and how well all of them fit. */
import type { Calibration } from "../../jobs/index.js";
import { count } from "../format.js";
import { right, wordTable } from "../table.js";
import { tableText, warningText, wrapped } from "./text.js";

const FEW = 12;

export function calibrationText({ unit, estimates, observations, warnings }: Calibration, width: number): string {
  const prices = wordTable(
    ["price", right("value"), right("from"), right("to"), "determined", right("uncertainty removed")],
    estimates.map(({ key, value, low, high, determined, removed }) => [
      key,
      ...[value, low, high].map(count),
      determined,
      `${Math.floor(100 * removed)} %`,
    ]),
  );
  const off = observations
    .map((one) => ({ ...one, share: one.fitted / one.value - 1 }))
    .sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  const worst = wordTable(
    [`measured (${unit === "time" ? "us" : unit})`, right("value"), right("fitted"), right("off")],
    off
      .slice(0, FEW)
      .map(({ what, value, fitted, share }) => [what, count(value), count(fitted), `${(100 * share).toFixed(1)} %`]),
  );
  const more = off.length > FEW ? wrapped(`These ${FEW} of ${off.length} fit worst.`, width) : "";
  return `${warningText(warnings, width)}${tableText(prices, width)}\n${tableText(worst, width)}${more}\n`;
}
