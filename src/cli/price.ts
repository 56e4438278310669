/** `shootdown price TRACE`: what a trace costs on hosts, phase by phase. */
import type { Command } from "commander";
import { hostNames } from "../catalog/index.js";
import { PhasePrices, priceRows } from "../compare/index.js";
import { ipaNotes } from "../host/index.js";
import { readWithProgress } from "../jobs/index.js";
import { priceTable, priceText, SIMULATED, warningText } from "../report/index.js";
import type { ColumnName } from "../trace/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { hostsNamed, hostsOption } from "./hosts.js";
import { noteUnchecked, partialOption, TRACE_ARGUMENT } from "./integrity.js";
import { ipaBitsOption, ranOption, repeatOption, vcpusOption } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";

/** Columns of a trace that a price depends on. */
const COLUMNS: readonly ColumnName[] = ["kind", "pcpu", "name", "domain", "vmid", "level", "before", "after"];

interface PriceOptions extends FormOptions {
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly repeatTlbi?: boolean;
  readonly vcpus: number;
  readonly ran?: readonly number[];
  readonly partial?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command("price")
    .description("price a trace on hosts, phase by phase")
    .argument("<trace>", TRACE_ARGUMENT)
    .addOption(hostsOption())
    .addOption(ipaBitsOption([48]))
    .addOption(repeatOption())
    .addOption(vcpusOption())
    .addOption(ranOption())
    .addOption(partialOption())
    .option("--json", "print JSON");
  withForms(command, "the prices of each phase").action((trace: string, options: PriceOptions) =>
    quietOnBrokenPipe(() => run(trace, options)),
  );
}

async function run(trace: string, options: PriceOptions): Promise<void> {
  const hosts = hostsNamed(options.host ?? hostNames(), options.repeatTlbi);
  const sink = new PhasePrices(hosts, options.ipaBits, options.vcpus, options.ran);
  const part = { columns: COLUMNS, partial: options.partial === true };
  const { info, warnings } = await readWithProgress(trace, [sink], part);
  const { integrity } = info;
  noteUnchecked(trace, info);
  const [events, vmidsRun, notes] = [sink.seen, sink.vmidsRun(), ipaNotes(hosts, options.ipaBits)];
  const rows = priceRows(sink);
  if (printForm(options, { csv: () => priceTable(rows), notes: [SIMULATED, ...notes], warnings })) return;
  if (options.json) printJson({ trace, events, vmidsRun, notes, integrity, warnings, rows });
  else {
    const width = outputWidth();
    print(warningText(warnings, width) + priceText({ trace, events, integrity, rows, vmidsRun, notes }, width));
  }
}
