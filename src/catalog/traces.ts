/** Recorded traces that come with the package, by name, and the views of a trace in SQL. */
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { policyNames } from "../builtin/index.js";
import { readText } from "../files/index.js";
import { InputError } from "../input/index.js";

/** The folder of the traces that come with the package. */
const TRACES = fileURLToPath(new URL("../../traces", import.meta.url));

/** Names of the recorded traces that come with the package. */
export const traceNames = (): string[] =>
  readdirSync(TRACES)
    .filter((file) => file.endsWith(".parquet"))
    .map((file) => basename(file, ".parquet"))
    .sort();

/** The file of a trace that comes with the package, where that is its name; else the path as the user gave it, if it may be one. */
export function tracePath(trace: string): string {
  if (trace === "-" || trace.includes("/") || /\.[a-z]\w*$/i.test(trace)) return trace;
  const known = traceNames();
  if (known.includes(trace)) return join(TRACES, `${trace}.parquet`);
  if (existsSync(trace)) return trace; // a log of any name
  throw new InputError(
    `no trace is named '${trace}': expected ${known.join(", ")}, or a path to a *.parquet or *.ndjson file (or - for NDJSON)`,
  );
}

/** Views of a trace for DuckDB, in SQL. */
export const traceViews = (): string => readText(join(TRACES, "views.sql"), "traces/views.sql", "SQL");

/** True when the user means a policy, where a trace could be meant as well. */
export const namesPolicy = (name: string): boolean => policyNames().includes(name) || name.endsWith(".toml");
