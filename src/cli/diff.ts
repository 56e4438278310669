/**
 * `shootdown diff BEFORE AFTER`: what a change has made of a trace: TLBIs by call path, and what each run would cost. A policy
 * stands for the trace of its simulation.
 */
import type { Command } from "commander";
import { loadPolicy, loadScenario, namesPolicy, scenarioNames, usualHosts } from "../catalog/index.js";
import { differenceOf, PhasePrices, phaseNames, type TraceSide } from "../compare/index.js";
import type { Host } from "../host/index.js";
import { InputError } from "../input/index.js";
import { readProbe, readSide, simulateSide } from "../jobs/index.js";
import {
  differenceTable,
  differenceText,
  probeChanges,
  probeChangesText,
  probeChangeTable,
  SIMULATED,
} from "../report/index.js";
import type { ProbeResult } from "../stack/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { cpuOfAll, hostsNamed, hostsOption } from "./hosts.js";
import { noteUnchecked, partialOption, TRACE_ARGUMENT } from "./integrity.js";
import { collect, cpuOption, ipaBitsOption, ranOption, repeatOption, vcpusOption } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";

/** The report's own: a domain is created. */
const SCENARIO = "create-domu";

interface DiffOptions extends FormOptions {
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly phase?: readonly string[];
  readonly repeatTlbi?: boolean;
  readonly vcpus: number;
  readonly ran?: readonly number[];
  readonly partial?: boolean;
  readonly all?: boolean;
  readonly scenario?: string;
  readonly cpu?: string;
}

export function register(program: Command): void {
  const command = program
    .command("diff")
    .description(
      "compare two traces, or policies by their simulation: what differs in what they do, by call path, and in what that costs",
    )
    .argument("<before>", `${TRACE_ARGUMENT}; or a policy, built-in or a .toml file; or a probe's .json or .json.gz`)
    .argument("<after>", "another one")
    .option(
      "--scenario <scenario>",
      `what policies are simulated in: a built-in scenario or a .toml file (default: that of a simulated trace, or ${SCENARIO})`,
    )
    .addOption(cpuOption())
    .addOption(hostsOption())
    .addOption(ipaBitsOption([48]))
    .option("--phase <phase>", "only this phase; may be repeated (default: all)", collect)
    .addOption(repeatOption())
    .addOption(vcpusOption())
    .addOption(ranOption())
    .addOption(partialOption())
    .option("--all", "also show what is equal in both")
    .option("--json", "print JSON: all of it, what is equal too");
  withForms(command, "what differs, counts and prices,").action(
    async (before: string, after: string, options: DiffOptions, command: Command) => {
      if (before === "-" && after === "-") command.error("error: only one of the traces can be standard input");
      for (const name of ["scenario", "cpu"] as const)
        if (options[name] !== undefined && ![before, after].some(namesPolicy))
          command.error(`error: --${name} goes with a policy`);
      const probes = [before, after].map(readProbe);
      await quietOnBrokenPipe(() =>
        probes.some((probe) => probe) ? runProbes(probes, options) : run(before, after, options),
      );
    },
  );
}

async function run(before: string, after: string, options: DiffOptions): Promise<void> {
  const hosts = hostsNamed(options.host ?? usualHosts(), options.repeatTlbi);
  const [a, b] = await sides([before, after], hosts, options);
  refuseUnknown(options.phase ?? [], phaseNames(a.summary, b.summary));
  const difference = differenceOf(a, b, options.phase);
  const warnings = [a, b].flatMap((of) => of.warnings.map((sentence) => `${of.trace}: ${sentence}`));
  if (
    printForm(options, { csv: () => differenceTable(difference, options.all === true), notes: [SIMULATED], warnings })
  )
    return;
  if (options.json) printJson(difference);
  else print(differenceText(difference, outputWidth(), options.all));
}

/** Two probes: what the one kernel does that the other does not. */
async function runProbes([before, after]: readonly (ProbeResult | undefined)[], options: DiffOptions): Promise<void> {
  if (!before || !after) throw new InputError("a probe is compared with another probe, and with nothing else");
  const changes = probeChanges(before, after, options.all === true);
  if (printForm(options, { csv: () => probeChangeTable(changes) })) return;
  if (options.json) printJson({ before: before.kernel, after: after.kernel, changes });
  else print(probeChangesText(before, after, changes, outputWidth()));
}

/** Reads the traces; then makes those of policies, of the scenario that a simulated one is of, if there is no other wish. */
async function sides(
  names: readonly [string, string],
  hosts: readonly Host[],
  options: DiffOptions,
): Promise<readonly [TraceSide, TraceSide]> {
  const read = new Map<string, TraceSide>();
  for (const name of names) if (!namesPolicy(name) && !read.has(name)) read.set(name, await side(name, hosts, options));
  const of = [...read.values()][0]?.recording;
  const same = of?.source === "simulation" && scenarioNames().includes(of.scenario ?? "") ? of.scenario : undefined;
  const scenario = options.scenario ?? same ?? SCENARIO;
  const take = async (name: string): Promise<TraceSide> =>
    read.get(name) ?? (await made(name, scenario, hosts, options));
  return [await take(names[0]), await take(names[1])];
}

/** Reads a trace. */
async function side(trace: string, hosts: readonly Host[], options: DiffOptions): Promise<TraceSide> {
  const { ipaBits, vcpus, ran, partial } = options;
  const { side: read, info } = await readSide(trace, new PhasePrices(hosts, ipaBits, vcpus, ran), partial === true);
  noteUnchecked(trace, info);
  return read;
}

/** Simulates a policy. */
function made(policy: string, name: string, hosts: readonly Host[], options: DiffOptions): Promise<TraceSide> {
  const scenario = loadScenario(name);
  const vcpus = Math.min(options.vcpus, scenario.machine.pcpus);
  const prices = new PhasePrices(hosts, options.ipaBits, vcpus, options.ran);
  return simulateSide(scenario, loadPolicy(policy), cpuOfAll(hosts, options.cpu), prices);
}

function refuseUnknown(asked: readonly string[], known: readonly string[]): void {
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const expected = known.length > 0 ? known.join(", ") : "none: the traces have no events";
  throw new InputError(`--phase: neither trace has a phase '${unknown}', expected ${expected}`);
}
