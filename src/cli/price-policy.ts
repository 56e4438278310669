/** `shootdown price POLICY`: what each occasion costs by itself. */
import { type Command, Option } from "commander";
import { loadPolicy } from "../catalog/index.js";
import { priceOccasions } from "../compare/index.js";
import { type Host, ipaNotes } from "../host/index.js";
import { occasionsOf } from "../jobs/index.js";
import { occasionsText, occasionTable, SIMULATED } from "../report/index.js";
import { type FormOptions, printForm } from "./forms.js";
import { cpuOfAll } from "./hosts.js";
import { collect, cpuOption, numberFromTo } from "./options.js";
import { outputWidth, print, printJson } from "./output.js";

/** What is asked of a policy alone. */
export interface PolicyOptions extends FormOptions {
  readonly cpu?: string;
  readonly occasion?: readonly string[];
  readonly pages: number;
  readonly touched: number;
  readonly ipaBits: readonly number[];
}

const OF_POLICY = ["cpu", "occasion", "pages", "touched"];
const OF_TRACE = ["vcpus", "ran", "partial", "set", "tornado", "output", "report"];

/** Adds the options of {@link PolicyOptions} that a trace does not have. */
export const withPolicy = (command: Command): Command =>
  command
    .addOption(cpuOption())
    .option("--occasion <occasion>", "of a policy, an occasion as of prove; may be repeated (default: all)", collect)
    .addOption(
      new Option("--pages <n>", "of a policy, 4 KiB pages that an occasion is about, up to 512")
        .default(1)
        .argParser(numberFromTo(1, 512)),
    )
    .addOption(
      new Option("--touched <n>", "of a policy, other pages that the guest has touched, up to 65536")
        .default(512)
        .argParser(numberFromTo(0, 65536)),
    );

/** Refuses options that go with the other kind of thing to price: wrong usage. */
export function checkPolicyOptions(command: Command, isPolicy: boolean): void {
  const given = (name: string): boolean => !["default", undefined].includes(command.getOptionValueSource(name));
  const wrong = (isPolicy ? OF_TRACE : OF_POLICY).find(given);
  const flag = command.options.find((option) => option.attributeName() === wrong)?.long;
  if (flag) command.error(`error: ${flag} goes with a ${isPolicy ? "trace" : "policy"}`);
}

/** Prices each occasion of a policy on these hosts. */
export function pricePolicy(name: string, hosts: readonly Host[], options: PolicyOptions): void {
  const policy = loadPolicy(name);
  const cpu = cpuOfAll(hosts, options.cpu);
  const { pages, touched, ipaBits } = options;
  const about = { pages, touched };
  const occasions = occasionsOf(options.occasion);
  const priced = {
    ...{ policy: policy.name, cpu: cpu.name, ...about },
    ...priceOccasions({ policy, cpu, occasions, hosts, ipaBits, ...about }),
  };
  const notes = ipaNotes(hosts, ipaBits);
  if (printForm(options, { csv: () => occasionTable(priced), notes: [SIMULATED, ...notes] })) return;
  if (options.json) printJson({ ...priced, notes });
  else print(occasionsText(priced, notes, outputWidth()));
}
