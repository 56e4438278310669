/** Decides one litmus test in a worker thread. */
import { InputError } from "../input/index.js";
import {
  type Cpu,
  decideTest,
  type FinalStates,
  finalsOf,
  LimitReached,
  type LitmusTest,
  type Options,
  readTest,
  type TestDecision,
  Unsupported,
} from "../prove/index.js";

/** A file to decide. */
export interface LitmusJob {
  readonly file: string;
  readonly text: string;
  readonly options: Cpu & Pick<Options, "maxStates" | "timeoutMs" | "without" | "moments">;
  /** all final states are wanted */
  readonly finals?: boolean;
}

/** A test and what was found; `milliseconds` are this machine's. */
export interface LitmusResult extends TestDecision {
  readonly name: string;
  readonly file: string;
  readonly milliseconds: number;
  readonly expect?: LitmusTest["expect"];
  /** the verdict that the file gives or expects */
  readonly expected?: "allowed" | "forbidden" | "breaks-bbm" | "unsupported";
  readonly quantifier?: LitmusTest["quantifier"];
  /** all final states, where they were wanted and found */
  readonly finals?: FinalStates;
}

/** What a worker answers: errors lose their class on the way between threads, so that of the user's input is a value. */
export type LitmusAnswer = LitmusResult | { readonly refused: string };

/** Decides one test; the time limit is for all of it, reading and set-up too. */
export default function work({ file, text, options, finals: wanted = false }: LitmusJob): LitmusAnswer {
  const begun = performance.now();
  const since = (): number => Math.round((performance.now() - begun) * 1000) / 1000;
  let name = nameIn(text) ?? file;
  const none = (verdict: "unknown" | "unsupported", reason: string): LitmusResult => ({
    ...{ name, file, verdict, states: 0, timelines: 0, milliseconds: since(), reason },
  });
  try {
    const test = readTest(text, file, () => {
      if (options.timeoutMs > 0 && performance.now() - begun > options.timeoutMs) throw new LimitReached();
    });
    name = test.name;
    const decision = decideTest(test, { ...options, begun });
    const { expect, quantifier } = test;
    const decided = decision.verdict === "allowed" || decision.verdict === "forbidden";
    const finals = wanted && decided ? finalsOf(test, { ...options, begun }) : undefined;
    const expected = test.verdictFor(options) ?? (expect && EXPECTED[expect]);
    return {
      name,
      file,
      ...decision,
      ...(finals === undefined
        ? {}
        : "reason" in finals
          ? { reason: `its final states: ${finals.reason}` }
          : { finals }),
      ...(quantifier === undefined ? {} : { quantifier }),
      milliseconds: since(),
      ...(expect ? { expect } : {}),
      ...(expected ? { expected } : {}),
    };
  } catch (error) {
    if (error instanceof InputError) return { refused: error.message };
    if (error instanceof LimitReached)
      return none("unknown", `the time limit of ${options.timeoutMs / 1000} s was reached while the test was set up`);
    if (error instanceof Unsupported) return none("unsupported", error.message);
    // One file must not take the others' verdicts away, whatever is in it and whoever is to blame.
    return { refused: `${file}: a fault of Shootdown itself, please report it with this file: ${String(error)}` };
  }
}

const EXPECTED = { sat: "allowed", unsat: "forbidden" } as const;

/** The name that a file gives itself, also where the rest of it cannot be done. */
const nameIn = (text: string): string | undefined =>
  /^[ \t]*name[ \t]*=[ \t]*"([^"\\\n]+)"/m.exec(text)?.[1] ?? /^\s*AArch64[ \t]+(\S+)/.exec(text)?.[1];
