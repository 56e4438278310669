/** `shootdown inject`: puts a policy's own code into a Xen's Image, lists each word, and takes it out again. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { loadCpu, loadPolicy } from "../catalog/index.js";
import { profileOf } from "../compare/index.js";
import { InputError } from "../input/index.js";
import { injectInto, undoInjection } from "../jobs/index.js";
import { injectionJson, injectionText } from "../report/index.js";
import { outputWidth, print, printJson } from "./output.js";

interface Options {
  readonly xen: string;
  readonly xenSyms?: string;
  readonly cpu?: string;
  readonly output: string;
  readonly undo?: string;
  readonly json?: true;
}

export function register(program: Command): void {
  const command = program
    .command("inject")
    .description(
      "put a policy's own code into a Xen without its source: a patched Image, its listing, and the way back",
    )
    .argument("[policy]", "a built-in policy or a .toml file")
    .requiredOption("--xen <file>", "the Xen, as it boots (an arm64 Image, unpacked or gzip's)")
    .option("--xen-syms <file>", "its xen-syms, with symbols (default: xen-syms beside it)")
    .option(
      "--cpu <cpu>",
      "the CPU that its conditions are decided for, built in or a .toml file (default: every feature)",
    )
    .requiredOption("-o, --output <file>", "where the Image goes, unpacked")
    .option("--undo <file>", "take out of --xen what this JSON of 'inject --json' says, and write the original")
    .option("--json", "print what was done as JSON, which --undo takes");
  command.action((policy: string | undefined, options: Options) => {
    if (options.undo === undefined) {
      if (policy === undefined) return command.error("error: missing argument 'policy'", { exitCode: 2 });
      put(policy, options);
    } else {
      if (policy !== undefined || options.cpu !== undefined || options.xenSyms !== undefined)
        command.error("error: --undo goes with --xen and --output alone", { exitCode: 2 });
      const { policy: name, words } = undoInjection(options.undo, options.xen, options.output);
      if (options.json) printJson({ undone: name, words });
      else print(`${options.output}: ${name} is out again, ${words} words; SHA-256 is the original's.\n`);
    }
  });
}

function put(name: string, options: Options): void {
  const { xen, output } = options;
  const beside = join(dirname(xen), "xen-syms");
  const xenSyms = options.xenSyms ?? (existsSync(beside) ? beside : undefined);
  if (xenSyms === undefined) throw new InputError(`${xen}: no xen-syms beside it; name it with --xen-syms`);
  const cpu = options.cpu === undefined ? profileOf("max") : loadCpu(options.cpu);
  const done = injectInto(loadPolicy(name), cpu, { xen, xenSyms, output });
  if (options.json) printJson({ ...injectionJson(done), base: done.base, sha256: done.sha256 });
  else print(injectionText(done, output, outputWidth()));
}
