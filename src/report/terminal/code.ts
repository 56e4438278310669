/** What `shootdown prove --code` prints before the verdicts: the listing, the ways and what was taken for granted. */
import type { CodeOnTrial, CodeWay } from "../../jobs/index.js";
import { capabilitySentences, codeTable, remarksOf, whenOf } from "../code-view.js";
import { count, NO_BREAK } from "../format.js";
import { indented, tableText, wrapped } from "./text.js";

/** Reasons of a way that are told. */
const MOST_REASONS = 3;

/** The text, for a terminal of `width` columns. */
export function codeText(trial: CodeOnTrial, width: number): string {
  const { file, what, lifted, ways, vhe, base } = trial;
  const judged = ways.filter(({ policies }) => policies.length > 0);
  const head = `${lifted.name} at ${lifted.address} of ${file}, ${what}: ${ways.length === 1 ? "one way" : `${count(ways.length)} ways that differ in what they do`}, ${count(judged.length)} with a TLBI. It runs ${vhe ? "with" : "without"} VHE (HCR_EL2.E2H = ${vhe ? 1 : 0}); other occasions are as in ${base}.`;
  const lists = [
    ["Capabilities", capabilitySentences(trial)],
    [
      "Not understood, so that there is no verdict",
      [...(lifted.problem === undefined ? [] : [lifted.problem]), ...remarksOf(trial, "problem")],
    ],
    ["Left out", remarksOf(trial, "left-out")],
    ["Taken for granted", remarksOf(trial, "taken")],
  ] as const;
  return [
    wrapped(head, width),
    tableText(codeTable(trial), width),
    ...ways.map((way) => wayText(way, width)),
    ...lists.flatMap(([title, texts]) =>
      texts.length === 0 ? [] : [`${title}\n${texts.map((text) => wrapped(`- ${text}`, width, "  ")).join("")}`],
    ),
    "",
  ].join("\n");
}

function wayText(way: CodeWay, width: number): string {
  const { name, lifted } = way;
  const reasons = whenOf(way);
  const more = reasons.length > MOST_REASONS ? [`or in ${reasons.length - MOST_REASONS} other cases`] : [];
  const title = lifted.flushes ? name : "No TLBI, and no verdict";
  const when = reasons.slice(0, MOST_REASONS).map((text, i) => `${i === 0 ? "when" : "or"} ${text}`);
  const code = lifted.lines
    .map(({ depth, text }) => `${NO_BREAK.repeat(2 * depth)}${text}\n`)
    .join("")
    .replaceAll(NO_BREAK, " ");
  return `${wrapped(`${title}: ${[...when, ...more].join("; ")}`, width, "  ")}${indented(indented(code))}`;
}
