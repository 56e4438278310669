/** `shootdown import FILE -o trace.parquet`: another tool's log as a trace of Shootdown's own. */
import { type Command, Option } from "commander";
import { IMPORT_FORMATS } from "../import/index.js";
import { visibleLine } from "../input/index.js";
import { importInto } from "../jobs/index.js";
import { count, warningText } from "../report/index.js";
import { outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";

interface ImportOptions {
  readonly format?: string;
  readonly output: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command("import")
    .description("write another tool's log as a trace; the same logs are taken wherever a trace is")
    .argument("<file>", "the log, or - for standard input")
    .addOption(
      new Option("--format <format>", "whose log it is (default: as its first bytes tell)").choices(IMPORT_FORMATS),
    )
    .requiredOption(
      "-o, --output <file>",
      "where the trace goes: *.parquet, *.ndjson, or - for NDJSON on standard output",
    )
    .option("--json", "print the summary as JSON")
    .action((file: string, options: ImportOptions) => quietOnBrokenPipe(() => run(file, options)));
}

async function run(file: string, { format, output, json }: ImportOptions): Promise<void> {
  const { events, producer, warnings } = await importInto(file, output, format);
  // Standard output has the trace then, and nothing else.
  if (json) {
    if (output !== "-") printJson({ file, trace: output, producer, events, warnings });
    return;
  }
  const text = `${visibleLine(output)}: ${count(events)} events out of ${visibleLine(file)} (${visibleLine(producer)})\n`;
  (output === "-" ? say : print)(warningText(warnings, outputWidth()) + text);
}
