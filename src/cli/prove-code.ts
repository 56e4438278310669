/** `shootdown prove --code FILE[:FUNCTION]`: people's own code in place of a policy. */
import { type Command, Option } from "commander";
import type { CpuProfile } from "../arch/index.js";
import { type CodeAsked, codeOnTrial, interruptible, judgeCode, occasionsOf, saveCode } from "../jobs/index.js";
import { assumptions, type Limits, type Proof, type Setting } from "../prove/index.js";
import { codeJson, codeText } from "../report/index.js";
import { goesWith } from "./options.js";
import { outputWidth, print } from "./output.js";

/** What goes with `--code` alone. */
export interface CodeOptions extends CodeAsked {
  readonly code?: string;
}

const many = (option: Option): Option => option.argParser((one: string, before: string[] = []) => [...before, one]);

const OWN: readonly Option[] = [
  many(new Option("--operand <value=meaning>", "of --code: x1=ipa (or va, page, asid, level, owner-current)")),
  many(new Option("--capability <n=what>", "of --code: what a capability is: FEAT_..., an erratum, yes or no")),
  many(new Option("--when <condition>", "of --code: only ways on which it holds, in the words of the output")),
  many(new Option("--other-store <offset>", "of --code: a store at this offset writes no descriptor")),
  new Option("--begin <offset>", "of --code: begin so many bytes behind the function's first instruction"),
  new Option("--end <offset>", "of --code: end there"),
  new Option("--vhe", "of --code: it runs with HCR_EL2.E2H = 1 (default: KVM's functions but the nVHE ones)"),
  new Option("--no-vhe", "of --code: it runs with HCR_EL2.E2H = 0"),
  new Option("--cc <command>", "of --code: compiles a source, with these options (default: clang of 'probe --setup')"),
  new Option("--base <policy>", "of --code: the policy that has the other occasions (default: xen-today)"),
];

export function withCode(command: Command): Command {
  command.option(
    "--code <file>",
    "judge a function: FILE[:FUNCTION] of an ELF file, an Image, text of objdump -d, or C or assembly source",
  );
  for (const option of OWN) command.addOption(option);
  return command;
}

/** Wrong usage: options of `--code` without it, policies or no occasion with it. */
export function checkCode(
  command: Command,
  policies: readonly string[],
  code: string | undefined,
  occasions: unknown,
): void {
  goesWith(command, [...new Set(OWN.map((option) => option.attributeName()))], ["code"]);
  if (code !== undefined && (policies.length > 0 || occasions === undefined))
    command.error("error: --code stands in place of a policy, and wants --occasion: what the function is called for");
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
  const trial = await interruptible((signal) =>
    codeOnTrial(options.code, options, occasionsOf(options.occasion), signal),
  );
  const { save } = options;
  if (save !== undefined) await interruptible(async () => saveCode(trial, save));
  const results = await interruptible((signal) => judgeCode(trial, cpus, setting, limits, signal));
  const proof = { results, policies: trial.policies, cpus, assumptions: assumptions(setting, options.without) };
  return { proof, json: { code: codeJson(trial) }, show: () => print(codeText(trial, outputWidth())) };
}
