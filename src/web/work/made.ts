/** What a result was made from and how, and the report of a proof: as the command line writes them. */
import { createHash } from "node:crypto";
import { builtInCpu, builtInText, usualCpus } from "../../builtin/index.js";
import type { Made } from "../../jobs/index.js";
import { assumptions, type SignOff } from "../../prove/index.js";
import { proofReport } from "../../report/page.js";
import { type PolicyText, readPolicy } from "./policies.js";

/** A policy, and the version of the page. */
interface MadeAsked extends PolicyText {
  readonly version: string;
  /** options of the command that makes the same */
  readonly options: string;
}

const BUILT_IN = /^policies\/(.+)\.toml$/;

/** The command that makes the same, and the texts that were read. */
export function made({ text, file, version, options }: MadeAsked): Made {
  const own = BUILT_IN.exec(file)?.[1] ?? `./${file}`;
  return { version, command: `shootdown prove ${own}${options}`, inputs: inputsOf(text, file) };
}

/** The text, and those of its bases. */
function inputsOf(text: string, file: string): Made["inputs"] {
  const sha256 = createHash("sha256").update(text).digest("hex");
  const base = /^base\s*=\s*"([^"]+)"/m.exec(text)?.[1];
  const others = base === undefined ? [] : inputsOf(builtInText("policies", base), `policies/${base}.toml`);
  return [{ file, sha256 }, ...others];
}

/** The report of the verdicts on all CPUs, as `shootdown prove --report` writes it. */
export function reportOf({ results, ...asked }: MadeAsked & { readonly results: readonly SignOff[] }): string {
  const cpus = usualCpus()
    .map(builtInCpu)
    .filter(({ name }) => results.some(({ cpu }) => cpu === name));
  const policies = [readPolicy(asked)];
  return proofReport({ results, policies, cpus, assumptions: assumptions({ fb: true }) }, made(asked));
}
