/** What is built in (policies, hosts, scenarios), and files of the user's own wherever a built-in name does. Node only. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readText, thisCommand } from "../files/index.js";
import { type Host, parseHost } from "../host/index.js";
import { parseScenario, type Scenario } from "../hypervisor/index.js";
import { InputError } from "../input/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";

export { type LitmusFile, litmusFiles } from "./litmus.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Folders of the package that hold built-in files. */
export type Shelf = "policies" | "hosts" | "scenarios";

/** Built-in names of a shelf, in the order in which they are shown: `first` in front, the others by name. */
function names(shelf: Shelf, first: readonly string[]): string[] {
  const all = readdirSync(join(ROOT, shelf))
    .filter((file) => file.endsWith(".toml"))
    .map((file) => basename(file, ".toml"))
    .sort();
  return [...first.filter((name) => all.includes(name)), ...all.filter((name) => !first.includes(name))];
}

// The order of the discussion: what is, what the report tried, what the review asked, the series, what KVM does, and beyond.
const POLICY_ORDER = [
  "xen-today",
  "xen-4.17",
  "remove-no-flush",
  "remove-batch",
  "va-ipa-range",
  "switch-no-flush",
  "switch-vmalle1",
  "series-v1",
  "series-v3-patch1",
  "series-v3-patch2",
  "kvm-ipa",
  "kvm-ipa-no-ttl",
  "kvm-ipa-range",
  "batch-range",
  "vmid-per-vcpu",
];
const HOST_ORDER = ["bare-metal", "kvm-nested-7.2", "kvm-nested-unmap-all", "kvm-nested-skip-holes"];

export const policyNames = (): string[] => names("policies", POLICY_ORDER);
export const hostNames = (): string[] => names("hosts", HOST_ORDER);
export const scenarioNames = (): string[] =>
  names("scenarios", ["create-domu", "create-domu-ramdisk", "vcpu-switch", "destroy-domu"]);

const KNOWN: Record<Shelf, () => string[]> = { policies: policyNames, hosts: hostNames, scenarios: scenarioNames };

/** True when the user means a file: it has a slash or ends in .toml. */
const isPath = (name: string): boolean => name.includes("/") || name.endsWith(".toml");

/** The text of a built-in or of the user's own file, and how to name it in errors. */
function text(shelf: Shelf, name: string): { text: string; file: string } {
  const builtIn = !isPath(name);
  if (builtIn && !KNOWN[shelf]().includes(name)) throw new InputError(unknown(shelf, name));
  const path = builtIn ? join(ROOT, shelf, `${name}.toml`) : name;
  const file = builtIn ? `${shelf}/${name}.toml` : name;
  return { text: readText(path, file, "TOML"), file };
}

const unknown = (shelf: Shelf, name: string): string =>
  `no ${singular[shelf]} is named '${name}': expected ${KNOWN[shelf]().join(", ")}, or a path to a .toml file`;

const singular: Record<Shelf, string> = { policies: "policy", hosts: "host", scenarios: "scenario" };
/** The text of a built-in file, to print it; also of a path. Throws an InputError. */
export function builtInText(shelf: Shelf, name: string): string {
  return text(shelf, name).text;
}

const TRACES = join(ROOT, "traces");

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

/** A policy by built-in name or path; its base may be either too, a path from the file's folder. Throws an InputError. */
export function loadPolicy(name: string): Policy {
  return fromBases("policies", name, [], parsePolicy, builtIn().policies);
}

/** A host by built-in name or path; its base as of a policy. Throws an InputError. */
export function loadHost(name: string): Host {
  return fromBases("hosts", name, [], parseHost, builtIn().hosts);
}

interface BuiltIn {
  readonly policies: Map<string, Policy>;
  readonly hosts: Map<string, Host>;
}

/** Built-in ones that this command has read so far: most policies, and hosts, are the base of others. */
function builtIn(): BuiltIn {
  const known = read.get(thisCommand()) ?? { policies: new Map(), hosts: new Map() };
  read.set(thisCommand(), known);
  return known;
}
const read = new WeakMap<object, BuiltIn>();

/** Reads a file and those that it names as its base, which may name others; `chain` has those that lead here. */
function fromBases<T>(
  shelf: "policies" | "hosts",
  name: string,
  chain: readonly string[],
  parse: (text: string, file: string, base: (name: string, line?: number) => T) => T,
  builtIn: Map<string, T>,
): T {
  const known = builtIn.get(name);
  if (known) return known;
  const { text: toml, file } = text(shelf, name);
  const read = parse(toml, file, (base, line) => {
    const from = isPath(base) && isPath(name) ? join(dirname(name), base) : base;
    const those = [...chain, name];
    if (those.includes(from))
      throw InputError.at(file, line, `${singular[shelf]} ${from} is its own base: ${[...those, from].join(" -> ")}`);
    if (!isPath(from) && !KNOWN[shelf]().includes(from)) throw InputError.at(file, line, unknown(shelf, from));
    return fromBases(shelf, from, those, parse, builtIn);
  });
  if (!isPath(name)) builtIn.set(name, read);
  return read;
}

/** A scenario by built-in name or path. Throws an InputError. */
export function loadScenario(name: string): Scenario {
  const { text: toml, file } = text("scenarios", name);
  return parseScenario(toml, file);
}
