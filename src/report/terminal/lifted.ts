/** What a trace executed, lifted: its distinct sequences with who executed them how often, and what it does not show. */
import type { LiftedSequence } from "../../compare/index.js";
import type { LiftedTrace } from "../../jobs/index.js";
import { callPath, count } from "../format.js";
import { doubts } from "./executed.js";
import { warningText, wrapped } from "./text.js";

/** Call paths that are shown of a sequence; the others are told by number. */
const MOST_PATHS = 4;

/** The text, at most `width` wide where that is possible. Ends with a newline. */
export function liftedText(lifted: LiftedTrace, width: number): string {
  const { trace, cpu, sequences, policies, unknown } = lifted;
  const groups = alike(sequences);
  const flushes = sequences.reduce((sum, one) => sum + one.count, 0);
  const made = cpu === null ? "" : `, made on ${cpu}`;
  const head = `${trace}${made}: ${count(flushes)} flushes in ${count(groups.length)} distinct ${groups.length === 1 ? "sequence" : "sequences"}; as ${policies.length === 1 ? "the policy" : `${count(policies.length)} policies,`} ${policies.map(({ name }) => name).join(", ")}.`;
  const missing = [...unknown, ...(lifted.filled === undefined ? [] : [BLIND])].map((sentence) =>
    wrapped(`- ${sentence}`, width, "  "),
  );
  const others = doubts(lifted, width);
  return [
    warningText(lifted.warnings, width) + wrapped(head, width),
    ...groups.map((group, i) => groupText(group, i + 1, width)),
    ...(missing.length + others.length > 0
      ? [`Unknown, as the trace does not show it\n${missing.join("")}${others}`]
      : []),
  ].join("\n");
}

const BLIND =
  "A capture sees the barriers that stand beside a TLBI, an MSR or a descriptor write: others may have been executed unseen. What is unsound without them only is called unknown.";

/** Sequences of the same code, of whatever occasion. */
function alike(sequences: readonly LiftedSequence[]): LiftedSequence[][] {
  const groups = new Map<string, LiftedSequence[]>();
  for (const one of sequences) {
    const key = one.lines.join("\n");
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()];
}

function groupText(group: readonly LiftedSequence[], number: number, width: number): string {
  const [{ lines }] = group as [LiftedSequence];
  const occasions = group.map(({ occasion, count: n }) => `${occasion} ${count(n)}`).join(", ");
  const callers = new Map<string, number>();
  for (const one of group)
    for (const { caller, count: n } of one.callers) callers.set(caller, (callers.get(caller) ?? 0) + n);
  const paths = [...callers].sort(([, a], [, b]) => b - a);
  const policies = new Set(group.map(({ policy }) => policy ?? "no policy: there are too many"));
  const notes = new Map<string, string[]>();
  for (const { occasion, notes: own } of group)
    for (const note of own) notes.set(note, [...(notes.get(note) ?? []), occasion]);
  return [
    wrapped(`Sequence ${number}: ${occasions} (${[...policies].join(", ")})`, width),
    ...(lines.length === 0 ? ["    nothing\n"] : lines.map((line) => `    ${line}\n`)),
    ...paths
      .slice(0, MOST_PATHS)
      .map(([caller, n]) => wrapped(`- ${count(n)} by ${caller === "" ? "nobody" : callPath(caller)}`, width, "  ")),
    ...(paths.length > MOST_PATHS ? [`- and ${count(paths.length - MOST_PATHS)} call paths more\n`] : []),
    ...[...notes].map(([note, of]) => wrapped(`- ${of.join(", ")}: ${note}`, width, "  ")),
  ].join("");
}

/** The same for machines. */
export const liftedJson = ({
  trace,
  cpu,
  policies,
  sequences,
  unknown,
  others,
  beyond,
  unplaced,
  unfinished,
  info,
  warnings,
}: LiftedTrace) => ({
  trace,
  integrity: info.integrity,
  cpu,
  policies: policies.map(({ name, text }) => ({ name, toml: text })),
  sequences: sequences.map(({ policy, occasion, count: times, callers, lines, code, notes }) => ({
    ...{
      policy: policy ?? null,
      occasion,
      count: times,
      callers,
      code: lines,
      isExpressible: code !== undefined,
      notes,
    },
  })),
  ...{ unknown, others, beyond, unplaced, unfinished, warnings },
});
