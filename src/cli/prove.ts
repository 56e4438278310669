/** `shootdown prove POLICY...`: is a way of flushing safe on every Arm CPU, and if not, how does it fail? */
import { type Command, Option } from "commander";
import { loadPolicy, policyNames } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { visibleLine } from "../input/index.js";
import {
  cpusOf,
  FORMS,
  type Form,
  interruptible,
  interruptibleInto,
  type LiftedTrace,
  made,
  namesTrace,
  occasionsOf,
  proveInThreads,
  proveTraces,
  questionsOf,
  saveScenarios,
} from "../jobs/index.js";
import {
  assumptions,
  DEFAULT_MAX_STATES,
  type Limits,
  PROVED,
  type Proof,
  rulesWithout,
  type Setting,
} from "../prove/index.js";
import {
  liftedJson,
  liftedText,
  proofForms,
  proofText,
  refusedText,
  renderProofReport,
  signOffJson,
  unexpected,
} from "../report/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { noteUnchecked, partialOption } from "./integrity.js";
import { collect, expectOption, goesWith, loadAll, positive, withoutOption } from "./options.js";
import { expectSound, outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";

interface ProveOptions extends FormOptions {
  readonly cpu?: readonly string[];
  readonly occasion?: readonly string[];
  readonly fb: boolean;
  readonly witness?: boolean;
  readonly report?: string;
  readonly save?: string;
  readonly to: Form;
  readonly without?: readonly string[];
  readonly maxStates: number;
  readonly timeout: number;
  readonly partial?: boolean;
  readonly expect?: "sound";
}

export function register(program: Command): void {
  const occasions = Object.keys(PROVED);
  const command = program
    .command("prove")
    .description("is a way of flushing safe on every Arm CPU? Sound, or a story of how it fails, for each occasion")
    .argument(
      "[policy...]",
      "built-in policies or .toml files (default: all built in); or traces: what they executed",
      collect,
    )
    .option("--cpu <profile>", "a CPU profile; may be repeated (default: all of them)", collect)
    .option("--occasion <occasion>", `one of ${occasions.join(", ")}; may be repeated (default: all)`, collect)
    .option("--no-fb", "as if the hypervisor left HCR_EL2.FB = 0")
    .addOption(withoutOption())
    .option("--witness", "tell every story, also of many policies")
    .addOption(partialOption())
    .addOption(expectOption())
    .option("--json", "print JSON")
    .option("--report <file>", "also write one self-contained HTML file, with every story")
    .option(
      "--save <folder>",
      "also write every scenario as a litmus test, for `shootdown litmus` and other tools; of traces the policies",
    )
    .addOption(
      new Option("--to <form>", "the form of what is saved: isla or herd").choices(Object.keys(FORMS)).default("isla"),
    )
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
  withForms(command, "a row for each verdict").action((policies: string[], options: ProveOptions, command: Command) => {
    goesWith(command, ["to"], ["save"]);
    return quietOnBrokenPipe(() => run(policies, options));
  });
}

async function run(names: readonly string[], options: ProveOptions): Promise<void> {
  const setting: Setting = { fb: options.fb };
  const cpus = cpusOf(options.cpu);
  const limits: Limits = {
    maxStates: options.maxStates,
    timeoutMs: options.timeout * 1000,
    without: rulesWithout(options.without ?? []),
  };
  const assumed = { cpus, assumptions: assumptions(setting, options.without) };
  if (names.some(namesTrace)) {
    const { lifted, ...proved } = await proveTraces(names, { ...options, cpus, setting, limits });
    for (const { trace, info } of lifted) noteUnchecked(trace, info);
    return tell({ ...proved, ...assumed }, options, lifted);
  }
  const policies = loadAll("policies", names.length > 0 ? names : policyNames(), loadPolicy);
  const occasions = occasionsOf(options.occasion);
  const { questions, results } = await interruptible((signal) =>
    proveInThreads(() => questionsOf(policies, cpus, occasions, setting), limits, signal),
  );
  const into = options.save;
  if (into !== undefined) {
    const refused = await interruptible(async () => saveScenarios(questions, into, options.to));
    if (refused.length > 0) say(`In ${options.to}'s form, ${refusedText(refused)}\n`);
  }
  await tell({ results, policies, ...assumed }, options, []);
}

/** Prints what came out, and writes the report. */
async function tell(proof: Proof, options: ProveOptions, lifted: readonly LiftedTrace[]): Promise<void> {
  if (options.report !== undefined) {
    const { report } = options;
    await interruptibleInto(report, async () => writeWhole(report, await renderProofReport(proof, made())));
  }
  printProof(proof, options, lifted);
  if (options.expect !== undefined) expectSound(unexpected(proof.results));
}

function printProof(proof: Proof, options: ProveOptions, lifted: readonly LiftedTrace[]): void {
  const { results, policies, assumptions: assumed } = proof;
  if (printForm(options, proofForms(proof, made()))) return;
  if (options.json) {
    const traces = lifted.length > 0 ? { traces: lifted.map(liftedJson) } : {};
    printJson({ ...traces, results: results.map(signOffJson), assumptions: assumed, made: made() });
  } else {
    const witness = options.witness === true || policies.length === 1 || lifted.length > 0;
    print(lifted.map((one) => `${liftedText(one, outputWidth())}\n`).join(""));
    print(proofText(proof, { width: outputWidth(), witness, made: made() }));
    if (options.report !== undefined) print(`\nThe report stands in ${visibleLine(options.report)}\n`);
  }
}
