/** `shootdown prove POLICY...`: is a way of flushing safe on every Arm CPU, and if not, how does it fail? */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { CPU_PROFILES, type CpuProfile } from "../arch/index.js";
import { loadPolicy, policyNames } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { fileReason, InputError, visibleLine } from "../input/index.js";
import type { Policy } from "../policy/index.js";
import { assumptions, DEFAULT_MAX_STATES, Inquiry, PROVED, type ProvedOccasion, Question, type Setting, type SignOff, taskText } from "../prove/index.js"; // biome-ignore format: one row
import { proofText } from "../report/index.js";
import { decide, PROVE_WORKER } from "./decide.js";
import { argv } from "./io.js";
import { collect, loadAll, positive } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe, shellWord } from "./output.js";
import { Threads } from "./pool.js";
import { interruptible, interruptibleInto } from "./progress.js";

interface ProveOptions {
  readonly cpu?: readonly string[];
  readonly occasion?: readonly string[];
  readonly fb: boolean;
  readonly witness?: boolean;
  readonly json?: boolean;
  readonly report?: string;
  readonly save?: string;
  readonly maxStates: number;
  readonly timeout: number;
}

export function register(program: Command): void {
  const occasions = Object.keys(PROVED);
  program
    .command("prove")
    .description("is a way of flushing safe on every Arm CPU? Sound, or a story of how it fails, for each occasion")
    .argument("[policy...]", "built-in policies or .toml files (default: all built in)")
    .option("--cpu <profile>", "a CPU profile; may be repeated (default: all of them)", collect)
    .option("--occasion <occasion>", `one of ${occasions.join(", ")}; may be repeated (default: all)`, collect)
    .option("--no-fb", "as if the hypervisor left HCR_EL2.FB = 0")
    .option("--witness", "tell every story, also of many policies")
    .option("--json", "print JSON")
    .option("--report <file>", "also write one self-contained HTML file, with every story")
    .option("--save <folder>", "also write every scenario as a litmus test, for `shootdown litmus` and other tools")
    .addOption(
      new Option("--max-states <n>", "over this many states, a scenario's verdict is unknown")
        .default(DEFAULT_MAX_STATES, DEFAULT_MAX_STATES.toLocaleString("en"))
        .argParser(positive),
    )
    .addOption(
      new Option("--timeout <seconds>", "over this time, a scenario's verdict is unknown")
        .default(60)
        .argParser(positive),
    )
    .action((policies: string[], options: ProveOptions) => quietOnBrokenPipe(() => run(policies, options)));
}

async function run(names: readonly string[], options: ProveOptions): Promise<void> {
  const policies = loadAll("policies", names.length > 0 ? names : policyNames(), loadPolicy);
  const setting: Setting = { fb: options.fb };
  const [cpus, occasions] = [cpusOf(options.cpu), occasionsOf(options.occasion)];
  const limits = { maxStates: options.maxStates, timeoutMs: options.timeout * 1000 };
  const { questions, results } = await interruptible(async (signal) => {
    const threads = new Threads([PROVE_WORKER], "parts of the proof");
    try {
      const asked = questionsOf(policies, cpus, occasions, setting); // while the threads load
      return { questions: asked, results: await decide(new Inquiry(asked, true), limits, threads, signal) };
    } finally {
      await threads.end();
    }
  });
  const into = options.save;
  if (into !== undefined) await interruptible(async () => save(questions, into));
  const proof = { results, policies, cpus, assumptions: assumptions(setting) };
  if (options.report !== undefined) {
    const { report } = options;
    const { renderProofReport } = await import("../report/index.js");
    await interruptibleInto(report, async () => writeWhole(report, await renderProofReport(proof, commandLine())));
  }
  if (options.json) printJson({ results: results.map(asJson), assumptions: assumptions(setting) });
  else {
    const witness = options.witness === true || policies.length === 1;
    print(proofText(proof, { width: outputWidth(), witness }));
    if (options.report !== undefined) print(`\nThe report stands in ${visibleLine(options.report)}\n`);
  }
}

/** What was typed, for a shell to repeat. */
const commandLine = (): string => ["shootdown", ...argv().map(shellWord)].join(" ");

function cpusOf(asked: readonly string[] | undefined): CpuProfile[] {
  if (asked === undefined) return [...CPU_PROFILES];
  return [...new Set(asked)].map((name) => {
    const found = CPU_PROFILES.find((profile) => profile.name === name);
    if (!found)
      throw new InputError(
        `--cpu: unknown profile '${name}', expected ${CPU_PROFILES.map((profile) => profile.name).join(", ")}`,
      );
    return found;
  });
}

function occasionsOf(asked: readonly string[] | undefined): ProvedOccasion[] {
  const known = Object.keys(PROVED) as ProvedOccasion[];
  for (const name of asked ?? [])
    if (!(known as string[]).includes(name))
      throw new InputError(`--occasion: unknown occasion '${name}', expected ${known.join(", ")}`);
  return asked === undefined ? known : known.filter((name) => asked.includes(name));
}

function questionsOf(
  policies: readonly Policy[],
  cpus: readonly CpuProfile[],
  occasions: readonly ProvedOccasion[],
  setting: Setting,
): Question[] {
  // biome-ignore format: one row
  return policies.flatMap((policy) =>
    occasions.flatMap((occasion) => cpus.map((cpu) => new Question(policy, occasion, cpu, setting))),
  );
}

/** Writes the scenarios as litmus tests: FOLDER/CPU/POLICY/NAME.litmus.toml. */
function save(questions: readonly Question[], folder: string): void {
  for (const { policy, cpu, tasks } of questions) {
    if (tasks.length === 0) continue;
    const into = join(folder, cpu.name, policy.name);
    try {
      mkdirSync(into, { recursive: true });
    } catch (error) {
      const reason = fileReason(error);
      throw reason === undefined ? error : InputError.at(into, 0, `cannot be made: ${reason}`);
    }
    for (const task of tasks) writeWhole(join(into, `${task.name}.litmus.toml`), taskText(task));
  }
}

/** A result as `--json` gives it: its shape is a contract. */
function asJson({ milliseconds, scenario, ...rest }: SignOff): object {
  const { text: _, ...told } = scenario ?? {};
  return { ...rest, milliseconds: Math.round(milliseconds * 10) / 10, ...(scenario && { scenario: told }) };
}
