/** What became of tests that were to be in another tool's form. */
import type { Converted, Form } from "../../jobs/index.js";
import { count } from "../format.js";
import { wrapped } from "./text.js";

/** How many a form has words for, and what is in the way of the others, most frequent first. */
export function convertedText(
  converted: readonly Converted[],
  form: Form,
  into: string | undefined,
  width: number,
): string {
  const written = converted.filter((one) => "text" in one).length;
  const where = into === undefined ? "" : ` written to ${into}`;
  return wrapped(
    `${count(written)} ${written === 1 ? "test" : "tests"} in ${form}'s form${where}. ${refusedText(converted)}`,
    width,
  );
}

/** "81 refused: stage 2, ... (81)." */
export function refusedText(converted: readonly Converted[]): string {
  const reasons = converted.flatMap((one) =>
    "reason" in one && !one.wrong ? [one.reason.replace(/, which \w+'s form cannot say$/, "")] : [],
  );
  if (reasons.length === 0) return "None is refused.";
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const list = [...counts].sort(([, a], [, b]) => b - a).map(([reason, n]) => `${reason} (${count(n)})`);
  return `${count(reasons.length)} ${reasons.length === 1 ? "is" : "are"} refused: ${list.join("; ")}.`;
}
