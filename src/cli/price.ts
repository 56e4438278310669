/** `shootdown price TRACE|POLICY`: what a trace costs on hosts, phase by phase, or a policy, occasion by occasion. */
import { type Command, Option } from "commander";
import { namesPolicy, usualHosts } from "../catalog/index.js";
import { PhasePrices, priceRows } from "../compare/index.js";
import { type Host, ipaNotes } from "../host/index.js";
import { besideCounts, readWithProgress } from "../jobs/index.js";
import { priceTable, priceText, SIMULATED, warningText } from "../report/index.js";
import { type ColumnName, HOST_WORK_COLUMNS, HostSumming } from "../trace/index.js";
import { printForm, withForms } from "./forms.js";
import { hostsNamed, hostsOption } from "./hosts.js";
import { noteUnchecked, partialOption, TRACE_ARGUMENT } from "./integrity.js";
import { goesWith, ipaBitsOption, ranOption, repeatOption, vcpusOption } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";
import { checkPolicyOptions, type PolicyOptions, pricePolicy, withPolicy } from "./price-policy.js";
import { isSwept, type SweepOptions, sweepOptions, sweepPrices } from "./sweep.js";

/** Columns of a trace that a price depends on, and what a host that was counted did. */
const COLUMNS: readonly ColumnName[] = [
  ...(["kind", "pcpu", "name", "domain", "vmid", "level", "before", "after"] as const),
  ...HOST_WORK_COLUMNS.filter((name) => name !== "kind" && name !== "name"),
];

interface PriceOptions extends SweepOptions, PolicyOptions {
  readonly host?: readonly string[];
  readonly repeatTlbi?: boolean;
  readonly vcpus: number;
  readonly ran?: readonly number[];
  readonly partial?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command("price")
    .description("price a trace on hosts, phase by phase; or a policy, occasion by occasion")
    .argument("<trace|policy>", `${TRACE_ARGUMENT}; or a policy, built in or a .toml file`)
    .addOption(hostsOption())
    .addOption(ipaBitsOption([48]))
    .addOption(repeatOption())
    .addOption(vcpusOption())
    .addOption(ranOption())
    .addOption(partialOption())
    .option("--json", "print JSON");
  for (const option of [
    ...sweepOptions(),
    new Option("--report <file>", "with --set or --tornado: also write one self-contained HTML file"),
  ])
    command.addOption(option);
  const whole = withForms(withPolicy(command), "the prices of each phase or occasion");
  whole.action((trace: string, options: PriceOptions, command: Command) => {
    checkPolicyOptions(command, namesPolicy(trace));
    goesWith(command, ["report"], ["set", "tornado"]);
    return quietOnBrokenPipe(() => run(trace, options));
  });
}

async function run(trace: string, options: PriceOptions): Promise<void> {
  const hosts = hostsNamed(options.host ?? usualHosts(), options.repeatTlbi);
  if (namesPolicy(trace)) return pricePolicy(trace, hosts, options);
  const read = async (on: readonly Host[], ipaBits: readonly number[]) => {
    const sink = new PhasePrices(on, ipaBits, options.vcpus, options.ran);
    const part = { columns: COLUMNS, partial: options.partial === true };
    const work = new HostSumming();
    const { info, warnings } = await readWithProgress(trace, [sink, work], part);
    noteUnchecked(trace, info);
    return { sink, work, info, warnings, integrity: info.integrity, rows: priceRows(sink) };
  };
  if (isSwept(options)) return sweepPrices(hosts, options.ipaBits, options, read);
  const { sink, work, info, warnings, integrity, rows } = await read(hosts, options.ipaBits);
  const host = await besideCounts(trace, work, info.recording);
  const [events, vmidsRun, notes] = [sink.seen, sink.vmidsRun(), ipaNotes(hosts, options.ipaBits)];
  if (printForm(options, { csv: () => priceTable(rows), notes: [SIMULATED, ...notes], warnings })) return;
  if (options.json)
    printJson({ trace, events, vmidsRun, notes, integrity, warnings, rows, ...(host.length > 0 ? { host } : {}) });
  else {
    const width = outputWidth();
    print(warningText(warnings, width) + priceText({ trace, events, integrity, rows, vmidsRun, notes, host }, width));
  }
}
