/** `shootdown price TRACE`: what a trace costs on hosts, phase by phase. */
import type { Command } from "commander";
import { hostNames, loadHost } from "../catalog/index.js";
import { PhasePrices } from "../compare/index.js";
import { type Counts, type Host, price } from "../host/index.js";
import { count, duration, durationRange, tally, textTable } from "../report/index.js";
import { readTrace } from "../trace/file.js";
import type { ColumnName } from "../trace/index.js";
import { collect, ipaBitsOption, repeatOption, vcpusOption, withRepeat } from "./options.js";
import { outputWidth, printJson, quietOnBrokenPipe } from "./output.js";
import { interruptible, Progress } from "./progress.js";

/** Columns of a trace that a price depends on. */
const COLUMNS: readonly ColumnName[] = ["kind", "pcpu", "name", "vmid", "level", "from", "to"];

interface PriceOptions {
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly repeatTlbi?: boolean;
  readonly vcpus: number;
  readonly json?: boolean;
}

/** One line of the answer: `phase` is "total" for the whole trace. Prices in microseconds of simulated time. */
export interface PriceRow extends ReturnType<typeof price> {
  readonly phase: string;
  readonly host: string;
  readonly ipaBits: number;
  readonly tlbi: Counts["tlbi"];
  readonly hardwareTlbi: Counts["hardwareTlbi"];
  readonly hypercalls: Counts["hypercalls"];
  readonly leavesDropped: number;
  readonly refaults: number;
}

export function register(program: Command): void {
  program
    .command("price")
    .description("price a trace on hosts, phase by phase")
    .argument("<trace>", "a trace: *.parquet, *.ndjson, or - for NDJSON on standard input")
    .option("--host <host>", "a built-in host or a .toml file; may be repeated (default: all built in)", collect)
    .addOption(ipaBitsOption([48]))
    .addOption(repeatOption())
    .addOption(vcpusOption())
    .option("--json", "print JSON")
    .action((trace: string, options: PriceOptions) => quietOnBrokenPipe(() => run(trace, options)));
}

async function run(trace: string, options: PriceOptions): Promise<void> {
  const hosts = (options.host ?? hostNames()).map(loadHost).map((host) => withRepeat(host, options.repeatTlbi));
  const sink = new PhasePrices(hosts, options.ipaBits, options.vcpus);
  const progress = new Progress("events");
  try {
    await interruptible((signal) =>
      readTrace(trace, [sink], {
        columns: COLUMNS,
        signal,
        progress: (read, of) => void progress.update(read, of ?? 0),
      }),
    );
  } finally {
    progress.stop();
  }
  const rows = priceRows(sink);
  if (options.json) printJson({ trace, events: sink.seen, rows });
  else process.stdout.write(priceText(trace, sink.seen, rows, outputWidth()));
}

/** The prices that a sink has found: each phase, then the total, on each host. */
export function priceRows(sink: PhasePrices): PriceRow[] {
  const row = (phase: string, host: Host, ipaBits: number, counts: Counts): PriceRow => ({
    phase,
    host: host.name,
    ipaBits,
    ...price(counts, host),
    tlbi: counts.tlbi,
    hardwareTlbi: counts.hardwareTlbi,
    hypercalls: counts.hypercalls,
    leavesDropped: counts.leavesDropped,
    refaults: counts.refaults,
  });
  return [
    ...sink.phases().map(({ phase, host, ipaBits, counts }) => row(phase, host, ipaBits, counts)),
    ...sink.total().map(({ host, ipaBits, counts }) => row("total", host, ipaBits, counts)),
  ];
}

/** The prices as tables for a terminal of `width` columns. */
export function priceText(trace: string, events: number, rows: readonly PriceRow[], width: number): string {
  const phases = [...new Set(rows.map((row) => row.phase))];
  const shown = rows.filter((row, i) => isNested(row) || rows.findIndex((r) => sameBut(r, row)) === i);
  const table = textTable(
    ["phase", "host", "bits", "price", "range", "refaults"],
    shown.map((row) => [
      row.phase,
      row.host,
      isNested(row) ? String(row.ipaBits) : "any",
      duration(row.microseconds),
      durationRange(...row.microsecondsRange),
      count(row.refaults),
    ]),
    { width, align: ["left", "left", "right", "right", "right", "right"] },
  );
  const executed = textTable(
    ["phase", "TLBIs that the hypervisor executed"],
    phases.map((phase) => [phase, tally(rows.find((row) => row.phase === phase)!.tlbi) || "none"]),
    { width },
  );
  return `${trace}: ${count(events)} events. Prices are simulated time, never measurements.\n\n${table}\n${executed}`;
}

const isNested = (row: PriceRow): boolean => row.rest !== null;
const sameBut = (a: PriceRow, b: PriceRow): boolean => a.phase === b.phase && a.host === b.host;
