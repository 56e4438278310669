/** `shootdown price TRACE`: what a trace costs on hosts, phase by phase. */
import type { Command } from "commander";
import { hostNames, loadHost } from "../catalog/index.js";
import { PhasePrices, TOTAL } from "../compare/index.js";
import { type Counts, type Host, ipaNotes, price } from "../host/index.js";
import {
  type Align,
  byHost,
  count,
  duration,
  durationRange,
  HOST_ALIGN,
  HOST_HEADS,
  hostCells,
  integrityWords,
  noShadowText,
  tally,
  textTable,
  warningText,
  wrapped,
} from "../report/index.js";
import type { ColumnName, TraceInfo } from "../trace/index.js";
import { noteUnchecked, partialOption } from "./integrity.js";
import { collect, ipaBitsOption, ranOption, repeatOption, vcpusOption, withRepeat } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";
import { readWithProgress } from "./read.js";

/** Columns of a trace that a price depends on. */
const COLUMNS: readonly ColumnName[] = ["kind", "pcpu", "name", "domain", "vmid", "level", "from", "to"];

interface PriceOptions {
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly repeatTlbi?: boolean;
  readonly vcpus: number;
  readonly ran?: readonly number[];
  readonly partial?: boolean;
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
  readonly noShadow: Counts["noShadow"];
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
    .addOption(ranOption())
    .addOption(partialOption())
    .option("--json", "print JSON")
    .action((trace: string, options: PriceOptions) => quietOnBrokenPipe(() => run(trace, options)));
}

async function run(trace: string, options: PriceOptions): Promise<void> {
  const hosts = (options.host ?? hostNames()).map(loadHost).map((host) => withRepeat(host, options.repeatTlbi));
  const sink = new PhasePrices(hosts, options.ipaBits, options.vcpus, options.ran);
  const { info, warnings } = await readWithProgress(trace, [sink], {
    columns: COLUMNS,
    partial: options.partial === true,
  });
  noteUnchecked(trace, info);
  const notes = ipaNotes(hosts, options.ipaBits);
  if (options.json)
    printJson({
      trace,
      events: sink.seen,
      vmidsRun: sink.vmidsRun(),
      notes,
      integrity: info.integrity,
      warnings,
      rows: priceRows(sink),
    });
  else
    print(
      warningText(warnings, outputWidth()) +
        priceText(trace, sink, info.integrity, hosts, options.ipaBits, outputWidth()),
    );
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
    noShadow: counts.noShadow,
    leavesDropped: counts.leavesDropped,
    refaults: counts.refaults,
  });
  return [
    ...sink.phases().map(({ phase, host, ipaBits, counts }) => row(phase, host, ipaBits, counts)),
    ...sink.total().map(({ host, ipaBits, counts }) => row(TOTAL, host, ipaBits, counts)),
  ];
}

/** The prices as tables for a terminal of `width` columns: host by host, so that its phases add up to its total. */
export function priceText(
  trace: string,
  sink: PhasePrices,
  integrity: TraceInfo["integrity"],
  hosts: readonly Host[],
  ipaBits: readonly number[],
  width: number,
): string {
  const rows = priceRows(sink);
  const phases = [...new Set(rows.map((row) => row.phase))];
  const executed = textTable(
    ["phase", "TLBIs that the hypervisor executed"],
    phases.map((phase) => [phase, tally(rows.find((row) => row.phase === phase)!.tlbi)]),
    { width },
  );
  const words = integrityWords(integrity);
  const head = `${trace}: ${count(sink.seen)} events${words && `, ${words}`}. Prices are simulated time, never measurements.`;
  const notes = ipaNotes(hosts, ipaBits).map((note) => wrapped(note, width));
  const whole = rows.find((row) => row.phase === TOTAL && isNested(row));
  const shadowless = whole ? noShadowText(whole.noShadow, sink.vmidsRun(), width) : "";
  const table = priceTable(byHost(rows, isNested), width) + notes.join("");
  return [wrapped(head, width), table, executed, shadowless].filter((text) => text !== "").join("\n");
}

interface Column {
  readonly head: string;
  readonly align: Align;
  readonly cell: (row: PriceRow) => string;
}

const NUMBERS: readonly Column[] = [
  { head: "price", align: "right", cell: (row) => duration(row.microseconds) },
  { head: "range", align: "right", cell: (row) => durationRange(...row.microsecondsRange) },
];
const PARTS: readonly Column[] = (["trap", "walk", "flush", "refault"] as const).map((part) => ({
  head: part,
  align: "right",
  cell: (row) => duration(row.parts[part]),
}));
const REFAULTS: Column = { head: "refaults", align: "right", cell: (row) => count(row.refaults) };
const REST: Column = {
  head: "rest",
  align: "right",
  cell: (row) => (row.rest === null ? "-" : duration(row.rest)),
};
const OF_REST = "rest: hypercall round trips and first faults when nested, in no price.";
const OF_PARTS =
  "trap, walk, flush and refault (the host's exits, its walks of shadow tables, hardware TLBIs, later faults) sum up to the price.";

/** As many columns as the terminal has room for. */
function priceTable(rows: readonly PriceRow[], width: number): string {
  const labels = hostCells(rows, isNested);
  const table = (columns: readonly Column[]): string =>
    textTable(
      [...HOST_HEADS, ...columns.map(({ head }) => head)],
      rows.map((row, i) => [...labels[i]!, ...columns.map(({ cell }) => cell(row))]),
      { width, align: [...HOST_ALIGN, ...columns.map(({ align }) => align)] },
    );
  const fits = (text: string): boolean => text.split("\n").every((line) => line.length <= width);
  const full = table([...NUMBERS, ...PARTS, REFAULTS, REST]);
  if (fits(full)) return `${full}${wrapped(OF_PARTS, width)}${wrapped(OF_REST, width)}`;
  const some = table([...NUMBERS, REFAULTS, REST]);
  return fits(some) ? `${some}${wrapped(OF_REST, width)}` : table([...NUMBERS, REFAULTS]);
}

const isNested = (row: PriceRow): boolean => row.rest !== null;
