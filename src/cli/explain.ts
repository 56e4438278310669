/** `shootdown explain [WORD|POLICY]`: what a word means, or what a policy does, line by line. */
import type { Command } from "commander";
import { allWords, explainWord, isPath, loadPolicy, policyNames } from "../catalog/index.js";
import { cpusOf } from "../jobs/index.js";
import { explainPolicy, policyOn } from "../policy/index.js";
import { policyText, wordListText, wordText } from "../report/index.js";
import { outputWidth, print, printJson } from "./output.js";

export function register(program: Command): void {
  program
    .command("explain")
    .description("what a word of Shootdown, the Arm manual or Xen means; or a policy, line by line")
    .argument("[word|policy...]", "a word, a built-in policy or a .toml file; without, the words that there are")
    .option("--cpu <cpu>", "of a policy, only what runs on this CPU, built in or a .toml file")
    .option("--json", "print JSON")
    .action((words: string[], options: { readonly cpu?: string; readonly json?: boolean }, command: Command) => {
      const name = words.join(" ");
      const isPolicy = isPath(name) || policyNames().includes(name);
      if (options.cpu !== undefined && !isPolicy) command.error("error: --cpu goes with a policy");
      if (name === "") list(options.json);
      else if (isPolicy) explain(name, options);
      else {
        const meanings = explainWord(name, policyNames());
        if (options.json) printJson(meanings);
        else print(wordText(meanings, outputWidth()));
      }
    });
}

function list(json: boolean | undefined): void {
  if (json) printJson(allWords());
  else print(wordListText(allWords(), outputWidth()));
}

function explain(name: string, options: { readonly cpu?: string; readonly json?: boolean }): void {
  const policy = loadPolicy(name);
  const [on] = options.cpu === undefined ? [] : cpusOf([options.cpu]);
  const cpu = on?.name;
  const code = explainPolicy(on === undefined ? policy : policyOn(policy, on), cpusOf());
  if (options.json)
    printJson({
      policy: policy.name,
      title: policy.title,
      source: policy.source,
      ...(cpu === undefined ? {} : { cpu }),
      due: policy.due,
      vmidPer: policy.vmidPer,
      fb: policy.fb,
      requires: policy.requires,
      occasions: code,
    });
  else print(policyText(policy, code, cpu, outputWidth()));
}
