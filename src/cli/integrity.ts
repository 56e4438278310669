/** Traces that are read: how they are named, and those that do not vouch for themselves: the option that takes them, and what is said of them aside. */
import { Option } from "commander";
import type { TraceInfo } from "../trace/index.js";
import { say } from "./output.js";

/** What a command that reads a trace takes. */
export const TRACE_ARGUMENT =
  "a trace: *.parquet, *.ndjson, - for NDJSON on standard input, or a recorded one by name (shootdown traces)";

/** `--partial`, of commands that read traces. */
export const partialOption = (): Option =>
  new Option("--partial", "take an NDJSON trace that has no end line, and may be cut off, as far as it goes");

/** Says on standard error that a Parquet trace has nothing to hold its columns against. */
export function noteUnchecked(trace: string, { integrity }: TraceInfo): void {
  if (integrity === "unchecked")
    say(`note: ${trace}: no digests in it, as another tool or an older version writes it: unchecked\n`);
}
