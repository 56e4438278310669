/** What of a policy is needed, for a terminal. */
import type { Made, MinimizeResult } from "../../jobs/index.js";
import { codeLines } from "../../policy/index.js";
import type { Proof } from "../../prove/index.js";
import { minimizeNotes, minimizeTable, savingTable } from "../minimize-view.js";
import { failuresOf, onWhich } from "../proof-view.js";
import { storyText } from "./proof.js";
import { indented, madeText, tableText, wrapped } from "./text.js";

/** The whole text; `witness`: with the story of each instruction that is needed. */
export function minimizeText(
  found: MinimizeResult,
  { width, witness, made }: { readonly width: number; readonly witness: boolean; readonly made: Made },
): string {
  const { parts, result, policy } = found;
  const blocks = [tableText(minimizeTable(found), width)];
  if (witness) blocks.push(...storiesOf(found, width));
  blocks.push(
    minimizeNotes(found)
      .map((note) => wrapped(note, width))
      .join(""),
  );
  if (result === undefined) blocks.push(wrapped(`Nothing of ${policy.name} can go.`, width));
  else {
    const steps = parts.flatMap(({ occasion, steps: own }) => own.map((step) => `[${occasion}] ${step}`));
    blocks.push(`What results, ${result.name}:\n${steps.map((step) => wrapped(`- ${step}`, width, "  ")).join("")}`);
    for (const { occasion, steps: own } of parts)
      if (own.length > 0)
        blocks.push(
          `[${occasion}]\n${indented(
            codeLines(result.code[occasion])
              .map((line) => `${line}\n`)
              .join(""),
          )}`,
        );
    blocks.push(wrapped(verdictSentence(found), width));
    const saving = savingTable(found);
    if (saving.rows.length > 0) blocks.push(tableText(saving, width));
  }
  blocks.push(madeText(made, width));
  return blocks.filter((block) => block !== "").join("\n");
}

/** The result was judged as a whole, for its parts were looked at one at a time. */
function verdictSentence({ verdicts, result }: MinimizeResult): string {
  const occasions = [...new Set(verdicts.map(({ occasion }) => occasion))];
  const cpus = [...new Set(verdicts.map(({ cpu }) => cpu))];
  const not = verdicts.filter(({ verdict }) => verdict !== "sound");
  if (verdicts.length === 0) return `${result!.name} was not judged as a whole: no CPU runs all of the policy soundly.`;
  if (not.length === 0)
    return `${result!.name} as a whole is sound for ${occasions.join(", ")} on ${onWhich(cpus, { cpus: [] })}.`;
  return `WARNING: ${result!.name} as a whole is not sound: ${not.map(({ occasion, cpu, verdict }) => `${verdict} for ${occasion} on ${cpu}`).join("; ")}.`;
}

function storiesOf({ policy, parts }: MinimizeResult, width: number): string[] {
  return parts.flatMap(({ instructions }) =>
    instructions.flatMap(({ story, code, line }) => {
      if (story === undefined) return [];
      const proof: Proof = { results: [story], policies: [policy], cpus: [], assumptions: [] };
      return failuresOf(proof).map(
        (failure) => wrapped(`Without line ${line}, ${code}:`, width) + storyText(proof, failure, width),
      );
    }),
  );
}
