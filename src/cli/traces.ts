/** `shootdown traces`: the recorded traces that come with the package; where each stands, and views of a trace in SQL. */
import type { Command } from "commander";
import { traceNames, tracePath, traceViews } from "../catalog/index.js";
import { readWithProgress } from "../jobs/index.js";
import { count, recordedText } from "../report/index.js";
import { outputWidth, print, printFile, printJson } from "./output.js";

interface TracesOptions {
  readonly json?: boolean;
  readonly sql?: boolean;
}

export function register(program: Command): void {
  program
    .command("traces")
    .description("list the recorded traces that come with the program; with a name, print where its file is")
    .argument("[name]", "print the path of this one's file, for other tools")
    .option("--json", "print JSON")
    .option("--sql", "print views of a trace for DuckDB: TLBIs by phase, by caller, by VMID, flushes after removals")
    .action(async (name: string | undefined, options: TracesOptions, command: Command) => {
      if (options.sql && (name !== undefined || options.json)) command.error("error: --sql goes with nothing else");
      if (options.sql) printFile(traceViews());
      else if (name === undefined) await list(options.json === true);
      else if (options.json) printJson({ trace: name, path: tracePath(name) });
      else print(`${tracePath(name)}\n`);
    });
}

async function list(json: boolean): Promise<void> {
  const all: { name: string; title: string; source: string }[] = [];
  for (const name of traceNames()) {
    const { info } = await readWithProgress(name, [], { count: 0 });
    all.push({ name, title: `${count(info.events!)} events of a real Xen under QEMU`, source: info.producer });
  }
  if (json) printJson(all);
  else print(recordedText(all, outputWidth()));
}
