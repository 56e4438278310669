/** `shootdown simulate SCENARIO --policy P -o FILE`: writes the trace of a scenario under a policy. */
import { setImmediate } from "node:timers/promises";
import type { Command } from "commander";
import { loadHost, loadPolicy, loadScenario } from "../catalog/index.js";
import { PhasePrices } from "../compare/index.js";
import { hypervisorOf } from "../hypervisor/index.js";
import { visibleLine } from "../input/index.js";
import { count } from "../report/index.js";
import { writeTrace } from "../trace/file.js";
import { cpuOn, cpuOption, ipaBitsOption, repeatOption, withRepeat } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";
import { priceRows, priceText } from "./price.js";
import { interruptibleInto, Progress } from "./progress.js";

interface SimulateOptions {
  readonly policy: string;
  readonly host?: string;
  readonly ipaBits: readonly number[];
  readonly cpu?: string;
  readonly repeatTlbi?: boolean;
  readonly output: string;
  readonly json?: boolean;
}

/** Whose CPU the hypervisor sees when no host is named: the report's machine. */
const DEFAULT_HOST = "kvm-nested-7.2";

export function register(program: Command): void {
  program
    .command("simulate")
    .description("simulate a scenario under a policy and write its trace")
    .argument("<scenario>", "a built-in scenario or a .toml file")
    .requiredOption("-p, --policy <policy>", "a built-in policy or a .toml file")
    .requiredOption(
      "-o, --output <file>",
      "where the trace goes: *.parquet, *.ndjson, or - for NDJSON on standard output",
    )
    .option("--host <host>", "also price the trace on this host, and take its CPU")
    .addOption(ipaBitsOption([48]))
    .addOption(cpuOption())
    .addOption(repeatOption())
    .option("--json", "print the summary as JSON")
    .action((scenario: string, options: SimulateOptions) => quietOnBrokenPipe(() => run(scenario, options)));
}

async function run(name: string, options: SimulateOptions): Promise<void> {
  const scenario = loadScenario(name);
  const policy = loadPolicy(options.policy);
  const cpu = cpuOn(loadHost(options.host ?? DEFAULT_HOST), options.cpu);
  const hosts = options.host === undefined ? [] : [withRepeat(loadHost(options.host), options.repeatTlbi)];
  const prices = new PhasePrices(hosts, options.ipaBits, scenario.machine.pcpus);
  const events = await interruptibleInto(options.output, async (signal) => {
    const trace = await writeTrace(
      options.output,
      `shootdown simulate ${scenario.name} --policy ${policy.name} --cpu ${cpu.name}`,
    );
    const progress = new Progress("events");
    try {
      const steps = hypervisorOf(scenario).simulation(scenario, cpu, [
        { policy, sinks: hosts.length > 0 ? [trace, prices] : [trace] },
      ]);
      let step = steps.next();
      for (; !step.done; step = steps.next()) {
        await setImmediate();
        signal.throwIfAborted();
        progress.update(step.value, 0);
      }
      const repeatTlbi = cpu.errata.has("repeat-tlbi");
      trace.describe({ source: "simulation", cpu: { profile: cpu.name, repeatTlbi }, scenario: scenario.name });
      trace.close();
      return step.value.events[0]!;
    } catch (error) {
      trace.abort();
      throw error;
    } finally {
      progress.stop();
    }
  });
  const rows = hosts.length > 0 ? priceRows(prices) : [];
  const tell = options.output === "-" ? say : print;
  if (options.json) {
    if (options.output !== "-")
      printJson({ trace: options.output, scenario: scenario.name, policy: policy.name, cpu: cpu.name, events, rows });
  } else if (hosts.length > 0)
    tell(priceText(options.output, prices, "checked", hosts, options.ipaBits, outputWidth()));
  else
    tell(
      `${visibleLine(options.output)}: ${count(events)} events of ${scenario.name} under ${policy.name} on ${cpu.name}\n`,
    );
}
