/** `shootdown show TRACE`: what a trace holds, added up by phase; with --events, the events themselves, page by page. */
import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { loadCpu, loadHost, loadPolicy, policyNames } from "../catalog/index.js";
import { cpuOfTrace, Holding, refuseWithout } from "../compare/index.js";
import { visibleLine } from "../input/index.js";
import { perfettoInto, priceOfTlbi, readWithProgress, shellWord } from "../jobs/index.js";
import {
  EventJson,
  EventLines,
  EventPage,
  foldedText,
  heldTraceText,
  hostWorkText,
  showText,
  summaryTable,
  warningText,
} from "../report/index.js";
import { HOST_WORK_COLUMNS, HostSumming, KINDS, type ReadPart, SUMMARY_COLUMNS, Summing } from "../trace/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { noteUnchecked, partialOption, TRACE_ARGUMENT } from "./integrity.js";
import { goesWith } from "./options.js";
import { outputWidth, print, printJson, printRawJson, quietOnBrokenPipe, terminalWidth } from "./output.js";

/** Lines of a page of events. */
const PAGE_LINES = 40;
/** IPA bits of a nested host at which folded stacks are priced. */
const FOLDED_BITS = 48;

/** Options that say what is printed, of which --perfetto and --folded are others. */
const WHAT_IS_PRINTED = ["events", "policy", "json", "csv", "markdown"];

/** Options of `shootdown show`, parsed. */
interface ShowOptions extends FormOptions {
  readonly events?: boolean;
  /** codes of the kinds to show */
  readonly kind?: ReadonlySet<number>;
  /** rows of the trace to leave out at the start */
  readonly skip?: number;
  /** most events to show */
  readonly limit?: number;
  readonly partial?: boolean;
  readonly perfetto?: string;
  readonly folded?: boolean;
  readonly host?: string;
  /** hold the trace against it */
  readonly policy?: string;
  readonly cpu?: string;
}

export function register(program: Command): void {
  const command = program
    .command("show")
    .description(
      "summarise a trace: who issued which TLBI, for whom, how often, from where; or page through its events",
    )
    .argument("<trace>", TRACE_ARGUMENT)
    .option("--json", "print the summary as JSON, or with --events the events as NDJSON")
    .option("--events", "show the events, one a line")
    .addOption(
      new Option("--kind <kinds>", `with --events: only these kinds, of ${KINDS.join(", ")}`).argParser(kindsOf),
    )
    .addOption(new Option("--skip <n>", "with --events: start after n events of the trace").argParser(wholeNumber))
    .addOption(
      new Option("--limit <n>", `with --events: show at most n (default: ${PAGE_LINES}; all with --json)`).argParser(
        wholeNumber,
      ),
    )
    .addOption(partialOption())
    .addOption(
      new Option(
        "--perfetto <file>",
        "write it for Perfetto's UI (*.json.gz): marks, TLBIs, and what check finds",
      ).conflicts(["folded", ...WHAT_IS_PRINTED]),
    )
    .addOption(
      new Option("--folded", "print the TLBIs as folded stacks, for flame-graph tools").conflicts(WHAT_IS_PRINTED),
    )
    .option("--host <host>", "with --folded: weigh each TLBI by its price on this host, in ns at 48 bits")
    .option(
      "-p, --policy <policy>",
      "hold the trace against this policy: its figures beside the model's, and its flushes instruction by instruction",
    )
    .option(
      "--cpu <cpu>",
      "with --policy and --perfetto: the CPU that it was made on, built in or a .toml file (default: what the trace says)",
    );
  withForms(command, "the counts of each phase").action(
    async (trace: string, options: ShowOptions, command: Command) => {
      goesWith(command, ["kind", "skip", "limit"], ["events"]);
      goesWith(command, ["cpu"], ["policy", "perfetto"]);
      for (const form of ["csv", "markdown"] as const)
        if (options[form] && (options.events || options.policy !== undefined))
          command.error(`error: --${form} goes with neither --events nor --policy`);
      for (const other of ["events", "partial"] as const)
        if (options.policy !== undefined && options[other])
          command.error(`error: --policy does not go with --${other}`);
      goesWith(command, ["host"], ["folded"]);
      await quietOnBrokenPipe(() => {
        if (options.perfetto !== undefined) return showPerfetto(trace, options.perfetto, options);
        if (options.events) return showEvents(trace, options);
        return options.policy === undefined ? showSummary(trace, options) : showHeld(trace, options.policy, options);
      });
    },
  );
}

function kindsOf(text: string): ReadonlySet<number> {
  const codes = text.split(",").map((name) => (KINDS as readonly string[]).indexOf(name.trim()));
  if (codes.includes(-1)) throw new InvalidArgumentError(`Expected some of ${KINDS.join(",")}.`);
  return new Set(codes);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError("Expected a whole number.");
  return value;
}

async function showSummary(trace: string, options: ShowOptions): Promise<void> {
  const [summing, work] = [new Summing(), new HostSumming()];
  const columns = [...new Set([...SUMMARY_COLUMNS, ...HOST_WORK_COLUMNS])];
  const part = { columns, partial: options.partial === true };
  const { info, warnings } = await readWithProgress(trace, [summing, work], part);
  noteUnchecked(trace, info);
  const summary = summing.summary();
  const { recording } = info;
  const [host, script] = [work.rows(), work.scriptRows()];
  if (options.folded) {
    const host = options.host === undefined ? undefined : loadHost(options.host);
    print(foldedText(summary, host && ((op) => priceOfTlbi(op, host, FOLDED_BITS) * 1000)));
    return;
  }
  if (printForm(options, { csv: () => summaryTable(summary), warnings })) return;
  if (options.json)
    printJson({
      integrity: info.integrity,
      ...summary,
      ...(recording ? { recording } : {}),
      ...(host.length > 0 ? { host, script } : {}),
      warnings,
    });
  else {
    const width = terminalWidth();
    print(
      warningText(warnings, width) +
        showText(basename(trace), info, summary, width) +
        hostWorkText(host, script, width),
    );
  }
}

async function showPerfetto(trace: string, file: string, { cpu, partial = false }: ShowOptions): Promise<void> {
  await perfettoInto(trace, file, cpu === undefined ? undefined : loadCpu(cpu), partial);
  print(`${visibleLine(file)} is for https://ui.perfetto.dev\n`);
}

/** Holds the trace against a policy. */
async function showHeld(trace: string, name: string, options: ShowOptions): Promise<void> {
  const policy = loadPolicy(name);
  const asked = options.cpu === undefined ? undefined : loadCpu(options.cpu);
  const holding = new Holding();
  const { info } = await readWithProgress(trace, holding.sinks);
  const { recording } = info;
  const cpu = cpuOfTrace(recording, asked);
  refuseWithout(policy, cpu);
  const held = holding.held(policy, policyNames().map(loadPolicy), recording, cpu);
  if (options.json) {
    const { rows, executed } = held;
    printJson({ trace, policy: policy.name, cpu: cpu.name, comparison: rows ?? null, executed });
    return;
  }
  print(heldTraceText(basename(trace), held, policy.name, cpu.name, outputWidth()));
}

async function showEvents(trace: string, options: ShowOptions): Promise<void> {
  const skip = options.skip ?? 0;
  const limit = options.limit ?? (options.json ? Number.POSITIVE_INFINITY : PAGE_LINES);
  const form = options.json ? new EventJson(printRawJson) : new EventLines(print, terminalWidth());
  const page = new EventPage(skip, limit, options.kind, form);
  // One row more than the page, to learn whether there are more; with --kind, until the page is full.
  const part: ReadPart = { from: skip, ...(options.kind ? {} : { count: limit + 1 }), signal: page.full };
  try {
    const { info } = await readWithProgress(trace, [page], { ...part, partial: options.partial === true }, "-");
    noteUnchecked(trace, info);
  } catch (error) {
    if (error !== page.full.reason) throw error;
  }
  page.finish();
  if (options.json) return;
  if (page.next === undefined) print(`end of the trace\n`);
  else {
    const kinds = options.kind ? ` --kind ${[...options.kind].map((kind) => KINDS[kind]).join(",")}` : "";
    const size = options.limit === undefined ? "" : ` --limit ${limit}`;
    print(`next page: shootdown show ${shellWord(trace)} --events${kinds} --skip ${page.next}${size}\n`);
  }
}
