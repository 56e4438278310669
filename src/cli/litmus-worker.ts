/** Decides one litmus test in a worker thread. */
import { InputError } from "../input/index.js";
import { type Decision, explore, type LitmusTest, type Options, parseLitmus, Unsupported } from "../prove/index.js";

/** A file to decide. */
export interface LitmusJob {
  readonly file: string;
  readonly text: string;
  readonly options: Pick<Options, "ets2" | "nTlbpa" | "repeatTlbi" | "maxStates" | "timeoutMs">;
}

/** A test and what was found; `milliseconds` are this machine's. */
export interface LitmusResult extends Decision {
  readonly name: string;
  readonly file: string;
  readonly milliseconds: number;
  readonly expect?: LitmusTest["expect"];
  /** the verdict that the file gives or expects */
  readonly expected?: "allowed" | "forbidden";
}

/** What a worker answers: errors lose their class on the way between threads, so that of the user's input is a value. */
export type LitmusAnswer = LitmusResult | { readonly refused: string };

/** Decides one test. */
export default function work({ file, text, options }: LitmusJob): LitmusAnswer {
  const begun = performance.now();
  const since = (): number => Math.round((performance.now() - begun) * 1000) / 1000;
  let name = nameIn(text) ?? file;
  try {
    const test = parseLitmus(text, file);
    name = test.name;
    const decision = explore(test.program, options);
    const { expect } = test;
    const expected = test.verdictFor(options) ?? (expect && EXPECTED[expect]);
    return {
      name,
      file,
      ...decision,
      milliseconds: since(),
      ...(expect ? { expect } : {}),
      ...(expected ? { expected } : {}),
    };
  } catch (error) {
    if (error instanceof InputError) return { refused: error.message };
    if (!(error instanceof Unsupported)) throw error;
    return {
      name,
      file,
      verdict: "unsupported",
      states: 0,
      timelines: 0,
      milliseconds: since(),
      reason: error.message,
    };
  }
}

const EXPECTED = { sat: "allowed", unsat: "forbidden" } as const;

/** The name that a file gives itself, also where the rest of it cannot be done. */
const nameIn = (text: string): string | undefined => /^\s*name\s*=\s*"([^"\\]+)"/m.exec(text)?.[1];
