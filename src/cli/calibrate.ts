/** `shootdown calibrate`: a host file out of a probe's counts, of durations, or of a trace of KVM's handlers. */
import { dirname } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { loadHost, namedFrom } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { InputError } from "../input/index.js";
import { calibrate, type Measured, parseMeasured } from "../jobs/index.js";
import { calibrationText } from "../report/index.js";
import { ipaBitsOption } from "./options.js";
import { outputWidth, printFile, printJson, say } from "./output.js";

interface Options {
  readonly measured?: readonly Measured[];
  readonly host: string;
  readonly name: string;
  readonly ipaBits: readonly number[];
  readonly output?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command("calibrate")
    .description(
      "write a host file whose prices are solved for out of what was measured, with how well each is determined",
    )
    .argument(
      "[files...]",
      "probes (.json), or texts of KVM's handlers: ftrace's function_graph, trace-cmd report, perf script",
    )
    .addOption(
      new Option("--measured <words>", 'a duration, as "480 ms a VMALLS12E1 at 44 bits"; may be repeated').argParser(
        measured,
      ),
    )
    .option(
      "--host <host>",
      "the host that the file starts from: what is not determined stays as it is there",
      "kvm-nested-7.2",
    )
    .option("--name <name>", "the new host's name", "calibrated")
    .addOption(ipaBitsOption([48]))
    .option("-o, --output <file>", "where the file goes (default: standard output)")
    .option("--json", "print what was found as JSON")
    .action(run);
}

function measured(text: string, before: readonly Measured[] = []): readonly Measured[] {
  const found = parseMeasured(text);
  if (!found) throw new InvalidArgumentError('Expected words as "480 ms a VMALLS12E1 at 44 bits".');
  return [...before, found];
}

function run(files: readonly string[], options: Options): void {
  const { host, name, measured = [], ipaBits, output } = options;
  if (host === "-")
    throw new InputError("--host: the file that is written names it as its base, which standard input cannot be");
  const called = namedFrom(host, dirname(output ?? ""));
  const found = calibrate({ files, measured, base: loadHost(host), called, name, ipaBits: ipaBits[0]! });
  if (output !== undefined) writeWhole(output, found.toml);
  if (options.json) {
    printJson({ name, ...found });
    return;
  }
  say(calibrationText(found, outputWidth()));
  if (output === undefined) printFile(found.toml);
}
