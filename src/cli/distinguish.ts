/** `shootdown distinguish A B`: the smallest scenario in which one policy fails and the other does not; or two CPUs' sequences. */
import { type Command, Option } from "commander";
import { loadPolicy } from "../catalog/index.js";
import {
  cpusOf,
  distinguishCpus,
  distinguishInThreads,
  interruptible,
  lengthOn,
  made,
  occasionsOf,
} from "../jobs/index.js";
import {
  cpusDistinguishedJson,
  cpusDistinguishedTable,
  cpusDistinguishedText,
  distinguishJson,
  distinguishTable,
  distinguishText,
} from "../report/index.js";
import { alphabet } from "../synth/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import {
  collect,
  type LimitOptions,
  limitsOf,
  noCacheOption,
  numberUpTo,
  queueOption,
  type SettingOptions,
  settingOf,
  withLimits,
  withSetting,
} from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";

interface DistinguishOptions extends FormOptions, LimitOptions, SettingOptions {
  readonly occasion?: readonly string[];
  readonly cpu?: readonly string[];
  readonly length?: number;
  readonly base: string;
}

/** Whose length is the default, and longer ones than anybody waits for. */
const LENGTH_OF = "kvm-ipa";
const MOST = 16;

export function register(program: Command): void {
  const command = program
    .command("distinguish")
    .description(
      "the smallest scenario in which one way of flushing fails and another does not; of two CPUs the sequences whose verdict differs",
    )
    .argument("[policy]", "a built-in policy or a .toml file; none: two CPUs are told apart, for an occasion")
    .argument("[other]", "another one")
    .option("--cpu <profile>", "a CPU profile; may be repeated (default: all of them)", collect)
    .option("--occasion <occasion>", "an occasion of `prove`; may be repeated (default: all)", collect)
    .addOption(
      new Option(
        "--length <n>",
        `of two CPUs: most instructions of a sequence (default: as many as ${LENGTH_OF} has)`,
      ).argParser(numberUpTo(MOST)),
    )
    .option("--base <policy>", "of two CPUs: a policy for all that is not searched", "xen-today")
    .option("--json", "print JSON");
  withForms(
    withLimits(withSetting(command)).addOption(noCacheOption()).addOption(queueOption()),
    "a row for each",
  ).action((a: string | undefined, b: string | undefined, options: DistinguishOptions) =>
    quietOnBrokenPipe(() => {
      if (a === undefined) return ofCpus(options, command);
      if (b === undefined) return command.error("error: distinguish: expected two policies, or none and two of --cpu");
      for (const name of ["length", "base"])
        if (command.getOptionValueSource(name) === "cli")
          command.error(`error: --${name} goes with two CPUs and no policy`);
      return run(a, b, options);
    }),
  );
}

async function ofCpus(options: DistinguishOptions, command: Command): Promise<void> {
  const [occasion, more] = options.occasion === undefined ? [] : occasionsOf(options.occasion);
  const cpus = options.cpu === undefined ? [] : cpusOf(options.cpu);
  if (occasion === undefined || more !== undefined || cpus.length !== 2)
    command.error("error: distinguish: expected two policies; or, for two CPUs, --cpu twice and one --occasion");
  const length = options.length ?? lengthOn(loadPolicy(LENGTH_OF), { occasion, cpus });
  const setting = settingOf(options);
  const space = {
    base: loadPolicy(options.base),
    occasion,
    cpus,
    setting,
    length,
    instructions: alphabet(occasion, cpus),
  };
  const found = await interruptible((signal) => distinguishCpus(space, limitsOf(options), signal));
  if (printForm(options, { csv: () => cpusDistinguishedTable(found) })) return;
  if (options.json) printJson(cpusDistinguishedJson(found, made()));
  else print(cpusDistinguishedText(found, outputWidth(), made()));
}

async function run(a: string, b: string, options: DistinguishOptions): Promise<void> {
  const policies = [loadPolicy(a), loadPolicy(b)] as const;
  const found = await interruptible((signal) =>
    distinguishInThreads(
      policies,
      occasionsOf(options.occasion),
      cpusOf(options.cpu),
      settingOf(options),
      limitsOf(options),
      signal,
    ),
  );
  if (printForm(options, { csv: () => distinguishTable(found) })) return;
  if (options.json) printJson(distinguishJson(found, made()));
  else print(distinguishText(found, outputWidth(), made()));
}
