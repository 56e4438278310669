/** A test in herd's form, ready for the prover. */
import { InputError } from "../../input/index.js";
import type { LitmusTest } from "../litmus/litmus.js";
import { type Said, verdictFor, verdictKeys } from "../litmus/verdict.js";
import { parseHerd } from "./parse.js";
import { constraintText } from "./print.js";
import type { HerdTest } from "./syntax.js";
import { translate } from "./translate.js";

/** Reads a test. Throws an InputError for what is wrong, UnsupportedInTest for what this tool does not do. */
export function herdTest(text: string, file: string): LitmusTest {
  const test = parseHerd(text, file);
  const { program, proposition, filter, looks } = translate(test);
  const { name, quantifier, asked } = test;
  const { why, ...said } = saidBy(test);
  return {
    name,
    file,
    program,
    quantifier,
    condition: constraintText(test),
    proposition,
    filter,
    looks,
    ...(quantifier === "forall" ? { counter: { kind: "and", of: [filter, { kind: "not", of: proposition }] } } : {}),
    ...(asked.ets2 ? { asks: { ets2: true } } : {}),
    ...(why === undefined ? {} : { why }),
    verdictFor: (cpu) => verdictFor(said, cpu),
  };
}

/** What a test of this project says about its own verdict, as settings: "Verdict-ets2=forbidden". */
function saidBy({ settings, file }: HerdTest): Said & { readonly why?: string } {
  const said: Record<string, string> = {};
  for (const key of Object.keys(verdictKeys)) {
    const setting = settings.find((one) => one.key.toLowerCase() === key.toLowerCase());
    if (setting === undefined) continue;
    if (key !== "why" && !/^(allowed|forbidden|unsupported)$/.test(setting.value))
      throw InputError.at(
        file,
        setting.line,
        `${setting.key}=${setting.value}, expected allowed, forbidden or unsupported`,
      );
    said[key] = setting.value;
  }
  return said;
}
