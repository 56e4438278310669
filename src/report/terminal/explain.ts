/** What `shootdown explain` prints: a word, the list of words, or a policy line by line. */
import { wordTable } from "../table.js";
import { indented, tableText, wrapped } from "./text.js";

/** Prose wider than this is hard to read. */
const WIDEST = 100;

/** A word with a meaning; the source may be in the text. */
interface Meaning {
  readonly word: string;
  readonly aliases: readonly string[];
  readonly kind: string;
  readonly text: string;
  readonly source?: string;
}

/** The meanings of a word. */
export const wordText = (meanings: readonly Meaning[], width: number): string =>
  meanings.map((meaning) => meaningText(meaning, Math.min(width, WIDEST))).join("\n");

function meaningText({ word, aliases, kind, text, source }: Meaning, width: number): string {
  const also = aliases.length > 0 ? `, also: ${aliases.join(", ")}` : "";
  return [
    wrapped(`${word} (${kind}${also})`, width, "  "),
    indented(wrapped(text, width - 2)),
    source === undefined ? "" : indented(wrapped(`source: ${source}`, width - 2, "  ")),
  ].join("");
}

/** All words, by what they are words for. */
export function wordListText(words: readonly Meaning[], width: number): string {
  const kinds = [...new Set(words.map(({ kind }) => kind))];
  const rows = kinds.map((kind) => [
    kind,
    words
      .filter((one) => one.kind === kind)
      .map(({ word }) => word)
      .join(", "),
  ]);
  return tableText(wordTable(["of kind", "shootdown explain WORD"], rows), width);
}

/** What is explained of a policy. */
interface ExplainedCode {
  readonly occasion: string;
  readonly when: string;
  /** what is executed where there are no lines */
  readonly without: string;
  readonly lines: readonly { readonly depth: number; readonly code: string; readonly says: readonly string[] }[];
}

/** What stands over the code. */
interface OfPolicy {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly due: string;
  readonly vmidPer: string;
  readonly fb: boolean;
  readonly requires: readonly string[];
}

/** A policy line by line: the code, and under each line what it does; `cpu` names the only CPU for which it holds. */
export function policyText(
  policy: OfPolicy,
  code: readonly ExplainedCode[],
  cpu: string | undefined,
  terminal: number,
): string {
  const width = Math.min(terminal, WIDEST);
  const { name, title, source, due, vmidPer, fb, requires } = policy;
  const head = [
    `${name}: ${title}`,
    `source: ${source}`,
    `A ${vmidPer} has a VMID. The revoke code is due: ${due}.${fb ? "" : " HCR_EL2.FB = 0: a guest's local TLBIs stay local."}${requires.length > 0 ? ` It requires ${requires.join(", ")}.` : ""}${cpu === undefined ? "" : ` Shown is what runs on ${cpu}.`}`,
  ];
  return [head.map((line) => wrapped(line, width, "  ")).join(""), ...code.map((one) => occasionText(one, width))].join(
    "\n",
  );
}

function occasionText({ occasion, when, without, lines }: ExplainedCode, width: number): string {
  const head = wrapped(`[${occasion}] ${when}${lines.length === 0 ? `: ${without}` : ""}`, width, "  ");
  const body = lines.map(({ depth, code, says }) => {
    const indent = "  ".repeat(depth + 1);
    const told = says.map((text) => wrapped(`- ${text}`, width - indent.length - 4, "  ")).join("");
    return `${indent}${code}\n${told.replaceAll(/^(?=.)/gm, `${indent}    `)}`;
  });
  return head + body.join("");
}
