/** `--set KEY=VALUES` and `--tornado` of compare and price: the same question with other numbers, all of them at once. */
import { Option } from "commander";
import type { Comparison } from "../compare/index.js";
import { type PriceRow, parseSetting, type Setting, Sweep, Tornados } from "../compare/index.js";
import { writeWhole } from "../files/index.js";
import { type Host, ipaNotes } from "../host/index.js";
import { InputError, visibleLine } from "../input/index.js";
import { compareInThreads, interruptible, interruptibleInto, type KeptFor, made } from "../jobs/index.js";
import {
  csv,
  renderSweep,
  renderTornado,
  type SweepFound,
  type SweepResult,
  sweepTable,
  sweepText,
  type Table,
  type TornadoPrice,
  tableParquet,
  tornadoTable,
  tornadoText,
  warningText,
} from "../report/index.js";
import { type FormOptions, printForm } from "./forms.js";
import { outputWidth, print, printJson } from "./output.js";

export interface SweepOptions extends FormOptions {
  readonly set?: readonly Setting[];
  readonly tornado?: boolean;
  readonly output?: string;
  readonly report?: string;
}

/** The options, for a command that has `--json`, `--csv` and `--markdown` too. */
export const sweepOptions = (): Option[] => [
  new Option(
    "--set <key=values>",
    "other numbers of scenarios, policies, hosts: KEY=V1,V2 or KEY=FROM..TO*FACTOR (or +STEP); may be repeated, for every combination",
  ).argParser((text: string, before: readonly Setting[] | undefined) => [...(before ?? []), parseSetting(text)]),
  new Option("--tornado", "which elementary price decides: each moved alone through its range").conflicts("set"),
  new Option("-o, --output <file>", "with --set or --tornado: write the table as *.parquet or *.csv"),
];

/** True when a sweep or a tornado is asked for. Throws an InputError for options that belong to them alone. */
export function isSwept({ set, tornado, output }: SweepOptions): boolean {
  const swept = set !== undefined || tornado === true;
  if (output !== undefined && swept && !/\.(parquet|csv)$/.test(output))
    throw new InputError(`--output ${output}: expected a name that ends in .parquet or .csv`);
  if (output !== undefined && !swept)
    throw new InputError("--output: expected --set or --tornado too, whose table it is");
  return swept;
}

/** A comparison with other numbers. */
export async function sweepComparison(
  comparison: Comparison,
  proved: boolean,
  kept: KeptFor,
  options: SweepOptions,
): Promise<void> {
  const { cpuOf, hosts } = comparison;
  const run = (swept: Partial<Comparison>) =>
    interruptible((signal) => compareInThreads({ ...comparison, ...swept, cpuOf }, proved, signal, kept));
  if (options.set) {
    const sweep = new Sweep(comparison, options.set);
    const { rows } = await run(sweep.swept);
    const notes = ipaNotes(hosts, sweep.swept.ipaBits);
    return sayFound({ keys: sweep.keys, rows: sweep.rows(rows), notes }, options);
  }
  const [tornados, ipaBits] = [new Tornados(hosts), [Math.max(...comparison.ipaBits)]];
  const { rows } = await run({ hosts: tornados.hosts, ipaBits });
  const found = tornados.rows(rows, ({ scenario, policy }) => `${scenario}\0${policy}`);
  return sayFound({ rows: found, notes: ipaNotes(hosts, ipaBits) }, options);
}

/** What pricing a trace gives. */
interface Priced {
  readonly rows: readonly PriceRow[];
  readonly warnings: readonly string[];
}

/** A trace on hosts with other prices; `read` reads it once. */
export async function sweepPrices(
  hosts: readonly Host[],
  ipaBits: readonly number[],
  options: SweepOptions,
  read: (hosts: readonly Host[], ipaBits: readonly number[]) => Promise<Priced>,
): Promise<void> {
  if (options.set) {
    const sweep = new Sweep({ scenarios: [], policies: [], hosts, ipaBits }, options.set);
    const { rows, warnings } = await read(sweep.swept.hosts, sweep.swept.ipaBits);
    const notes = ipaNotes(hosts, sweep.swept.ipaBits);
    return sayFound({ keys: sweep.keys, rows: sweep.rows(rows), notes }, options, warnings);
  }
  const [tornados, sizes] = [new Tornados(hosts), [Math.max(...ipaBits)]];
  const { rows, warnings } = await read(tornados.hosts, sizes);
  const found = tornados.rows(rows, ({ phase }) => phase);
  return sayFound({ rows: found, notes: ipaNotes(hosts, sizes) }, options, warnings);
}

/** Prints what was found in the form that is asked for, after it has written what is asked for. */
async function sayFound(
  found: SweepResult | SweepFound<TornadoPrice>,
  options: SweepOptions,
  warnings: readonly string[] = [],
): Promise<void> {
  const { report, output } = options;
  const swept = "keys" in found;
  const table = (all: boolean): Table => (swept ? sweepTable(found, { parts: all }) : tornadoTable(found));
  if (output !== undefined)
    await interruptibleInto(output, async () => writeWhole(output, fileOf(output, table(true))));
  if (report !== undefined)
    await interruptibleInto(report, async () =>
      writeWhole(report, await (swept ? renderSweep(found, made()) : renderTornado(found, made()))),
    );
  if (printForm(options, { csv: () => table(true), markdown: () => table(false), notes: found.notes, warnings }))
    return;
  if (options.json) return printJson(warnings.length > 0 ? { ...found, warnings } : found);
  if (warnings.length > 0) print(warningText(warnings, outputWidth()));
  print(swept ? sweepText(found, outputWidth()) : tornadoText(found, outputWidth()));
  for (const [what, file] of [
    ["table", output],
    ["report", report],
  ] as const)
    if (file !== undefined) print(`\nThe ${what} stands in ${visibleLine(file)}\n`);
}

/** The table in the form that a file's ending asks for. */
const fileOf = (path: string, table: Table): string | Uint8Array =>
  path.endsWith(".csv") ? csv(table) : tableParquet(table);
