/** The hosts that a command prices on, and the CPU that they have: one form of `--host` for all that take several. */
import { Option } from "commander";
import type { CpuProfile } from "../arch/index.js";
import { loadHost } from "../catalog/index.js";
import type { Host } from "../host/index.js";
import { InputError } from "../input/index.js";
import { collect, cpusOn, loadAll, withRepeat } from "./options.js";

/** `--host A,B --host C`; `what` says what is done on them, `byDefault` on which where none is named. */
export const hostsOption = (what = "a built-in host or a .toml file", byDefault = "the usual ones"): Option =>
  new Option("--host <hosts>", `${what}; may be repeated, or a list with commas (default: ${byDefault})`).argParser(
    collect,
  );

/** The hosts that were named, each once. An InputError where two files bear one name. */
export const hostsNamed = (names: readonly string[], repeatTlbi: boolean | undefined): Host[] =>
  loadAll("hosts", names, loadHost).map((host) => withRepeat(host, repeatTlbi));

/** The CPU of a simulation that is priced on all of these hosts: the one asked for, or the one that they all have. */
export function cpuOfAll(hosts: readonly Host[], asked: string | undefined): CpuProfile {
  const cpuOf = cpusOn(hosts, asked);
  const [first, ...others] = hosts.map((host) => ({ host, cpu: cpuOf(host) }));
  const other = others.find(({ cpu }) => cpu !== first!.cpu);
  if (other !== undefined)
    throw new InputError(
      `host ${first!.host.name} is a ${first!.cpu.name}, host ${other.host.name} a ${other.cpu.name}: expected hosts of one CPU, or --cpu`,
    );
  return first!.cpu;
}
