/** What is built in, by name: policies, hosts, CPUs, scenarios. Their texts are part of the program, so that it needs no files and no Node. */
import type { CpuProfile } from "../arch/index.js";
import { parseCpu } from "../cpu/index.js";
import { type Host, parseHost } from "../host/index.js";
import { parseScenario, type Scenario } from "../hypervisor/index.js";
import { InputError } from "../input/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import { TEXTS } from "./texts.js";

/** Kinds of what is built in; the package has a folder of each. */
export type Shelf = keyof typeof TEXTS;

/** The CPUs that are meant where none is named: the others must be asked for, by name or as all of them. */
const USUAL_CPUS = [
  "cortex-a72",
  "neoverse-n1",
  "neoverse-v1",
  "neoverse-v2",
  "neoverse-v3",
  "arch-minimal",
  "arch-maximal",
];

/** The hosts that are meant where none is named: those that the discussion compares, on one kernel. */
const USUAL_HOSTS = ["bare-metal", "kvm-nested-7.2", "kvm-nested-unmap-all", "kvm-nested-skip-holes"];

/** Names in the order in which they are shown, where it is not that of the alphabet; names that are not here come behind them. */
const ORDER: Readonly<Record<Shelf, readonly string[]>> = {
  // The order of the discussion: what is, what the report tried, what the review asked, the series, what KVM does, and beyond.
  policies: [
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
  ],
  cpus: USUAL_CPUS,
  hosts: USUAL_HOSTS,
  scenarios: [
    "create-domu",
    "create-domu-ramdisk",
    "create-domu-2m",
    "dom0-vcpus",
    "vcpu-switch",
    "balloon-domu",
    "disk-grants",
    "log-dirty",
    "destroy-domu",
  ],
};

function names(shelf: Shelf): string[] {
  const all = Object.keys(TEXTS[shelf]).sort();
  const first = ORDER[shelf].filter((name) => all.includes(name));
  return [...first, ...all.filter((name) => !first.includes(name))];
}

export const policyNames = (): string[] => names("policies");
export const hostNames = (): string[] => names("hosts");
export const cpuNames = (): string[] => names("cpus");
/** Names of the hosts that are meant where none is named. */
export const usualHosts = (): readonly string[] => USUAL_HOSTS;
/** Names of the CPUs that are meant where none is named. */
export const usualCpus = (): readonly string[] => USUAL_CPUS;
export const scenarioNames = (): string[] => names("scenarios");

const ONE: Readonly<Record<Shelf, string>> = {
  policies: "policy",
  hosts: "host",
  cpus: "CPU",
  scenarios: "scenario",
};
/** What one of a shelf is called. */
export const oneOf = (shelf: Shelf): string => ONE[shelf];

/** The text of a built-in file: TOML. Throws an InputError that lists the names that there are, and what else (`or`) may be named. */
export function builtInText(shelf: Shelf, name: string, or = ""): string {
  const text = Object.hasOwn(TEXTS[shelf], name) ? TEXTS[shelf][name] : undefined;
  if (text === undefined)
    throw new InputError(`no ${ONE[shelf]} is named '${name}': expected ${names(shelf).join(", ")}${or}`);
  return text;
}

/** What has been read so far: most policies, and hosts, are the base of others. */
const policies = new Map<string, Policy>();
const hosts = new Map<string, Host>();
const cpus = new Map<string, CpuProfile>();
const scenarios = new Map<string, Scenario>();

/** Reads a built-in file once. */
function once<T>(known: Map<string, T>, shelf: Shelf, name: string, parse: (text: string, file: string) => T): T {
  const value = known.get(name) ?? parse(builtInText(shelf, name), `${shelf}/${name}.toml`);
  known.set(name, value);
  return value;
}

/** A policy by its built-in name, also as a base of one's own. Throws an InputError that lists the names. */
export const builtInPolicy = (name: string): Policy =>
  once(policies, "policies", name, (text, file) => parsePolicy(text, file, builtInPolicy));

/** A host by its built-in name, also as a base of one's own. Throws an InputError that lists the names. */
export const builtInHost = (name: string): Host =>
  once(hosts, "hosts", name, (text, file) => parseHost(text, file, builtInHost));

/** A CPU by its built-in name, also as a base of one's own. Throws an InputError that lists the names. */
export const builtInCpu = (name: string): CpuProfile =>
  once(cpus, "cpus", name, (text, file) => parseCpu(text, file, builtInCpu));

/** A scenario by its built-in name. Throws an InputError that lists the names. */
export const builtInScenario = (name: string): Scenario => once(scenarios, "scenarios", name, parseScenario);
