/**
 * What a test of this project says about its own verdict: `verdict` is that of a CPU with no optional feature and no erratum,
 * `verdict-ets2`, `verdict-nTLBPA` and `verdict-<word of an erratum>` those of a CPU with that one property besides, where they
 * differ. `why` says in words what makes it so.
 */
import * as v from "valibot";
import { ERRATUM_WORDS, type Erratum } from "../../arch/index.js";
import type { Cpu } from "../cpu.js";

/** The key that speaks of an erratum. */
type ErratumKey = `verdict-${Erratum}`;
const keyOf = (word: Erratum): ErratumKey => `verdict-${word}`;

const verdict = v.optional(v.picklist(["allowed", "forbidden", "unsupported"]));

/** The keys as they stand at the top of a file. */
export const verdictKeys = {
  why: v.optional(v.string()),
  verdict,
  "verdict-ets2": verdict,
  "verdict-nTLBPA": verdict,
  ...(Object.fromEntries(ERRATUM_WORDS.map((word) => [keyOf(word), verdict])) as Record<ErratumKey, typeof verdict>),
};

/** A verdict that a file gives: "unsupported" where it is about what this tool refuses by name. */
export type Wanted = "allowed" | "forbidden" | "unsupported";

/** What a file may say. */
export type Said = { readonly [key in Exclude<keyof typeof verdictKeys, "why">]?: Wanted | undefined };

/** The verdict that a file gives for a CPU; undefined where it gives none, or two. */
export function verdictFor(file: Said, cpu: Cpu): Wanted | undefined {
  const differing = [
    ...(cpu.ets2 ? [file["verdict-ets2"]] : []),
    ...(cpu.nTlbpa ? [file["verdict-nTLBPA"]] : []),
    ...ERRATUM_WORDS.flatMap((word) => (cpu.errata[word] ? [file[keyOf(word)]] : [])),
  ].filter((one) => one !== undefined);
  const [first = file.verdict] = differing;
  return differing.every((one) => one === first) ? first : undefined;
}
