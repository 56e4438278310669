/** The verdicts of a policy, as they come in: first on the chosen CPU, then on all of them. */
import { useEffect, useState } from "preact/hooks";
import { usualCpus } from "../../builtin/index.js";
import { DEFAULT_MAX_STATES, PROVED, type ProvedOccasion, type SignOff } from "../../prove/index.js";
import type { PolicyFacts } from "../work/policies.js";
import type { Mistake } from "./editor.js";
import { isAbort, mistakeOf, useRested } from "./parts.js";
import { pool } from "./pool.js";
import { type Edited, fileOf } from "./state.js";

export const OCCASIONS = Object.keys(PROVED) as ProvedOccasion[];
export const EVERY_CPU: readonly string[] = usualCpus();
export const LIMITS = { maxStates: DEFAULT_MAX_STATES, timeoutMs: 60_000 };

/** What is known of the text that was typed last, or of the one before while it has a mistake. */
export interface Proved {
  readonly policy: Edited;
  readonly facts?: PolicyFacts;
  readonly mistake?: Mistake;
  /** by occasion and CPU, as `keyOf` has it */
  readonly verdicts: ReadonlyMap<string, SignOff>;
  /** all of them are there */
  readonly done: boolean;
}

export const keyOf = (occasion: string, cpu: string): string => `${occasion} ${cpu}`;

/** Milliseconds of rest behind the last key. */
const REST = 120;

export function useProof(policy: Edited, cpu: string): Proved {
  const rested = useRested(policy, REST);
  const [proved, set] = useState<Proved>({ policy, verdicts: new Map(), done: false });
  // Another CPU to begin with is no reason to begin anew.
  useEffect(() => {
    const end = new AbortController();
    const { signal } = end;
    const asked = { text: rested.text, file: fileOf(rested) };
    const verdicts = new Map<string, SignOff>();
    const take = (results: readonly SignOff[]): void => {
      for (const result of results) verdicts.set(keyOf(result.occasion, result.cpu), result);
      set((now) => ({ ...now, verdicts: new Map(verdicts) }));
    };
    const on = (cpus: readonly string[]) =>
      Promise.all(
        OCCASIONS.map(async (occasion) =>
          take(await pool.ask("prove", { ...asked, occasion, cpus, limits: LIMITS }, { signal })),
        ),
      );
    (async () => {
      const facts = await pool.ask("policyFacts", asked, { signal, ahead: true });
      set({ policy: rested, facts, verdicts: new Map(), done: false });
      await on([cpu]);
      // All CPUs in one question: what is shared between them is decided once, as the command line does it.
      await on(EVERY_CPU);
      set((now) => ({ ...now, done: true }));
    })().catch((error: unknown) => {
      if (!isAbort(error)) set({ policy: rested, mistake: mistakeOf(error), verdicts: new Map(), done: false });
    });
    return () => end.abort();
  }, [rested]);
  return proved;
}
