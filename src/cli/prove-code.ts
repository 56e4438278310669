/** What goes with `shootdown prove --code FILE[:FUNCTION]`: people's own code in place of a policy. */
import { type Command, Option } from "commander";
import { goesWith } from "./options.js";

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
  new Option("--base <policy>", "of --code: the policy that has the other occasions (default: xen-today)"),
];

export function withCode(command: Command): void {
  command.option("--code <file>", "judge a function: FILE[:FUNCTION] of an ELF file, an Image or text of objdump -d");
  for (const option of OWN) command.addOption(option);
}

/** Refuses options of `--code` without it; and with it, policies, or no occasion: wrong usage. */
export function checkCode(command: Command, policies: readonly string[]): void {
  const { code, occasion } = command.opts<{ code?: string; occasion?: string[] }>();
  goesWith(command, [...new Set(OWN.map((option) => option.attributeName()))], ["code"]);
  if (code !== undefined && (policies.length > 0 || occasion === undefined))
    command.error("error: --code stands in place of a policy, and wants --occasion: what the function is called for");
}
