/** Which policies a trace's flushes are, in words, and sequences side by side where they are not. */
import type { Beside, Executed, ExecutedFlush } from "../../compare/index.js";
import { callPath, count, list } from "../format.js";
import { right, wordTable } from "../table.js";
import { tableText, wrapped } from "./text.js";

/** Differing flushes of an occasion that are shown; the others are told by number. */
const MOST_SHOWN = 3;

/** How it is told. */
interface ExecutedWords {
  /** the policy that was asked for; its sequence stands beside every other. Undefined: where no policy is what was executed */
  readonly policy: string | undefined;
  /** the trace may lack barriers that were executed */
  readonly partlyBlind: boolean;
}

/** The answer as text, at most `width` wide where that is possible. Ends with a newline. */
export function executedText(executed: Executed, { policy, partlyBlind }: ExecutedWords, width: number): string {
  const { occasions, flushes } = executed;
  if (occasions.length === 0)
    return wrapped("No flush of a policy's occasions is in the trace.", width) + doubts(executed, width);
  const table = wordTable(
    ["occasion", right("flushes"), "instruction by instruction what these policies execute"],
    occasions.map(({ occasion, flushes: n, executes, unknown }) => [occasion, count(n), namesOf(executes, unknown)]),
  );
  const differing = occasions.map(({ occasion }) =>
    alike(
      flushes.filter(
        (flush) =>
          flush.occasion === occasion &&
          flush.beside.length > 0 &&
          (policy !== undefined || flush.executes.length === 0),
      ),
    ),
  );
  const shown = differing.flatMap((of) => [
    ...of.slice(0, MOST_SHOWN).map((flush) => sideBySide(flush, width)),
    ...(of.length > MOST_SHOWN
      ? [
          wrapped(
            `On the occasion '${of[0]!.occasion}' flushes differ in ${count(of.length - MOST_SHOWN)} more ways (--json has them).`,
            width,
          ),
        ]
      : []),
  ]);
  const sentences = verdict(executed, width) + doubts(executed, width) + blindness(partlyBlind, width);
  return [tableText(table, width) + sentences, ...shown].join("\n");
}

/** Flushes with the same sequences and the same policies' beside them, as one; the most frequent first. */
function alike(flushes: readonly ExecutedFlush[]): ExecutedFlush[] {
  const groups = new Map<string, ExecutedFlush>();
  for (const flush of flushes) {
    const key = JSON.stringify([flush.instructions, flush.beside]);
    const known = groups.get(key);
    const callers = [...(known?.callers ?? []), ...flush.callers];
    groups.set(key, { ...(known ?? flush), callers, count: (known?.count ?? 0) + flush.count });
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

function namesOf(executes: readonly string[], unknown: readonly string[]): string {
  if (executes.length > 0) return executes.join(", ");
  return unknown.length > 0 ? `unknown: ${unknown.join(", ")}` : "none";
}

function verdict({ executes, unknown, beyond, unplaced, unfinished }: Executed, width: number): string {
  if (executes.length > 0) return wrapped(`On all of these occasions: ${list(executes)}.`, width);
  if (unknown.length > 0)
    return wrapped(`On all of these occasions it may be ${list(unknown)}; that is unknown.`, width);
  if (beyond + unplaced + unfinished > 0) return "";
  return wrapped("No policy is what was executed on all of these occasions.", width);
}

/** What could not be compared. */
export function doubts(
  { others, beyond, unplaced, unfinished }: Pick<Executed, "others" | "beyond" | "unplaced" | "unfinished">,
  width: number,
): string {
  const sentences = [
    ...(beyond > 0 ? [`${count(beyond)} flushes more were not compared: there are too many different ones.`] : []),
    ...(unplaced > 0
      ? [`Of ${count(unplaced)} removals the trace does not say the level: their flushes are unknown.`]
      : []),
    ...(unfinished > 0 ? [`No flush had followed ${count(unfinished)} removals when the trace ended.`] : []),
    ...(others.length > 0
      ? [
          `On no occasion of a policy: ${others.map(({ op, caller, count: n }) => `${count(n)} ${op} by ${callPath(caller)}`).join("; ")}.`,
        ]
      : []),
  ];
  return sentences.map((sentence) => wrapped(sentence, width)).join("");
}

const blindness = (partly: boolean, width: number): string =>
  partly
    ? wrapped(
        "A capture sees the barriers that stand beside a TLBI, an MSR or a descriptor write: one that stands elsewhere may have been executed unseen. Where that decides, the answer is unknown.",
        width,
      )
    : "";

/** A flush beside what the policies execute in its place. */
function sideBySide(flush: ExecutedFlush, width: number): string {
  return flush.beside.map((beside) => wrapped(`${headOf(flush)}:`, width) + sequences(flush, beside, width)).join("\n");
}

function headOf({ occasion, count: n, callers, entries, pages, ownerCurrent, bySlot }: ExecutedFlush): string {
  const times = `${count(n)} ${n === 1 ? "time" : "times"}`;
  const paths = new Set(callers.map(({ caller }) => caller));
  const [first = ""] = paths;
  const by = first === "" ? "" : ` by ${callPath(first)}${paths.size > 1 ? " and others" : ""}`;
  const what = `${entries === 1 ? "one entry" : `${count(entries)} entries`} of ${count(pages)} ${pages === 1 ? "page" : "pages"}`;
  const removed = entries === 0 ? "" : `; ${n === 1 ? "" : "the first: "}${what} removed`;
  const slot = bySlot && entries > 0 ? " (their slots are known, not their tables)" : "";
  const owner = ownerCurrent === false ? "; another VMID in force" : "";
  return `${occasion}, ${times}${by}${removed}${slot}${owner}`;
}

function sequences({ instructions }: ExecutedFlush, beside: Beside, width: number): string {
  const { policy, expected, first, because, execution } = beside;
  if (because !== undefined) {
    const is = instructions.length === 0 ? "nothing" : instructions.join("; ");
    return wrapped(`  executed: ${is}`, width, "    ") + wrapped(`  ${policy}: ${because}`, width, "    ");
  }
  const rows = Array.from({ length: Math.max(instructions.length, expected.length, 1) }, (_, i) => [
    i === first ? (execution === "unknown" ? "  ?" : "  !") : "",
    instructions[i] ?? (i === 0 && instructions.length === 0 ? "nothing" : ""),
    expected[i] ?? (i === 0 && expected.length === 0 ? "nothing" : ""),
  ]);
  return tableText(wordTable(["", "executed", policy], rows), width);
}
