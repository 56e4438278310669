/**
 * Errata of CPUs that change what TLB maintenance must do, in three tables. A symptom is what a CPU may do wrong, in a word of the
 * model: the prover has a rule of its name. A workaround is what code does about symptoms, in the word that a policy asks for with
 * `if`. An erratum is what a vendor published under a number: several have the same symptom.
 */

interface WorkaroundRow {
  /** as a sentence calls errata that need it: "the ... erratum" */
  readonly title: string;
  /** what the code must do besides */
  readonly remedy: string;
  readonly source: string;
  /** Which TLBIs it concerns, by whom they reach ("local" is the executing PE). */
  concerns(op: { readonly reach: "local" | "inner" | "outer" }): boolean;
}

/** Workarounds by the words that a policy asks for with `if`. */
export const WORKAROUNDS = {
  "repeat-tlbi": {
    title: "repeat-TLBI",
    remedy: "after it, one more broadcast TLBI and one more DSB",
    source: "ARM64_WORKAROUND_REPEAT_TLBI of Xen and Linux; XSA-493",
    concerns: ({ reach }) => reach !== "local",
  },
} as const satisfies Record<string, WorkaroundRow>;

/** The word of a workaround. */
export type Workaround = keyof typeof WORKAROUNDS;

/** All of them. */
export const WORKAROUND_WORDS = Object.keys(WORKAROUNDS) as readonly Workaround[];

/** True when `word` is that of a workaround. */
export const isWorkaround = (word: string): word is Workaround => Object.hasOwn(WORKAROUNDS, word);

interface SymptomRow {
  /** what may go wrong */
  readonly symptom: string;
  /** what code does about it */
  readonly workaround: Workaround;
  /** the erratum that it is best known by, for sentences that have room for one */
  readonly id: string;
}

/**
 * What CPUs may do wrong, by the words of the model: a litmus test gives `verdict-<word>` for a CPU that does it, and the prover
 * has a rule of this name.
 */
export const SYMPTOMS = {
  "repeat-tlbi": {
    symptom: "the DSB may complete before other PEs' writes through the entry are observed",
    workaround: "repeat-tlbi",
    id: "CVE-2025-10263",
  },
  "repeat-tlbi-reads": {
    symptom: "the DSB may complete before other PEs' reads through the entry are observed",
    workaround: "repeat-tlbi",
    id: "1286807",
  },
} as const satisfies Record<string, SymptomRow>;

/** The word of a symptom. */
export type Symptom = keyof typeof SYMPTOMS;

/** All of them. */
export const SYMPTOM_WORDS = Object.keys(SYMPTOMS) as readonly Symptom[];

/** One erratum. */
export interface Erratum {
  /** under which it is published: "1286807", "CVE-2025-10263" */
  readonly number: string;
  readonly vendor: string;
  /** cores and their versions, in words */
  readonly cpus: string;
  /** the vulnerability that it is one core's number of */
  readonly cve?: string;
  /** what goes wrong, in the model's words; empty where these cannot say it */
  readonly symptoms: readonly Symptom[];
  /** what goes wrong, in the vendor's words shortened */
  readonly text: string;
  /** why the model cannot say it; absent where it can */
  readonly outside?: string;
  /** what code does about it */
  readonly remedy: string;
  readonly source: string;
}
