/** `shootdown show TRACE`: what a trace holds, added up by phase; with --events, the events themselves, page by page. */
import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { CPU_PROFILES } from "../arch/index.js";
import { loadPolicy } from "../catalog/index.js";
import { visibleLine } from "../input/index.js";
import {
  callPath,
  count,
  integrityWords,
  labelledCounts,
  recordingText,
  textTable,
  warningText,
  wrapped,
} from "../report/index.js";
import {
  type CallerCount,
  describeEvent,
  domainName,
  EventBuffer,
  KINDS,
  Kind,
  type Names,
  NdjsonTrace,
  NO_DOMAIN,
  OUTSIDE,
  type PhaseSummary,
  type ReadPart,
  SUMMARY_COLUMNS,
  type Summary,
  Summing,
  type TraceInfo,
  type TraceSink,
} from "../trace/index.js";
import { cpuOfTrace, Holding, heldText, refuseWithout } from "./held.js";
import { noteUnchecked, partialOption } from "./integrity.js";
import { outputWidth, print, printJson, printRawJson, quietOnBrokenPipe, shellWord, terminalWidth } from "./output.js";
import { readWithProgress } from "./read.js";

/** Lines of a page of events. */
const PAGE_LINES = 40;

/** Options of `shootdown show`, parsed. */
interface ShowOptions {
  readonly json?: boolean;
  readonly events?: boolean;
  /** codes of the kinds to show */
  readonly kind?: ReadonlySet<number>;
  /** rows of the trace to leave out at the start */
  readonly skip?: number;
  /** most events to show */
  readonly limit?: number;
  readonly partial?: boolean;
  /** hold the trace against it */
  readonly policy?: string;
  readonly cpu?: string;
}

export function register(program: Command): void {
  program
    .command("show")
    .description(
      "summarise a trace: who issued which TLBI, for whom, how often, from where; or page through its events",
    )
    .argument("<trace>", "a trace: *.parquet, *.ndjson, or - for NDJSON on standard input")
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
    .option(
      "-p, --policy <policy>",
      "hold the trace against this policy: its figures beside the model's, and its flushes instruction by instruction",
    )
    .addOption(
      new Option(
        "--cpu <profile>",
        "with --policy: the CPU that it was made on (default: what the trace says)",
      ).choices(CPU_PROFILES.map((profile) => profile.name)),
    )
    .action(async (trace: string, options: ShowOptions, command: Command) => {
      for (const name of ["kind", "skip", "limit"] as const)
        if (options[name] !== undefined && !options.events) command.error(`error: --${name} goes with --events`);
      if (options.cpu !== undefined && options.policy === undefined) command.error("error: --cpu goes with --policy");
      if (options.policy !== undefined && options.events) command.error("error: --policy does not go with --events");
      await quietOnBrokenPipe(() => {
        if (options.events) return showEvents(trace, options);
        return options.policy === undefined ? showSummary(trace, options) : showHeld(trace, options.policy, options);
      });
    });
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
  const summing = new Summing();
  const part = { columns: SUMMARY_COLUMNS, partial: options.partial === true };
  const { info, warnings } = await readWithProgress(trace, [summing], part);
  noteUnchecked(trace, info);
  const summary = summing.summary();
  const { recording } = info;
  if (options.json)
    printJson({ integrity: info.integrity, ...{ ...summary, ...(recording ? { recording } : {}) }, warnings });
  else print(warningText(warnings, terminalWidth()) + summaryText(basename(trace), info, summary, terminalWidth()));
}

/** Holds the trace against a policy. */
async function showHeld(trace: string, name: string, options: ShowOptions): Promise<void> {
  const policy = loadPolicy(name);
  const holding = new Holding();
  const { info } = await readWithProgress(trace, holding.sinks);
  const { recording } = info;
  const cpu = cpuOfTrace(recording, options.cpu);
  refuseWithout(policy, cpu);
  const held = holding.held(policy, recording, cpu);
  if (options.json) {
    const { rows, executed } = held;
    printJson({ trace, policy: policy.name, cpu: cpu.name, comparison: rows ?? null, executed });
    return;
  }
  const width = outputWidth();
  print(wrapped(`${basename(trace)} held against ${policy.name} on ${cpu.name}`, width));
  if (held.rows === undefined && recording?.source !== "simulation")
    print(
      wrapped(
        "The trace does not keep the sizes that the model must be told (a capture by this version does): its figures have no prediction.",
        width,
      ),
    );
  print(`\n${heldText(held, policy.name, true, width)}`);
}

/** The summary as tables; lines end at `width` where that is possible without leaving anything out. */
export function summaryText(
  title: string,
  { producer, integrity, recording }: Pick<TraceInfo, "producer" | "integrity" | "recording">,
  summary: Summary,
  width: number | undefined,
): string {
  const about = [integrityWords(integrity), producer && `made by: ${visibleLine(producer)}`].filter(
    (line) => line !== "",
  );
  const ran = recording === undefined ? "" : recordingText(recording, width ?? Number.POSITIVE_INFINITY);
  const sections = [`${[`${visibleLine(title)}: ${count(summary.events)} events`, ...about].join("\n")}\n${ran}`];
  for (const [name, phase] of Object.entries(summary.phases)) {
    sections.push(
      `${name === OUTSIDE ? "Outside any phase" : `Phase ${visibleLine(name)}`}: ${count(phase.events)} events\n`,
    );
    if (phase.byCaller.length > 0) {
      sections.push(table(["TLBI", "count", "VMID", "issued by"], callerRows(phase.byCaller), width));
      sections.push(table(["TLBI", "on pCPU", "for"], placeRows(phase), width));
    }
    const rest = labelledCounts(phase)
      .filter(([, n]) => n > 0)
      .map(([label, n]) => [label, count(n)]);
    if (rest.length > 0) sections.push(table(["", "count"], rest, width));
  }
  return sections.join("\n");
}

const callerRows = (rows: readonly CallerCount[]): string[][] =>
  rows.map((row) => [row.op, count(row.count), String(row.vmid), callPath(row.caller)]);

/** For each TLBI, on which pCPUs and for which domains it ran, with counts where there are several. */
function placeRows(phase: PhaseSummary): string[][] {
  const list = (places: readonly { name: string; count: number }[]): string =>
    places.length === 1 ? places[0]!.name : places.map((p) => `${p.name}: ${count(p.count)}`).join("; ");
  return Object.keys(phase.tlbi).map((op) => [
    op,
    list(phase.byPcpu.filter((row) => row.op === op).map((row) => ({ name: String(row.pcpu), count: row.count }))),
    list(
      phase.byDomain
        .filter((row) => row.op === op)
        .map((row) => ({ name: domainName(row.domain ?? NO_DOMAIN), count: row.count })),
    ),
  ]);
}

/** A table two blanks in, counts to the right; its last column wraps where there is a width. */
function table(head: readonly string[], rows: readonly (readonly string[])[], width: number | undefined): string {
  const align = head.map((title) => (title === "count" || title === "VMID" ? "right" : "left") as "left" | "right");
  const text = textTable(head, rows, { width: (width ?? Number.POSITIVE_INFINITY) - 2, align });
  return text.replace(/^(?=.)/gm, "  ");
}

async function showEvents(trace: string, options: ShowOptions): Promise<void> {
  const skip = options.skip ?? 0;
  const limit = options.limit ?? (options.json ? Number.POSITIVE_INFINITY : PAGE_LINES);
  const page = new Page(skip, limit, options.kind, options.json ? undefined : terminalWidth(), options.json);
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

/** A page of events: takes rows until it is full, and prints each. */
class Page implements TraceSink {
  /** the row at which the next page begins; undefined when the trace ends before */
  next: number | undefined;
  private row: number;
  private left: number;
  private readonly stop = new AbortController();
  private readonly json: NdjsonTrace | undefined;
  private readonly single = new EventBuffer(1);
  /** by pCPU, how deep in marks the events stand, from the page's start */
  private readonly depth = new Uint8Array(256);

  constructor(
    skip: number,
    limit: number,
    private readonly kinds: ReadonlySet<number> | undefined,
    private readonly width: number | undefined,
    json: boolean | undefined,
  ) {
    this.row = skip;
    this.left = limit;
    this.json = json ? new NdjsonTrace(printRawJson, "") : undefined;
  }

  /** Aborted when there is a next page. */
  get full(): AbortSignal {
    return this.stop.signal;
  }

  events(b: EventBuffer, names: Names): void {
    let text = "";
    for (let i = 0; i < b.length && this.next === undefined; i++, this.row++) {
      if (this.kinds !== undefined && !this.kinds.has(b.kind[i]!)) continue;
      if (this.left === 0) {
        this.next = this.row;
        this.stop.abort();
        break;
      }
      this.left--;
      if (this.json !== undefined) this.json.events(this.only(b, i), names);
      else text += this.line(b, i, names);
    }
    if (text !== "") print(text);
  }

  /** Hands on what is left of the NDJSON. */
  finish(): void {
    this.json?.finish();
  }

  /** A block of event `i` alone. */
  private only(b: EventBuffer, i: number): EventBuffer {
    this.single.length = 0;
    this.single.append(b, i, 1);
    return this.single;
  }

  private line(b: EventBuffer, i: number, names: Names): string {
    const pcpu = b.pcpu[i]!;
    const kind = b.kind[i]!;
    if (kind === Kind.end && this.depth[pcpu]! > 0) this.depth[pcpu]!--;
    const indent = "  ".repeat(Math.min(this.depth[pcpu]!, 8));
    if (kind === Kind.begin && this.depth[pcpu]! < 255) this.depth[pcpu]!++;
    const domain = b.domain[i] === NO_DOMAIN ? "-" : `d${b.domain[i]!}`;
    const context = `${String(this.row).padStart(8)} p${String(pcpu).padEnd(3)} ${domain.padEnd(5)} v${String(b.vmid[i]!).padEnd(4)}`;
    const site = visibleLine(names.list[b.site[i]!]!);
    const line = `${context} ${indent}${visibleLine(describeEvent(b, i, names))}`;
    const margin = context.length + 1;
    if (site === "") return fit(line, this.width, margin);
    if (this.width === undefined || line.length + site.length + 4 <= this.width) return `${line}  @ ${site}\n`;
    return fit(line, this.width, margin) + fit(`${" ".repeat(margin + 4)}@ ${site}`, this.width, margin);
  }
}

/** One line; on a terminal that is narrower, broken at blanks (or within words that fill a line) and set in by `margin`. */
function fit(line: string, width: number | undefined, margin: number): string {
  if (width === undefined || line.length <= width || width < margin + 20) return `${line}\n`;
  const blank = line.lastIndexOf(" ", width);
  const at = blank > margin + 8 ? blank : width;
  const rest = line.slice(at).trimStart();
  return `${line.slice(0, at).trimEnd()}\n${fit(" ".repeat(margin + 4) + rest, width, margin)}`;
}
