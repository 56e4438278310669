/** What a result was made from and how, and the report of a proof: as the command line writes them. */
import { createHash } from "node:crypto";
import { builtInCpu, builtInText } from "../../builtin/index.js";
import type { Made } from "../../jobs/index.js";
import { assumptions, type SignOff, supposedOf } from "../../prove/index.js";
import { proofReport } from "../../report/page.js";
import { type Choices, errataOf, settingOf } from "../choices.js";
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
  const inputs = inputsOf(text, file).toSorted((a, b) => (a.file < b.file ? -1 : 1));
  return { version, command: `shootdown prove ${own}${options}`, inputs };
}

/** The text, and those of its bases. */
function inputsOf(text: string, file: string): Made["inputs"] {
  const sha256 = createHash("sha256").update(text).digest("hex");
  const base = /^base\s*=\s*"([^"]+)"/m.exec(text)?.[1];
  const others = base === undefined ? [] : inputsOf(builtInText("policies", base), `policies/${base}.toml`);
  return [{ file, sha256 }, ...others];
}

/** Verdicts on CPUs, and how they were asked for. */
interface ReportAsked extends MadeAsked {
  readonly results: readonly SignOff[];
  readonly cpus: readonly string[];
  readonly choices: Choices;
}

/** The report of the verdicts, as `shootdown prove --report` writes it. */
export function reportOf({ results, cpus: names, choices, ...asked }: ReportAsked): string {
  const cpus = names.map(builtInCpu);
  const policies = [readPolicy(asked)];
  const errata = supposedOf(errataOf(choices), cpus);
  const proof = { results, policies, cpus, assumptions: assumptions(settingOf(choices), choices.without), errata };
  return proofReport(proof, made(asked));
}
