/** Options that several commands take, and what they mean. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type CpuProfile, GRANULE_WORDS, type GranuleWord } from "../arch/index.js";
import { loadCpu } from "../catalog/index.js";
import { type Host, repeating } from "../host/index.js";
import { InputError } from "../input/index.js";
import { type Bounds, parseQueue, SHELVES, userVerdicts } from "../jobs/index.js";
import { DEFAULT_MAX_STATES, rulesWithout, type Setting, SWITCHED } from "../prove/index.js";

/** `--ipa-bits 40,44,48` as a list of numbers; what a host can have is the host's to say. */
export function ipaBitsOption(byDefault: readonly number[]): Option {
  return new Option("--ipa-bits <list>", "IPA bits of the nested host, separated by commas")
    .default(byDefault, byDefault.join(","))
    .argParser(numbers);
}

function numbers(text: string): number[] {
  const list = text.split(",").map((part) => (/^\s*\d{1,3}\s*$/.test(part) ? Number(part) : Number.NaN));
  if (list.some((n) => Number.isNaN(n) || n < 32 || n > 52))
    throw new InvalidArgumentError("Expected numbers from 32 to 52, separated by commas.");
  return [...new Set(list)];
}

/** `--without ASSUMPTION`, which may be repeated: an assumption of the prover that is not made. */
export function withoutOption(): Option {
  return new Option("--without <assumption>", `do not assume one of ${SWITCHED.join(", ")}; may be repeated`).argParser(
    (name: string, before: readonly string[] | undefined): readonly string[] => {
      if (!SWITCHED.includes(name)) throw new InvalidArgumentError(`Expected one of ${SWITCHED.join(", ")}.`);
      return [...(before ?? []), name];
    },
  );
}

/** `--cpu CPU`: what the hypervisor sees in place of the host file's CPU. */
export const cpuOption = (): Option =>
  new Option("--cpu <cpu>", "the CPU that the hypervisor runs on, built in or a .toml file (default: the host file's)");

/** What of a hypervisor's set-up scenarios depend on. */
export interface SettingOptions {
  readonly fb: boolean;
  readonly granule: GranuleWord;
}

/** Adds the options of {@link SettingOptions}. */
export const withSetting = (command: Command): Command =>
  command
    .option("--no-fb", "as if the hypervisor left HCR_EL2.FB = 0")
    .addOption(
      new Option("--granule <size>", "granule of all tables").choices(Object.keys(GRANULE_WORDS)).default("4K"),
    );

export const settingOf = ({ fb, granule }: SettingOptions): Setting => ({ fb, granule: GRANULE_WORDS[granule] });

/** `--erratum N`, which may be repeated: as if the CPU had it. */
export const erratumOption = (): Option =>
  new Option("--erratum <number>", "as if the CPU had this erratum, by its number; may be repeated").argParser(collect);

/** `--repeat-tlbi`: hosts price their own remedy of the erratum. */
export function repeatOption(): Option {
  return new Option(
    "--repeat-tlbi",
    "nested hosts repeat their flushes for CVE-2025-10263, as Linux does since mid-2026 (the measured host of 2025 did not)",
  );
}

/**
 * Loads policies, hosts or scenarios (`what`) by name or path, each once. Throws an InputError when two have the same name:
 * results go by names.
 */
export function loadAll<T extends { readonly name: string }>(
  what: string,
  names: readonly string[],
  load: (name: string) => T,
): T[] {
  const loaded = [...new Set(names)].map(load);
  const twice = loaded.find((one, i) => loaded.findIndex((other) => other.name === one.name) < i);
  if (twice) throw new InputError(`two ${what} are named '${twice.name}': their rows could not be told apart`);
  return loaded;
}

/** A number above 0, also with decimals. */
export function positive(text: string): number {
  const value = Number(text);
  if (!/^\d{1,12}(\.\d+)?$/.test(text) || !(value > 0)) throw new InvalidArgumentError("Expected a number above 0.");
  return value;
}

/** Collects a repeatable option; each may also be a list with commas. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), ...value.split(",").map((part) => part.trim())];
}

/** The CPU that the hypervisor sees on each host: the one asked for, or the host file's. Throws an InputError. */
export function cpusOn(hosts: readonly Host[], asked: string | undefined): (host: Host) => CpuProfile {
  const names = new Set(hosts.map((host) => asked ?? host.cpu));
  const cpus = new Map([...names].map((name) => [name, loadCpu(name)]));
  return (host) => cpus.get(asked ?? host.cpu)!;
}

/** The host with its own remedy of the erratum switched on, if asked. */
export function withRepeat(host: Host, repeat: boolean | undefined): Host {
  return repeat ? repeating(host) : host;
}

/** `--ran 1,2`: VMIDs whose guests have run before the trace begins, so that KVM has a shadow stage-2 of each. */
export function ranOption(): Option {
  return new Option(
    "--ran <vmids>",
    "VMIDs whose guests have run before the trace begins, separated by commas: a nested host has a shadow of each",
  ).argParser((text) => {
    const list = text.split(",").map((part) => (/^\s*\d{1,5}\s*$/.test(part) ? Number(part) : Number.NaN));
    if (list.some((n) => Number.isNaN(n) || n > 0xffff))
      throw new InvalidArgumentError("Expected VMIDs from 0 to 65535, separated by commas.");
    return [...new Set(list)];
  });
}

/** Most vCPUs that a guest hypervisor may have: pCPUs of a trace fit 8 bits. */
const MAX_VCPUS = 256;

/** `--vcpus N`: vCPUs of the guest hypervisor, of which KVM keeps two shadow MMUs each. */
export function vcpusOption(): Option {
  return new Option(
    "--vcpus <n>",
    "vCPUs of the guest hypervisor (pCPUs of the trace): KVM has two shadow MMUs for each",
  )
    .default(MAX_VCPUS, `${MAX_VCPUS}, so that no shadow is recycled`)
    .argParser((text) => {
      const n = Number(text);
      if (!/^\d+$/.test(text) || n < 1 || n > MAX_VCPUS)
        throw new InvalidArgumentError(`Expected a number from 1 to ${MAX_VCPUS}.`);
      return n;
    });
}

/**
 * Refuses options (attribute names, as `ipaBits`) that mean something only beside one of `others`, where none of these is given:
 * wrong usage, for an option that is left out in silence looks obeyed.
 */
export function goesWith(command: Command, names: readonly string[], others: readonly string[]): void {
  const given = (name: string): boolean => !["default", undefined].includes(command.getOptionValueSource(name));
  const flag = (name: string) => command.options.find((option) => option.attributeName() === name)?.long ?? name;
  if (others.some(given)) return;
  for (const name of names.filter(given))
    command.error(`error: ${flag(name)} goes with ${others.map(flag).join(" or ")}`);
}

/** Exit status when `--expect` asks and a verdict is another one. */
export const UNEXPECTED = 3;

/** `--expect sound`: for scripts that must notice. */
export const expectOption = (): Option =>
  new Option(
    "--expect <verdict>",
    `exit with status ${UNEXPECTED} unless every policy is sound wherever it can run`,
  ).choices(["sound"]);

/** A whole number from 1 on. */
export const numberUpTo = (most: number): ((text: string) => number) => numberFromTo(1, most);

/** A whole number. */
export function numberFromTo(least: number, most: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!/^\d+$/.test(text) || n < least || n > most)
      throw new InvalidArgumentError(`Expected a number from ${least} to ${most}.`);
    return n;
  };
}

/** The bounds of the prover for each scenario, what it does not assume, and whether verdicts are kept. */
export interface LimitOptions {
  readonly cache: boolean;
  readonly without?: readonly string[];
  readonly maxStates: number;
  readonly timeout: number;
  readonly queue?: string | undefined;
}

/** Adds the options of {@link LimitOptions} but `--without`; `what` is decided within them. */
export const withLimits = (command: Command, what = "a scenario"): Command =>
  command
    .addOption(
      new Option("--max-states <n>", `over this many states, ${what}'s verdict is unknown`)
        .default(DEFAULT_MAX_STATES, DEFAULT_MAX_STATES.toLocaleString("en"))
        .argParser(positive),
    )
    .addOption(
      new Option("--timeout <seconds>", `over this time, ${what}'s verdict is unknown`).default(60).argParser(positive),
    );

export const limitsOf = ({ maxStates, timeout, without = [], cache, queue }: LimitOptions): Bounds => ({
  ...{ maxStates, timeoutMs: timeout * 1000, without: rulesWithout(without) },
  verdicts: cache ? userVerdicts() : undefined,
  queue,
});

const FOLDERS = Object.values(SHELVES).map(({ variable }) => variable);

/** `--no-cache`: decide and simulate everything anew. */
export const noCacheOption = (): Option =>
  new Option(
    "--no-cache",
    `neither use what the user's cache folder keeps (or ${FOLDERS.join(" and ")} do) nor keep anything there`,
  );

/** `--queue URL`: where the workers are that decide. */
export const queueOption = (
  what = "have the workers of this queue decide (Redis or Valkey), redis://HOST:PORT or rediss://",
): Option =>
  new Option("--queue <url>", what).argParser((text) => {
    try {
      return parseQueue(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  });
