/** The verdicts of a policy, as they come in: first on the chosen CPU, then on all of them. */
import { useEffect, useState } from "preact/hooks";
import { usualCpus } from "../../builtin/index.js";
import { DEFAULT_MAX_STATES, PROVED, type ProvedOccasion, type SignOff } from "../../prove/index.js";
import type { Choices } from "../choices.js";
import type { PolicyFacts } from "../work/policies.js";
import type { Mistake } from "./editor.js";
import { isAbort, mistakeOf, useRested } from "./parts.js";
import { pool } from "./pool.js";
import { type Edited, fileOf } from "./state.js";

export const OCCASIONS = Object.keys(PROVED) as ProvedOccasion[];
const USUAL_CPUS: readonly string[] = usualCpus();
/** The CPUs that are looked at: the usual ones, and the chosen one. */
export const cpusWith = (cpu: string): readonly string[] =>
  USUAL_CPUS.includes(cpu) ? USUAL_CPUS : [cpu, ...USUAL_CPUS];
export const LIMITS = { maxStates: DEFAULT_MAX_STATES, timeoutMs: 60_000 };

/** What is known of the text that was typed last, or of the one before while it has a mistake. */
export interface Proved {
  readonly policy: Edited;
  /** how it was asked */
  readonly choices: Choices;
  readonly facts?: PolicyFacts;
  readonly mistake?: Mistake;
  /** by occasion and CPU, as `keyOf` has it */
  readonly verdicts: ReadonlyMap<string, SignOff>;
  /** CPUs on which all of them are there */
  readonly done: readonly string[];
}

export const keyOf = (occasion: string, cpu: string): string => `${occasion} ${cpu}`;

/** Milliseconds of rest behind the last key, and those in which verdicts are gathered to be shown at once. */
const REST = 120;
const TOGETHER = 40;

/** `whose`: tells one text in an editor from another one: each asks the workers again that it asked before. */
export function useProof(policy: Edited, cpu: string, choices: Choices, whose = "first"): Proved {
  const rested = useRested(policy, REST);
  const [proved, set] = useState<Proved>({ policy, choices, verdicts: new Map(), done: [] });
  const cpus = cpusWith(cpu);
  // Another CPU to begin with is no reason to begin anew, where it is one of those that are looked at anyway.
  const how = JSON.stringify([choices, cpus]);
  useEffect(() => {
    const end = new AbortController();
    const { signal } = end;
    const asked = { text: rested.text, file: fileOf(rested) };
    const none = { policy: rested, choices, verdicts: new Map<string, SignOff>(), done: [] };
    const verdicts = new Map<string, SignOff>();
    let planned = false;
    const show = (): void => {
      planned = false;
      if (!signal.aborted) set((now) => ({ ...now, verdicts: new Map(verdicts) }));
    };
    // What comes in together is shown together.
    const take = (results: readonly SignOff[]): void => {
      for (const result of results) verdicts.set(keyOf(result.occasion, result.cpu), result);
      if (!planned) setTimeout(show, TOGETHER);
      planned = true;
    };
    const on = (some: readonly string[]) =>
      Promise.all(
        OCCASIONS.map(async (occasion) => {
          const about = { ...asked, occasion, cpus: some, limits: LIMITS, choices };
          take(await pool.ask("prove", about, { signal, of: `${whose} ${occasion}` }));
        }),
      );
    (async () => {
      const facts = await pool.ask("policyFacts", asked, { signal, ahead: true });
      set({ ...none, facts });
      await on([cpu]);
      // All CPUs in one question: what is shared between them is decided once, as the command line does it.
      await on(cpus);
      set((now) => ({ ...now, verdicts: new Map(verdicts), done: cpus }));
    })().catch((error: unknown) => {
      if (!isAbort(error)) set({ ...none, mistake: mistakeOf(error) });
    });
    return () => end.abort();
  }, [rested, how]);
  return proved;
}
