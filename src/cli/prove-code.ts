/** `shootdown prove --code FILE[:FUNCTION]`: people's own code in place of a policy. */
import type { Command } from "commander";
import type { CpuProfile } from "../arch/index.js";
import { visibleLine } from "../input/index.js";
import { type CodeAsked, codeOnTrial, interruptible, judgeCode, occasionsOf, saveCode } from "../jobs/index.js";
import { assumptions, type Limits, type Proof, type Setting } from "../prove/index.js";
import { codeJson, codeText } from "../report/index.js";
import { collect, goesWith } from "./options.js";
import { outputWidth, print } from "./output.js";

/** What goes with `--code` alone. */
export interface CodeOptions extends CodeAsked {
  readonly code?: string;
}

const OWN = ["operand", "capability", "when", "otherStore", "begin", "end", "vhe", "base"];
const each = (value: string, before: string[] = []): string[] => [...before, value];

export const withCode = (command: Command): Command =>
  command
    .option(
      "--code <file>",
      "judge a function's code, FILE[:FUNCTION]: an ELF file, an arm64 Image, text of objdump -d",
    )
    .option("--operand <value=meaning>", "of --code: what a value is, as x1=ipa (or va, page, asid, level)", collect)
    .option("--capability <n=what>", "of --code: what a capability is: FEAT_..., an erratum, yes or no", collect)
    .option(
      "--when <condition>",
      "of --code: only ways on which it holds, in the output's words; may be repeated",
      each,
    )
    .option("--other-store <offset>", "of --code: a store that writes no descriptor; may be repeated", collect)
    .option("--begin <offset>", "of --code: begin so many bytes behind the function's first instruction")
    .option("--end <offset>", "of --code: end there")
    .option("--vhe", "of --code: it runs with HCR_EL2.E2H = 1 (default: KVM's functions but the nVHE ones)")
    .option("--no-vhe", "of --code: it runs with HCR_EL2.E2H = 0")
    .option("--base <policy>", "of --code: the policy that has the other occasions (default: xen-today)");

/** Wrong usage: options of `--code` without it, policies or no occasion with it. */
export function checkCode(
  command: Command,
  policies: readonly string[],
  code: string | undefined,
  occasions: unknown,
): void {
  goesWith(command, OWN, ["code"]);
  if (code !== undefined && policies.length > 0) command.error("error: --code stands in place of a policy");
  if (code !== undefined && occasions === undefined)
    command.error("error: --code wants --occasion: what the function is called for, e.g. --occasion revoke");
}

/** Judges the function; gives the verdicts, and what to print before them or beside them. */
export async function proveCode(
  options: CodeOptions & {
    readonly code: string;
    readonly occasion?: readonly string[];
    readonly save?: string;
    readonly without?: readonly string[];
  },
  cpus: readonly CpuProfile[],
  setting: Setting,
  limits: Limits,
): Promise<{ readonly proof: Proof; readonly json: object; show(): void }> {
  const trial = codeOnTrial(options.code, options, occasionsOf(options.occasion));
  const results = await interruptible((signal) => judgeCode(trial, cpus, setting, limits, signal));
  const saved = options.save === undefined ? [] : saveCode(trial, options.save);
  const policies = trial.ways.flatMap(({ name, policies: own }) =>
    own
      .slice(0, 1)
      .map(({ policy }) => ({ name, title: trial.lifted.name, source: trial.file, places: policy?.places ?? {} })),
  );
  const proof = { results: [...results], policies, cpus, assumptions: assumptions(setting, options.without) };
  const show = (): void => {
    print(codeText(trial, outputWidth()));
    if (saved.length > 0) print(`Saved: ${saved.map(visibleLine).join(", ")}\n\n`);
  };
  return { proof, json: { code: codeJson(trial) }, show };
}
