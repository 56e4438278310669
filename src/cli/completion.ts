/** `shootdown completion SHELL`: a script that completes the command line, made of the commands' own definitions. */
import { Argument, type Command, type Option } from "commander";
import { ERRATA, TLBI_OPS } from "../arch/index.js";
import { allWords, cpuNames, hostNames, litmusFiles, policyNames, scenarioNames } from "../catalog/index.js";
import { PROVED } from "../prove/index.js";
import { type Candidates, type CommandDefinition, completionScript, SHELLS } from "../report/index.js";
import { collect } from "./options.js";
import { printFile } from "./output.js";

/** What stands for a placeholder of the definitions, where these list no choices: words, and files where `files`. */
const PLACEHOLDERS: Readonly<Record<string, { words?: () => readonly string[]; files?: true }>> = {
  policy: { words: policyNames, files: true },
  host: { words: hostNames, files: true },
  scenario: { words: scenarioNames, files: true },
  cpu: { words: cpuNames, files: true },
  number: { words: () => ERRATA.map(({ number }) => number) },
  occasion: { words: () => Object.keys(PROVED) },
  instruction: { words: () => TLBI_OPS.map(({ name }) => name.toLowerCase()) },
  "word|policy": {
    words: () => [
      ...policyNames(),
      ...allWords()
        .map(({ word }) => word)
        .filter((word) => !word.includes(" ")),
    ],
    files: true,
  },
  "file|dir": { words: litmusNames, files: true },
  trace: { files: true },
  "trace|policy": { words: policyNames, files: true },
  before: { files: true },
  after: { files: true },
  file: { files: true },
  folder: { files: true },
};

/** Names of the built-in litmus tests, without ending. */
function litmusNames(): string[] {
  return litmusFiles([]).map(({ file }) => file.replace(/^.*\//, "").replace(/\.\w+$/, ""));
}

export function register(program: Command): void {
  program
    .command("completion")
    .description(
      "print a script that completes commands, options and built-in names: eval it in the shell's start-up file",
    )
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .action((shell: string) => printFile(completionScript(shell, program.commands.map(definitionOf))));
}

function definitionOf(command: Command): CommandDefinition {
  const name = command.name();
  const help = command.createHelp();
  // Of several operands, the first says what stands there; those of a list of built-in files are their names.
  const [operand] = command.registeredArguments;
  const shelf = { policies: "policy", hosts: "host", cpus: "cpu", scenarios: "scenario" }[name];
  return {
    name,
    description: command.description(),
    options: help.visibleOptions(command).map((option) => ({
      ...(option.short ? { short: option.short } : {}),
      long: option.long!,
      description: option.description,
      ...(option.required || option.optional ? { takes: valuesOf(option) } : {}),
    })),
    operands: candidates(shelf ?? operand?.name(), operand?.argChoices, false),
  };
}

const valuesOf = (option: Option): Candidates =>
  candidates(/<(.*)>/.exec(option.flags)?.[1], option.argChoices, option.parseArg === collect);

function candidates(
  placeholder: string | undefined,
  choices: readonly string[] | undefined,
  list: boolean,
): Candidates {
  const found = PLACEHOLDERS[placeholder ?? ""];
  return { words: choices ?? found?.words?.() ?? [], files: choices === undefined && found?.files === true, list };
}
