import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { CpuProfile } from "../arch/index.js";
import {
  builtInCpu,
  builtInHost,
  builtInPolicy,
  builtInScenario,
  cpuNames,
  builtInText as namedText,
  oneOf,
  type Shelf,
} from "../builtin/index.js";
import { parseCpu } from "../cpu/index.js";
import { noteBytes, readText, STANDARD_INPUT } from "../files/index.js";
import { type Host, parseHost } from "../host/index.js";
import { parseScenario, type Scenario } from "../hypervisor/index.js";
import { InputError } from "../input/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import { type Word, wordIn, wordsOf } from "./words.js";

export {
  cpuNames,
  hostNames,
  policyNames,
  type Shelf,
  scenarioNames,
  usualCpus,
  usualHosts,
} from "../builtin/index.js";
export { type LitmusFile, litmusFiles } from "./litmus.js";
export { namesPolicy, traceNames, tracePath, traceViews } from "./traces.js";

/** True when the user means a file: it has a slash, ends in .toml, or is "-" (standard input). */
export const isPath = (name: string): boolean => name === "-" || name.includes("/") || name.endsWith(".toml");
/** What may be named in place of something built in. */
const OR_PATH = ", or a path to a .toml file (-: standard input)";

/** What a file is called in errors. */
const calledFile = (path: string): string => (path === "-" ? STANDARD_INPUT : path);

/** The text of a built-in file, to print it; also of a path. Throws an InputError. */
export const builtInText = (shelf: Shelf, name: string): string =>
  isPath(name) ? readText(name, calledFile(name), "TOML") : namedText(shelf, name, OR_PATH);

/** What is built in under a name; where there is none, an InputError says that a path would do too. */
function named<T>(shelf: Shelf, name: string, builtIn: (name: string) => T): T {
  noteBuiltIn(shelf, name);
  return builtIn(name);
}

/** Notes the text as an input of this command, and those of its bases. */
function noteBuiltIn(shelf: Shelf, name: string): void {
  const text = builtInText(shelf, name);
  noteBytes(`${shelf}/${name}.toml`, Buffer.from(text));
  const base = /^base\s*=\s*"([^"]+)"/m.exec(text)?.[1];
  if (base !== undefined) noteBuiltIn(shelf, base);
}

/** A policy by built-in name or path; its base may be either too, a path from the file's folder. Throws an InputError. */
export const loadPolicy = (name: string): Policy => fromBases("policies", name, [], parsePolicy, builtInPolicy);

/** A host by built-in name or path; its base as of a policy. Throws an InputError. */
export const loadHost = (name: string): Host => fromBases("hosts", name, [], hostIn, builtInHost);

/**
 * A CPU by built-in name or path; its base as of a policy. Throws an InputError. A built-in one is no input of a command's: which
 * one is meant, the command and the host say.
 */
export const loadCpu = (name: string): CpuProfile =>
  isPath(name) ? fromBases("cpus", name, [], parseCpu, builtInCpu) : namedCpu(name);

function namedCpu(name: string): CpuProfile {
  if (!cpuNames().includes(name)) throw new InputError(noSuchCpu(name));
  return builtInCpu(name);
}

/** A host's file; the CPU that it names is built in, or a path from the file's folder. */
const hostIn = (text: string, file: string, base: (name: string, line?: number) => Host): Host =>
  parseHost(text, file, base, (name, line) => {
    if (isPath(name)) return beside(file, name);
    if (cpuNames().includes(name)) return name;
    throw InputError.at(file, line, `cpu: ${noSuchCpu(name)}`);
  });

/** Why a name is no CPU's. */
const noSuchCpu = (name: string): string => `no CPU is named '${name}': expected ${cpuNames().join(", ")}${OR_PATH}`;

/** A path that a file names, from the file's folder: a path still, which a name of something built in is not. */
function beside(file: string, path: string): string {
  const from = join(dirname(file), path);
  return isPath(from) ? from : `./${from}`;
}

/** How a file in `folder` names what `name` names here as its base: a path from there, or a name of something built in. */
export function namedFrom(name: string, folder: string): string {
  if (!isPath(name)) return name;
  const path = relative(folder, name);
  return isPath(path) ? path : `./${path}`;
}

/** Reads a file and those that it names as its base, which may name others; `chain` has those that lead here. */
function fromBases<T>(
  shelf: "policies" | "hosts" | "cpus",
  name: string,
  chain: readonly string[],
  parse: (text: string, file: string, base: (name: string, line?: number) => T) => T,
  builtIn: (name: string) => T,
): T {
  if (!isPath(name)) return named(shelf, name, builtIn);
  const file = calledFile(name);
  return parse(builtInText(shelf, name), file, (base, line) => {
    const from = isPath(base) ? beside(name, base) : base;
    const those = [...chain, name];
    if (those.includes(from))
      throw InputError.at(file, line, `${oneOf(shelf)} ${from} is its own base: ${[...those, from].join(" -> ")}`);
    try {
      return fromBases(shelf, from, those, parse, builtIn);
    } catch (error) {
      // A name that there is not is this file's mistake, and stands in its line.
      if (isPath(from) || !(error instanceof InputError)) throw error;
      throw InputError.at(file, line, error.message);
    }
  });
}

/** A scenario by built-in name or path. Throws an InputError. */
export const loadScenario = (name: string): Scenario =>
  isPath(name)
    ? parseScenario(builtInText("scenarios", name), calledFile(name))
    : named("scenarios", name, builtInScenario);

const glossary = (): string => readFileSync(new URL("../../docs/glossary.md", import.meta.url), "utf8");

/** All words with their meanings. */
export const allWords = (): Word[] => wordsOf(glossary());

/** What a word means. Throws an InputError with the nearest words; `others` may be meant as well. */
export const explainWord = (name: string, others: readonly string[]): Word[] => wordIn(glossary(), name, others);
