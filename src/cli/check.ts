/** `shootdown check TRACE...`: what of its TLB maintenance is missing, insufficient, late or needless. */
import { type Command, InvalidArgumentError } from "commander";
import { loadCpu, loadHost, usualHosts } from "../catalog/index.js";
import { FINDING_KINDS } from "../check/index.js";
import { writeWhole } from "../files/index.js";
import { InputError, visibleLine } from "../input/index.js";
import { type Checked, checkTrace, errataOf, interruptibleInto, made, refuseOutside } from "../jobs/index.js";
import { checkTable, checkText, isGrave, renderCheckReport } from "../report/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { noteUnchecked, partialOption } from "./integrity.js";
import { collect, erratumOption, ipaBitsOption } from "./options.js";
import { ExitStatus, outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";

interface CheckOptions extends FormOptions {
  readonly cpu?: string;
  readonly erratum?: readonly string[];
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly allow?: readonly string[];
  readonly report?: string;
  readonly partial?: boolean;
}

/** Status where something is unsafe. */
const UNSAFE = 3;

export function register(program: Command): void {
  const command = program
    .command("check")
    .description(
      "put a trace on trial: every missing, insufficient, late and needless flush in it; status 3 where something is unsafe",
    )
    .argument("<trace...>", "traces: *.parquet, *.ndjson, a log that can be imported, or - for standard input")
    .option("--cpu <cpu>", "the CPU that it is judged on, built in or a .toml file (default: what the trace says)")
    .addOption(erratumOption())
    .option("--host <host>", "price what is wasted on this host; may be repeated (default: the usual ones)", collect)
    .addOption(ipaBitsOption([48]))
    .option("--allow <kind>", "a kind that is known, and gives no status 3; may be repeated", kinds)
    .option("--report <file>", "also write a page: the findings on a time axis (*.html)")
    .addOption(partialOption())
    .option("--json", "print JSON");
  withForms(command, "the findings").action((traces: string[], options: CheckOptions) =>
    quietOnBrokenPipe(() => run(traces, options)),
  );
}

function kinds(value: string, before: string[] | undefined): string[] {
  const list = collect(value, before);
  const unknown = list.find((kind) => !(FINDING_KINDS as readonly string[]).includes(kind));
  if (unknown !== undefined) throw new InvalidArgumentError(`Expected some of ${FINDING_KINDS.join(", ")}.`);
  return list;
}

async function run(traces: readonly string[], options: CheckOptions): Promise<void> {
  if (options.ipaBits.length > 1) throw new InputError("--ipa-bits: expected one IPA size, to price what is wasted");
  const hosts = (options.host ?? usualHosts()).map(loadHost);
  const cpu = options.cpu === undefined ? undefined : loadCpu(options.cpu);
  const errata = errataOf(options.erratum);
  refuseOutside(errata);
  const checked: Checked[] = [];
  for (const trace of traces) {
    const { allow = [], ipaBits, partial = false } = options;
    const one = await checkTrace(trace, { cpu, errata, hosts, ipaBits: ipaBits[0]!, allow, partial });
    noteUnchecked(trace, one.info);
    checked.push(one.checked);
  }
  const { report } = options;
  if (report !== undefined)
    await interruptibleInto(report, async () => writeWhole(report, await renderCheckReport(checked, made().command)));
  const width = outputWidth();
  if (!printForm(options, { csv: () => checkTable(checked), warnings: checked.flatMap((one) => one.warnings) })) {
    if (options.json) printJson({ traces: checked });
    else {
      print(checked.map((one) => checkText(one, width)).join("\n"));
      if (report !== undefined) print(`\nThe report stands in ${visibleLine(report)}\n`);
    }
  }
  if (checked.some(({ findings }) => findings.some(isGrave))) throw new ExitStatus(UNSAFE);
}
