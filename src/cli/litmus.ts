/** `shootdown litmus [FILE|DIR...]`: is the final assertion of each litmus test allowed by the architecture? */
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type Command, Option } from "commander";
import { CPU_PROFILES, cpuProfile } from "../arch/index.js";
import { LITMUS_FOLDER } from "../catalog/index.js";
import { readText } from "../files/index.js";
import { fileReason, InputError } from "../input/index.js";
import { DEFAULT_MAX_STATES, proverCpu } from "../prove/index.js";
import { isUnexpected, litmusText, summaryOf } from "./litmus-text.js";
import type { LitmusAnswer, LitmusJob, LitmusResult } from "./litmus-worker.js";
import { positive } from "./options.js";
import { ExitStatus, outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";
import { inThreads } from "./pool.js";
import { interruptible } from "./progress.js";

interface LitmusOptions {
  readonly json?: boolean;
  readonly expect?: boolean;
  readonly witness?: boolean;
  readonly cpu?: string;
  readonly ets2?: boolean;
  readonly maxStates: number;
  readonly timeout: number;
}

/** Exit status when `--expect` asks and a verdict is another one. */
const UNEXPECTED = 3;

export function register(program: Command): void {
  program
    .command("litmus")
    .description(
      "decide litmus tests in the form of isla or herd: is the final assertion allowed, on any CPU that the architecture permits?",
    )
    .argument(
      "[file|dir...]",
      "tests, or folders of tests (*.toml, *.litmus), or built-in ones by name; default: all built-in ones",
    )
    .option("--json", "print JSON")
    .option("--witness", "tell how each allowed assertion comes about")
    .option("--expect", `exit with status ${UNEXPECTED} when a verdict is not the one that the file gives or expects`)
    .addOption(
      new Option("--cpu <profile>", "a CPU profile (default: no optional feature, without the erratum)").choices(
        CPU_PROFILES.map(({ name }) => name),
      ),
    )
    .option("--ets2", "a CPU with FEAT_ETS2")
    .option("--no-ets2", "a CPU without FEAT_ETS2 (the default where no profile is given)")
    .addOption(
      new Option("--max-states <n>", "over this many states, a test's verdict is unknown")
        .default(DEFAULT_MAX_STATES, DEFAULT_MAX_STATES.toLocaleString("en"))
        .argParser(positive),
    )
    .addOption(
      new Option("--timeout <seconds>", "over this time, a test's verdict is unknown").default(60).argParser(positive),
    )
    .action((paths: string[], options: LitmusOptions) => quietOnBrokenPipe(() => run(paths, options)));
}

async function run(paths: readonly string[], options: LitmusOptions): Promise<void> {
  const tests = paths.length === 0 ? BUILT_IN.in("") : paths.flatMap(testsAt);
  const files = tests.filter(({ path }, i, all) => all.findIndex((other) => other.path === path) === i);
  const cpu = proverCpu(cpuProfile(options.cpu ?? "arch-minimal")!);
  const limits = { maxStates: options.maxStates, timeoutMs: options.timeout * 1000 };
  const answers = await decideAll(files, { ...cpu, ets2: options.ets2 ?? cpu.ets2, ...limits });
  const refused = answers.flatMap((answer) => ("refused" in answer ? [answer.refused] : []));
  const results = answers.filter((answer): answer is LitmusResult => !("refused" in answer));
  // A file alone is an input like any other.
  if (files.length === 1 && refused.length === 1) throw new InputError(refused[0]!);
  if (options.json) printJson(asJson(results, refused, options.witness === true));
  else {
    const { expect = false, witness = false } = options;
    print(litmusText(results, refused.length, { width: outputWidth(), expect, witness }));
  }
  for (const message of refused) say(`shootdown: ${message}\n`);
  if (refused.length > 0) throw new ExitStatus(1);
  if (options.expect && results.some(isUnexpected)) throw new ExitStatus(UNEXPECTED);
}

/** A file, and how it is called in what is printed. */
interface TestFile {
  readonly path: string;
  readonly file: string;
}

const BUILT_IN = {
  /** The built-in tests of a folder by its name ("stage-2"; "" = all), or the one of that name. */
  in: (name: string): TestFile[] =>
    testFilesIn(LITMUS_FOLDER)
      .filter(
        (file) => name === "" || file.startsWith(`${name}/`) || basename(file).replace(/\.(toml|litmus)$/, "") === name,
      )
      .map((file) => ({ path: join(LITMUS_FOLDER, file), file: `litmus/${file}` })),
};

/** The .toml and .litmus files of a folder and those below it, by their names from there; links to folders are not followed. */
function testFilesIn(folder: string): string[] {
  const found: string[] = [];
  const walk = (below: string): void => {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const name = join(below, entry.name);
      if (entry.isDirectory()) walk(name);
      else if (name.endsWith(".toml") || name.endsWith(".litmus")) found.push(name);
    }
  };
  walk("");
  return found.sort();
}

/** The tests at a path, in order: the file itself, the .toml and .litmus files of a folder and those below it, or built-in ones. */
function testsAt(path: string): TestFile[] {
  try {
    if (!statSync(path).isDirectory()) return [{ path, file: path }];
    const found = testFilesIn(path).map((file) => join(path, file));
    if (found.length === 0) throw InputError.at(path, 0, "no test is in this folder, expected .toml or .litmus files");
    return found.map((file) => ({ path: file, file }));
  } catch (error) {
    const builtIn = BUILT_IN.in(path);
    if (builtIn.length > 0) return builtIn;
    const reason = fileReason(error);
    throw reason === undefined
      ? error
      : InputError.at(path, 0, `${reason}, expected a litmus test or a folder of them`);
  }
}

/** Decides the tests on all cores; a file that cannot be read is an answer too. */
async function decideAll(files: readonly TestFile[], options: LitmusJob["options"]): Promise<LitmusAnswer[]> {
  const jobs: LitmusJob[] = [];
  const unread = new Map<string, LitmusAnswer>();
  for (const test of files)
    try {
      jobs.push({ file: test.file, text: readText(test.path, test.file, "a litmus test"), options });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      unread.set(test.path, { refused: error.message });
    }
  const decided = await interruptible((signal) =>
    inThreads<LitmusJob, LitmusAnswer>("./litmus-worker.js", jobs, "tests", signal),
  );
  const answers = decided.values();
  return files.map((test) => unread.get(test.path) ?? answers.next().value!);
}

/** What `--json` prints: its shape is a contract. */
function asJson(results: readonly LitmusResult[], refused: readonly string[], witness: boolean): object {
  return {
    results: results.map(
      ({ name, file, verdict, holds, states, timelines, milliseconds, reason, expect, expected, witness: steps }) => ({
        name,
        file,
        verdict,
        ...(holds === undefined ? {} : { holds }),
        states,
        timelines,
        milliseconds,
        ...(reason === undefined ? {} : { reason }),
        ...(expect === undefined ? {} : { expect }),
        ...(expected === undefined ? {} : { expected }),
        ...(witness && steps ? { witness: steps } : {}),
      }),
    ),
    summary: summaryOf(results, refused.length),
    ...(refused.length > 0 ? { refused } : {}),
  };
}
