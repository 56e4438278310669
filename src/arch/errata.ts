/** Errata of CPUs that change what TLB maintenance must do. A row here is all that there is to an erratum's name and words. */

/** One erratum, in words that a sentence can take. */
interface ErratumRow {
  /** under which it is published */
  readonly id: string;
  /** as a sentence calls it: "the ... erratum" */
  readonly title: string;
  /** what may go wrong */
  readonly symptom: string;
  /** what the code must do besides */
  readonly remedy: string;
  readonly source: string;
  /** Which TLBIs it concerns, by whom they reach ("local" is the executing PE). */
  concerns(op: { readonly reach: "local" | "inner" | "outer" }): boolean;
}

/**
 * The errata by their words: a policy's `if` asks for one by it, a litmus test gives `verdict-<word>` for it, and the prover's
 * rule of what the CPU then may do has it as a name.
 */
export const ERRATA = {
  "repeat-tlbi": {
    id: "CVE-2025-10263",
    title: "repeat-TLBI",
    symptom: "the DSB may complete before other PEs' writes through the entry are observed",
    remedy: "after it, one more broadcast TLBI and one more DSB",
    source: "CVE-2025-10263; XSA-493; ARM64_WORKAROUND_REPEAT_TLBI of Xen and Linux",
    concerns: ({ reach }) => reach !== "local",
  },
} as const satisfies Record<string, ErratumRow>;

/** The word of an erratum. */
export type Erratum = keyof typeof ERRATA;

/** All of them. */
export const ERRATUM_WORDS = Object.keys(ERRATA) as readonly Erratum[];

/** True when `word` is that of an erratum which this tool knows. */
export const isErratum = (word: string): word is Erratum => Object.hasOwn(ERRATA, word);
