/** `shootdown prove POLICY...`: is a way of flushing safe on every Arm CPU, and if not, how does it fail? */
import { type Command, Option } from "commander";
import { CPU_PROFILES, type CpuProfile } from "../arch/index.js";
import { loadPolicy, policyNames } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { InputError, visibleLine } from "../input/index.js";
import { interruptible, interruptibleInto, proveInThreads, saveScenarios } from "../jobs/index.js";
import type { Policy } from "../policy/index.js";
import { assumptions, DEFAULT_MAX_STATES, PROVED, type Proof, type ProvedOccasion, Question, type Setting } from "../prove/index.js"; // biome-ignore format: one row
import {
  lookedAt,
  madeSentences,
  proofTable,
  proofText,
  renderProofReport,
  signOffJson,
  unexpected,
  verdictTable,
} from "../report/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { made } from "./made.js";
import { collect, expectOption, loadAll, positive } from "./options.js";
import { expectSound, outputWidth, print, printJson, quietOnBrokenPipe } from "./output.js";

interface ProveOptions extends FormOptions {
  readonly cpu?: readonly string[];
  readonly occasion?: readonly string[];
  readonly fb: boolean;
  readonly witness?: boolean;
  readonly report?: string;
  readonly save?: string;
  readonly maxStates: number;
  readonly timeout: number;
  readonly expect?: "sound";
}

export function register(program: Command): void {
  const occasions = Object.keys(PROVED);
  const command = program
    .command("prove")
    .description("is a way of flushing safe on every Arm CPU? Sound, or a story of how it fails, for each occasion")
    .argument("[policy...]", "built-in policies or .toml files (default: all built in)")
    .option("--cpu <profile>", "a CPU profile; may be repeated (default: all of them)", collect)
    .option("--occasion <occasion>", `one of ${occasions.join(", ")}; may be repeated (default: all)`, collect)
    .option("--no-fb", "as if the hypervisor left HCR_EL2.FB = 0")
    .option("--witness", "tell every story, also of many policies")
    .addOption(expectOption())
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
    );
  withForms(command, "a row for each verdict").action((policies: string[], options: ProveOptions) =>
    quietOnBrokenPipe(() => run(policies, options)),
  );
}

async function run(names: readonly string[], options: ProveOptions): Promise<void> {
  const policies = loadAll("policies", names.length > 0 ? names : policyNames(), loadPolicy);
  const setting: Setting = { fb: options.fb };
  const [cpus, occasions] = [cpusOf(options.cpu), occasionsOf(options.occasion)];
  const limits = { maxStates: options.maxStates, timeoutMs: options.timeout * 1000 };
  const { questions, results } = await interruptible((signal) =>
    proveInThreads(() => questionsOf(policies, cpus, occasions, setting), limits, signal),
  );
  const into = options.save;
  if (into !== undefined) await interruptible(async () => saveScenarios(questions, into));
  const proof = { results, policies, cpus, assumptions: assumptions(setting) };
  if (options.report !== undefined) {
    const { report } = options;
    await interruptibleInto(report, async () => writeWhole(report, await renderProofReport(proof, made())));
  }
  printProof(proof, options);
  if (options.expect !== undefined) expectSound(unexpected(results));
}

function printProof(proof: Proof, options: ProveOptions): void {
  const { results, policies, assumptions: assumed } = proof;
  if (printForm(options, { csv: () => proofTable(proof), markdown: () => verdictTable(proof), notes: [lookedAt(proof), ...madeSentences(made())] })) return; // biome-ignore format: one row
  if (options.json) printJson({ results: results.map(signOffJson), assumptions: assumed, made: made() });
  else {
    const witness = options.witness === true || policies.length === 1;
    print(proofText(proof, { width: outputWidth(), witness, made: made() }));
    if (options.report !== undefined) print(`\nThe report stands in ${visibleLine(options.report)}\n`);
  }
}

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
