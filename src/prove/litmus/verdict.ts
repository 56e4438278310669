/**
 * What a test of this project says about its own verdict: `verdict` is that of a CPU with no optional feature and no erratum,
 * `verdict-ets2`, `verdict-nTLBPA`, `verdict-bbm2` and `verdict-<word of a symptom>` those of a CPU with that one property besides, where they
 * differ. `why` says in words what makes it so.
 */
import * as v from "valibot";
import { SYMPTOM_WORDS, type Symptom } from "../../arch/index.js";
import type { Cpu } from "../cpu.js";

/** The key that speaks of a symptom. */
type SymptomKey = `verdict-${Symptom}`;
const keyOf = (word: Symptom): SymptomKey => `verdict-${word}`;

const verdict = v.optional(v.picklist(["allowed", "forbidden", "breaks-bbm", "unsupported"]));

/** The keys as they stand at the top of a file. */
export const verdictKeys = {
  why: v.optional(v.string()),
  verdict,
  "verdict-ets2": verdict,
  "verdict-nTLBPA": verdict,
  "verdict-bbm2": verdict,
  ...(Object.fromEntries(SYMPTOM_WORDS.map((word) => [keyOf(word), verdict])) as Record<SymptomKey, typeof verdict>),
};

/**
 * A verdict that a file gives: "breaks-bbm" where the final state comes about only as break-before-make is violated, "unsupported"
 * where it is about what this tool refuses by name.
 */
export type Wanted = "allowed" | "forbidden" | "breaks-bbm" | "unsupported";

/** What a file may say. */
export type Said = { readonly [key in Exclude<keyof typeof verdictKeys, "why">]?: Wanted | undefined };

/** The verdict that a file gives for a CPU; undefined where it gives none, or two. */
export function verdictFor(file: Said, cpu: Cpu): Wanted | undefined {
  const differing = [
    ...(cpu.ets2 ? [file["verdict-ets2"]] : []),
    ...(cpu.nTlbpa ? [file["verdict-nTLBPA"]] : []),
    ...(cpu.bbm === 2 ? [file["verdict-bbm2"]] : []),
    ...SYMPTOM_WORDS.flatMap((word) => (cpu.symptoms[word] ? [file[keyOf(word)]] : [])),
  ].filter((one) => one !== undefined);
  const [first = file.verdict] = differing;
  return differing.every((one) => one === first) ? first : undefined;
}
