/** What a word of a policy means, for who points at it. */
import { explainTlbi, type Removal, TLBI_OPS, tlbiIndex } from "../../arch/index.js";
import { type Word, wordIn } from "../../catalog/words.js";
import { InputError } from "../../input/index.js";

/** A word, and the text of docs/glossary.md. */
interface WordAsked {
  readonly word: string;
  readonly page: string;
}

/** Its meanings, a sentence each; empty where it has none. */
export function meaning({ word, page }: WordAsked): string[] {
  const op = tlbiIndex(word);
  if (op !== undefined) return tlbiMeaning(op);
  try {
    return wordIn(page, word, []).map(inWords);
  } catch (error) {
    if (error instanceof InputError) return [];
    throw error;
  }
}

const inWords = ({ word, kind, text, source }: Word): string =>
  `${word} (${kind}): ${text}${source === undefined ? "" : ` (${source})`}`;

function tlbiMeaning(index: number): string[] {
  const op = TLBI_OPS[index]!;
  const { reach, removes, completedBy, needs } = explainTlbi(op, op.operand === "none" ? 31 : 0);
  const of = (name: string, { status, matches }: Removal): string[] =>
    status === "absent" ? [] : [`${name} entries: ${status === "yes" ? `removed, ${matches}` : "may stay"}`];
  return [
    `TLBI ${op.name}: reaches ${reach}.`,
    ...of("stage-1", removes.stage1),
    ...of("stage-2", removes.stage2),
    ...of("combined", removes.combined),
    `Complete after ${completedBy.join(", or ")}.`,
    ...(needs.length > 0 ? [`Needs ${needs.join(", ")}.`] : []),
  ];
}
