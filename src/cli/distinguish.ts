/** `shootdown distinguish A B`: the smallest scenario in which one policy fails and the other does not. */
import type { Command } from "commander";
import { loadPolicy } from "../catalog/index.js";
import { cpusOf, distinguishInThreads, interruptible, made, occasionsOf } from "../jobs/index.js";
import { distinguishJson, distinguishTable, distinguishText } from "../report/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { collect, type LimitOptions, limitsOf, noCacheOption, queueOption, withLimits } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";

interface DistinguishOptions extends FormOptions, LimitOptions {
  readonly occasion?: readonly string[];
  readonly cpu?: readonly string[];
  readonly fb: boolean;
}

export function register(program: Command): void {
  const command = program
    .command("distinguish")
    .description("the smallest scenario in which one way of flushing fails and another does not")
    .argument("<policy>", "a built-in policy or a .toml file")
    .argument("<other>", "another one")
    .option("--cpu <profile>", "a CPU profile; may be repeated (default: all of them)", collect)
    .option("--occasion <occasion>", "an occasion of `prove`; may be repeated (default: all)", collect)
    .option("--no-fb", "as if the hypervisor left HCR_EL2.FB = 0")
    .option("--json", "print JSON");
  withForms(withLimits(command).addOption(noCacheOption()).addOption(queueOption()), "a row for each scenario").action(
    (a: string, b: string, options: DistinguishOptions) => quietOnBrokenPipe(() => run(a, b, options)),
  );
}

async function run(a: string, b: string, options: DistinguishOptions): Promise<void> {
  const policies = [loadPolicy(a), loadPolicy(b)] as const;
  const found = await interruptible((signal) =>
    distinguishInThreads(
      policies,
      occasionsOf(options.occasion),
      cpusOf(options.cpu),
      { fb: options.fb },
      limitsOf(options),
      signal,
    ),
  );
  if (printForm(options, { csv: () => distinguishTable(found) })) return;
  if (options.json) printJson(distinguishJson(found, made()));
  else print(distinguishText(found, outputWidth(), made()));
}
