/** What is built in (policies, hosts, scenarios), and files of the user's own wherever a built-in name does. Node only. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Host, parseHost } from "../host/index.js";
import { fileReason, InputError } from "../input/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import { parseScenario, type Scenario } from "../xen/index.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The folder of the project's own litmus tests. */
export const LITMUS_FOLDER = join(ROOT, "litmus");

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
  const known = KNOWN[shelf];
  if (builtIn && !known().includes(name))
    throw new InputError(
      `no ${singular[shelf]} is named '${name}': expected ${known().join(", ")}, or a path to a .toml file`,
    );
  const path = builtIn ? join(ROOT, shelf, `${name}.toml`) : name;
  return { text: readText(path), file: builtIn ? `${shelf}/${name}.toml` : name };
}

const singular: Record<Shelf, string> = { policies: "policy", hosts: "host", scenarios: "scenario" };
const MAX_BYTES = 1 << 20;

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) throw InputError.at(path, 0, `${size} bytes, expected a text file of at most ${MAX_BYTES}`);
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof InputError) throw error;
    if (error instanceof TypeError) throw InputError.at(path, 0, "is not UTF-8 text, expected TOML");
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(path, 0, reason);
  }
}

/** The text of a built-in file, to print it; also of a path. Throws an InputError. */
export function builtInText(shelf: Shelf, name: string): string {
  return text(shelf, name).text;
}

/** Paths of the recorded traces that come with the package, by name. */
export function recordedTraces(): string[] {
  const folder = join(ROOT, "traces");
  return readdirSync(folder)
    .filter((file) => file.endsWith(".parquet"))
    .sort()
    .map((file) => join(folder, file));
}

/** A policy by built-in name or path; its base may be either too, a path from the file's folder. Throws an InputError. */
export function loadPolicy(name: string): Policy {
  return policyFrom(name, []);
}

/** Built-in policies read so far: most are the base of others. */
const builtInPolicies = new Map<string, Policy>();

function policyFrom(name: string, chain: readonly string[]): Policy {
  const known = builtInPolicies.get(name);
  if (known) return known;
  if (chain.includes(name)) throw new InputError(`policy ${name} is its own base: ${[...chain, name].join(" -> ")}`);
  const { text: toml, file } = text("policies", name);
  const policy = parsePolicy(toml, file, (base) =>
    policyFrom(isPath(base) && isPath(name) ? join(dirname(name), base) : base, [...chain, name]),
  );
  if (!isPath(name)) builtInPolicies.set(name, policy);
  return policy;
}

/** A host by built-in name or path. Throws an InputError. */
export function loadHost(name: string): Host {
  const { text: toml, file } = text("hosts", name);
  return parseHost(toml, file);
}

/** A scenario by built-in name or path. Throws an InputError. */
export function loadScenario(name: string): Scenario {
  const { text: toml, file } = text("scenarios", name);
  return parseScenario(toml, file);
}
