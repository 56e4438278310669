/** `shootdown minimize POLICY`: what of a way of flushing is needed, and what is left when the rest goes. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { loadPolicy, loadScenario, usualHosts } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { visibleLine } from "../input/index.js";
import {
  cpusOf,
  interruptible,
  interruptibleInto,
  made,
  minimizeInThreads,
  occasionsOf,
  scenarioOf,
} from "../jobs/index.js";
import { OCCASIONS, type Occasion, policyFile } from "../policy/index.js";
import { minimizeJson, minimizeTable, minimizeText } from "../report/index.js";
import { minimizedOccasions } from "../synth/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { hostsNamed, hostsOption } from "./hosts.js";
import {
  collect,
  cpusOn,
  ipaBitsOption,
  type LimitOptions,
  limitsOf,
  noCacheOption,
  queueOption,
  type SettingOptions,
  settingOf,
  withLimits,
  withSetting,
} from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";

interface MinimizeOptions extends FormOptions, LimitOptions, SettingOptions {
  readonly occasion?: readonly Occasion[];
  readonly cpu?: readonly string[];
  readonly witness?: boolean;
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly scenario?: readonly string[];
  readonly output?: string;
}

const NAMES = Object.keys(OCCASIONS) as Occasion[];

export function register(program: Command): void {
  const command = program
    .command("minimize")
    .description(
      "which instructions of a way of flushing are needed, which are stronger than needed, and which can go?",
    )
    .argument("<policy>", "a built-in policy or a .toml file")
    .addOption(
      new Option("--occasion <occasion>", `one of ${NAMES.join(", ")}; may be repeated (default: all)`).argParser(
        occasionOf,
      ),
    )
    .option("--cpu <profile>", "a CPU profile; may be repeated (default: all of them)", collect)
    .option("--witness", "tell what goes wrong without each instruction that is needed")
    .addOption(hostsOption("price what is saved on a built-in host or a .toml file"))
    .addOption(ipaBitsOption([40]))
    .option(
      "--scenario <scenario>",
      "price it in this scenario; may be repeated (default: one for each occasion)",
      collect,
    )
    .option("-o, --output <file>", "write the policy that results")
    .option("--json", "print JSON");
  withForms(
    withLimits(withSetting(command)).addOption(noCacheOption()).addOption(queueOption()),
    "a row for each instruction",
  ).action((name: string, options: MinimizeOptions) => quietOnBrokenPipe(() => run(name, options)));
}

function occasionOf(value: string, before: readonly Occasion[] | undefined): readonly Occasion[] {
  const names = collect(value, undefined);
  for (const name of names)
    if (!(NAMES as string[]).includes(name)) throw new InvalidArgumentError(`Expected one of ${NAMES.join(", ")}.`);
  return [...(before ?? []), ...(names as Occasion[])];
}

async function run(name: string, options: MinimizeOptions): Promise<void> {
  const policy = loadPolicy(name);
  const cpus = cpusOf(options.cpu);
  const hosts = hostsNamed(options.host ?? usualHosts(), undefined);
  const alone = cpus.length === 1 ? cpus[0]!.name : undefined;
  const wanted = minimizedOccasions(policy).filter((occasion) => options.occasion?.includes(occasion) ?? true);
  const scenarios = options.scenario?.map(loadScenario) ?? wanted.flatMap((occasion) => scenarioOf(occasion) ?? []);
  const saving = {
    ...{ hosts, ipaBits: options.ipaBits, cpuOf: (host: (typeof hosts)[number]) => cpusOn([host], alone)(host) },
    scenarios: [...new Map(scenarios.map((scenario) => [scenario.name, scenario])).values()],
  };
  const setting = settingOf(options);
  const asked = { occasions: occasionsOf(undefined), cpus, setting };
  const found = await interruptible((signal) =>
    minimizeInThreads(policy, options.occasion, asked, limitsOf(options), saving, signal),
  );
  const { output } = options;
  const { result } = found;
  if (output !== undefined && result !== undefined)
    await interruptibleInto(output, async () => writeWhole(output, policyFile(result)));
  if (printForm(options, { csv: () => minimizeTable(found) })) return;
  if (options.json) return printJson(minimizeJson(found, made()));
  print(minimizeText(found, { width: outputWidth(), witness: options.witness === true, made: made() }));
  if (output !== undefined && result !== undefined) print(`\nThe policy stands in ${visibleLine(output)}\n`);
}
