/** `shootdown prove POLICY...`: is a way of flushing safe on every Arm CPU, and if not, how does it fail? */
import { type Command, Option } from "commander";
import { loadPolicy, policyNames } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { visibleLine } from "../input/index.js";
import {
  type CodeAsked,
  codeOnTrial,
  codeQuestions,
  codeResults,
  cpusOf,
  FORMS,
  type Form,
  interruptible,
  interruptibleInto,
  made,
  occasionsOf,
  proveInThreads,
  questionsOf,
  saveCode,
  saveScenarios,
} from "../jobs/index.js";
import { assumptions, DEFAULT_MAX_STATES, PROVED, type Proof, rulesWithout, type Setting } from "../prove/index.js";
import {
  codeJson,
  codeText,
  proofForms,
  proofText,
  refusedText,
  renderProofReport,
  signOffJson,
  unexpected,
} from "../report/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { collect, expectOption, goesWith, loadAll, positive, withoutOption } from "./options.js";
import { expectSound, outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";
import { checkCode, withCode } from "./prove-code.js";

interface ProveOptions extends FormOptions, CodeAsked {
  readonly code?: string;
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
  readonly expect?: "sound";
}

export function register(program: Command): void {
  const occasions = Object.keys(PROVED);
  const command = program
    .command("prove")
    .description("is a way of flushing safe on every Arm CPU? Sound, or a story of how it fails, for each occasion")
    .argument("[policy...]", "built-in policies or .toml files (default: all built in)", collect)
    .option("--cpu <profile>", "a CPU profile; may be repeated (default: all of them)", collect)
    .option("--occasion <occasion>", `one of ${occasions.join(", ")}; may be repeated (default: all)`, collect)
    .option("--no-fb", "as if the hypervisor left HCR_EL2.FB = 0")
    .addOption(withoutOption())
    .option("--witness", "tell every story, also of many policies")
    .addOption(expectOption())
    .option("--json", "print JSON")
    .option("--report <file>", "also write one self-contained HTML file, with every story")
    .option("--save <folder>", "also write every scenario as a litmus test, for `shootdown litmus` and other tools")
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
  withCode(command);
  withForms(command, "a row for each verdict").action((policies: string[], options: ProveOptions, command: Command) => {
    goesWith(command, ["to"], ["save"]);
    checkCode(command, policies);
    return quietOnBrokenPipe(() => run(policies, options));
  });
}

async function run(names: readonly string[], options: ProveOptions): Promise<void> {
  const setting: Setting = { fb: options.fb };
  const [cpus, occasions] = [cpusOf(options.cpu), occasionsOf(options.occasion)];
  const trial = options.code === undefined ? undefined : codeOnTrial(options.code, options, occasions);
  const own = trial ? [] : loadAll("policies", names.length > 0 ? names : policyNames(), loadPolicy);
  const limits = {
    maxStates: options.maxStates,
    timeoutMs: options.timeout * 1000,
    without: rulesWithout(options.without ?? []),
  };
  const ask = () => (trial ? codeQuestions(trial, cpus, setting) : questionsOf(own, cpus, occasions, setting));
  const { questions, results: found } = await interruptible((signal) => proveInThreads(ask, limits, signal));
  const results = trial ? codeResults(trial, cpus, found) : found;
  const into = options.save;
  if (into !== undefined) {
    const save = () => (trial ? saveCode(trial, into) : saveScenarios(questions, into, options.to));
    const refused = await interruptible(async () => save());
    if (refused.length > 0) say(`In ${options.to}'s form, ${refusedText(refused)}\n`);
  }
  const proof = { results, policies: trial?.policies ?? own, cpus, assumptions: assumptions(setting, options.without) };
  if (options.report !== undefined) {
    const { report } = options;
    await interruptibleInto(report, async () => writeWhole(report, await renderProofReport(proof, made())));
  }
  printProof(proof, options, trial);
  if (options.expect !== undefined) expectSound(unexpected(results));
}

function printProof(proof: Proof, options: ProveOptions, trial?: Parameters<typeof codeText>[0]): void {
  const { results, policies, assumptions: all } = proof;
  if (printForm(options, proofForms(proof, made()))) return;
  if (options.json)
    printJson({ results: results.map(signOffJson), assumptions: all, ...codeJson(trial), made: made() });
  else {
    if (trial) print(codeText(trial, outputWidth()));
    const witness = options.witness === true || policies.length === 1;
    print(proofText(proof, { width: outputWidth(), witness, made: made() }));
    if (options.report !== undefined) print(`\nThe report stands in ${visibleLine(options.report)}\n`);
  }
}
