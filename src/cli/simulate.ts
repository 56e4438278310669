/** `shootdown simulate SCENARIO --policy P -o FILE`: writes the trace of a scenario under a policy. */
import type { Command } from "commander";
import { loadHost, loadPolicy, loadScenario } from "../catalog/index.js";
import { PhasePrices, priceRows } from "../compare/index.js";
import { ipaNotes } from "../host/index.js";
import { visibleLine } from "../input/index.js";
import { simulateInto } from "../jobs/index.js";
import { count, priceTable, priceText, SIMULATED, simulationTable, type Table } from "../report/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { cpuOfAll, hostsNamed, hostsOption } from "./hosts.js";
import { cpuOption, ipaBitsOption, repeatOption } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";

interface SimulateOptions extends FormOptions {
  readonly policy: string;
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly cpu?: string;
  readonly repeatTlbi?: boolean;
  readonly output: string;
}

/** Whose CPU the hypervisor sees when no host is named: the report's machine. */
const DEFAULT_HOST = "kvm-nested-7.2";

export function register(program: Command): void {
  const command = program
    .command("simulate")
    .description("simulate a scenario under a policy and write its trace")
    .argument("<scenario>", "a built-in scenario or a .toml file")
    .requiredOption("-p, --policy <policy>", "a built-in policy or a .toml file")
    .requiredOption(
      "-o, --output <file>",
      "where the trace goes: *.parquet, *.ndjson, or - for NDJSON on standard output",
    )
    .addOption(hostsOption("also price the trace on this host, and take its CPU", "none"))
    .addOption(ipaBitsOption([48]))
    .addOption(cpuOption())
    .addOption(repeatOption())
    .option("--json", "print the summary as JSON");
  withForms(command, "the summary").action((scenario: string, options: SimulateOptions) =>
    quietOnBrokenPipe(() => run(scenario, options)),
  );
}

async function run(name: string, options: SimulateOptions): Promise<void> {
  const scenario = loadScenario(name);
  const policy = loadPolicy(options.policy);
  const hosts = hostsNamed(options.host ?? [], options.repeatTlbi);
  const cpu = cpuOfAll(hosts.length > 0 ? hosts : [loadHost(DEFAULT_HOST)], options.cpu);
  const prices = new PhasePrices(hosts, options.ipaBits, scenario.machine.pcpus);
  const sinks = hosts.length > 0 ? [prices] : [];
  const events = await simulateInto(options.output, scenario, policy, cpu, sinks);
  const rows = hosts.length > 0 ? priceRows(prices) : [];
  const notes = ipaNotes(hosts, options.ipaBits);
  const { output: trace } = options;
  const about = { trace, scenario: scenario.name, policy: policy.name, cpu: cpu.name, events };
  const onlyTrace = trace === "-"; // standard output has the trace, and nothing else
  if (options.json || options.csv || options.markdown) {
    const table = (): Table => (hosts.length > 0 ? priceTable(rows) : simulationTable(about));
    if (!onlyTrace && !printForm(options, { csv: table, notes: hosts.length > 0 ? [SIMULATED, ...notes] : [] }))
      printJson({ ...about, rows });
    return;
  }
  const text =
    hosts.length > 0
      ? priceText({ trace, events, integrity: "checked", rows, vmidsRun: prices.vmidsRun(), notes }, outputWidth())
      : `${visibleLine(trace)}: ${count(events)} events of ${scenario.name} under ${policy.name} on ${cpu.name}\n`;
  (onlyTrace ? say : print)(text);
}
