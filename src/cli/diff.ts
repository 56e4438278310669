/** `shootdown diff BEFORE AFTER`: what a change has made of a trace: TLBIs by call path, and what each run would cost. */
import type { Command } from "commander";
import { hostNames, loadHost } from "../catalog/index.js";
import { differenceOf, PhasePrices, phaseNames, type TraceSide } from "../compare/index.js";
import type { Host } from "../host/index.js";
import { InputError } from "../input/index.js";
import { readSide } from "../jobs/index.js";
import { differenceTable, differenceText, SIMULATED } from "../report/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { noteUnchecked, partialOption, TRACE_ARGUMENT } from "./integrity.js";
import { collect, ipaBitsOption, ranOption, repeatOption, vcpusOption, withRepeat } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";

interface DiffOptions extends FormOptions {
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly phase?: readonly string[];
  readonly repeatTlbi?: boolean;
  readonly vcpus: number;
  readonly ran?: readonly number[];
  readonly partial?: boolean;
  readonly all?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command("diff")
    .description("compare two traces: what differs in what they do, by call path, and in what that costs on each host")
    .argument("<before>", TRACE_ARGUMENT)
    .argument("<after>", "another one")
    .option("--host <host>", "a built-in host or a .toml file; may be repeated (default: all built in)", collect)
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
      await quietOnBrokenPipe(() => run(before, after, options));
    },
  );
}

async function run(before: string, after: string, options: DiffOptions): Promise<void> {
  const hosts = (options.host ?? hostNames()).map(loadHost).map((host) => withRepeat(host, options.repeatTlbi));
  const a = await side(before, hosts, options);
  const b = await side(after, hosts, options);
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

/** Reads one of the traces. */
async function side(trace: string, hosts: readonly Host[], options: DiffOptions): Promise<TraceSide> {
  const { ipaBits, vcpus, ran, partial } = options;
  const { side: read, info } = await readSide(trace, new PhasePrices(hosts, ipaBits, vcpus, ran), partial === true);
  noteUnchecked(trace, info);
  return read;
}

function refuseUnknown(asked: readonly string[], known: readonly string[]): void {
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const expected = known.length > 0 ? known.join(", ") : "none: the traces have no events";
  throw new InputError(`--phase: neither trace has a phase '${unknown}', expected ${expected}`);
}
