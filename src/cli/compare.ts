/** `shootdown compare`: every scenario under every policy on every host, as tables, as JSON and as an HTML report. */
import { type Command, Option } from "commander";
import { loadHost, loadPolicy, loadScenario, policyNames, scenarioNames, usualHosts } from "../catalog/index.js";
import type { CompareResult, Comparison, PricedCapture } from "../compare/index.js";
import { writeWhole } from "../files/index.js";
import { visibleLine } from "../input/index.js";
import {
  compareInThreads,
  earlyThreads,
  interruptible,
  interruptibleInto,
  keptFor,
  made,
  priceCaptures,
} from "../jobs/index.js";
import { compareForms, compareJson, compareTables, notSound, renderReport } from "../report/index.js";
import { printForm, withForms } from "./forms.js";
import {
  collect,
  cpuOption,
  cpusOn,
  expectOption,
  ipaBitsOption,
  loadAll,
  noCacheOption,
  repeatOption,
  withRepeat,
} from "./options.js";
import { expectSound, outputWidth, print, printJson } from "./output.js";
import { isSwept, type SweepOptions, sweepComparison, sweepOptions } from "./sweep.js";

interface CompareOptions extends SweepOptions {
  readonly policy?: readonly string[];
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly cpu?: string;
  readonly repeatTlbi?: boolean;
  readonly prove: boolean;
  readonly cache: boolean;
  readonly expect?: "sound";
}

export function register(program: Command): void {
  const command = program
    .command("compare")
    .description("what each way of flushing does and costs, and whether it is safe: scenarios under policies on hosts")
    .argument("[scenario...]", "built-in scenarios or .toml files (default: all built in)", collect)
    .option(
      "-p, --policy <policy>",
      "a built-in policy or a .toml file; may be repeated (default: all built in)",
      collect,
    )
    .option("--host <host>", "a built-in host or a .toml file; may be repeated (default: the usual ones)", collect)
    .addOption(ipaBitsOption([40, 44, 48]))
    .addOption(cpuOption())
    .addOption(repeatOption())
    .addOption(expectOption().conflicts(["set", "tornado"]))
    .addOption(new Option("--no-prove", "prices only: do not ask whether the policies are safe").conflicts("expect"))
    .addOption(noCacheOption())
    .option("--json", "print JSON")
    .option("--report <file>", "also write one self-contained HTML file");
  for (const option of sweepOptions()) command.addOption(option);
  withForms(command, "a row for each price").action(async (scenarios: string[], options: CompareOptions) => {
    const kept = keptFor(options.cache);
    if (isSwept(options)) return sweepComparison(comparisonOf(scenarios, options), options.prove, kept, options);
    // What is built in takes long enough that the threads may load meanwhile, and cannot be refused.
    const builtIn = scenarios.length === 0 && options.policy === undefined && options.host === undefined;
    const early = builtIn ? earlyThreads(options.prove, kept) : undefined;
    const comparison = comparisonOf(scenarios, options);
    const result = await interruptible((signal) => compareInThreads(comparison, options.prove, signal, kept, early));
    const { report } = options;
    if (report !== undefined) {
      // Recorded runs belong to the whole report, not to a question about one scenario.
      const captures = scenarios.length > 0 ? [] : await capturesOn(comparison);
      await interruptibleInto(report, async () => writeWhole(report, await renderReport(result, captures, made())));
    }
    printResult(result, options);
    if (options.expect !== undefined) expectSound(notSound(result));
  });
}

function printResult(result: CompareResult, options: CompareOptions): void {
  if (printForm(options, compareForms(result, made()))) return;
  if (options.json) printJson(compareJson(result, made()));
  else {
    print(compareTables(result, outputWidth(), made()));
    if (options.report !== undefined) print(`\nThe report stands in ${visibleLine(options.report)}\n`);
  }
}

async function capturesOn({ hosts, ipaBits }: Comparison): Promise<PricedCapture[]> {
  return interruptible((signal) => priceCaptures(hosts, ipaBits, signal));
}

function comparisonOf(scenarios: readonly string[], options: CompareOptions): Comparison {
  const hosts = loadAll("hosts", options.host ?? usualHosts(), loadHost);
  return {
    scenarios: loadAll("scenarios", scenarios.length > 0 ? scenarios : scenarioNames(), loadScenario),
    policies: loadAll("policies", options.policy ?? policyNames(), loadPolicy),
    hosts: hosts.map((host) => withRepeat(host, options.repeatTlbi)),
    ipaBits: options.ipaBits,
    cpuOf: cpusOn(hosts, options.cpu),
  };
}
