/** `shootdown prove POLICY...`: is a way of flushing safe on every Arm CPU, and if not, how does it fail? */
import { type Command, Option } from "commander";
import type { CpuProfile } from "../arch/index.js";
import { loadPolicy, policyNames } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { InputError, visibleLine } from "../input/index.js";
import {
  cpusOf,
  errataOf,
  FORMS,
  type Form,
  interruptible,
  interruptibleInto,
  made,
  namesTrace,
  occasionsOf,
  proveInThreads,
  proveTraces,
  questionsOf,
  saveScenarios,
} from "../jobs/index.js";
import { assumptions, type Limits, PROVED, type Proof, type Setting, supposedOf } from "../prove/index.js";
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
import {
  collect,
  erratumOption,
  expectOption,
  goesWith,
  type LimitOptions,
  limitsOf,
  loadAll,
  noCacheOption,
  queueOption,
  type SettingOptions,
  settingOf,
  withLimits,
  withoutOption,
  withSetting,
} from "./options.js";
import { expectSound, outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";
import { type CodeOptions, checkCode, proveCode, withCode } from "./prove-code.js";

interface ProveOptions extends FormOptions, CodeOptions, LimitOptions, SettingOptions {
  readonly cpu?: readonly string[];
  readonly erratum?: readonly string[];
  readonly occasion?: readonly string[];
  readonly witness?: boolean;
  readonly report?: string;
  readonly save?: string;
  readonly to: Form;
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
    .option(
      "--cpu <cpu>",
      "a built-in CPU or a .toml file; may be repeated; all: every built-in one (default: the usual ones)",
      collect,
    )
    .addOption(erratumOption())
    .option("--occasion <occasion>", `one of ${occasions.join(", ")}; may be repeated (default: all)`, collect)
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
    );
  withForms(
    withCode(withLimits(withSetting(command)).addOption(noCacheOption()).addOption(queueOption())),
    "a row for each verdict",
  ).action((policies: string[], options: ProveOptions, command: Command) => {
    goesWith(command, ["to"], ["save"]);
    checkCode(command, policies, options.code, options.occasion);
    return quietOnBrokenPipe(() => run(policies, options));
  });
}

/** What is proved, and what is told before it of where that comes from. */
interface Proved {
  readonly proof: Proof;
  /** more members of the JSON form */
  readonly json?: object;
  show?(): void;
  /** every story is told, whatever the options */
  readonly stories?: true;
}

async function run(names: readonly string[], options: ProveOptions): Promise<void> {
  const setting = settingOf(options);
  const cpus = cpusOf(options.cpu);
  const limits: Limits = limitsOf(options);
  const { code } = options;
  if (options.erratum !== undefined && (code !== undefined || names.some(namesTrace)))
    throw new InputError("--erratum: expected policies; --cpu with a file of your own has it for traces and code");
  if (options.granule !== "4K" && (code !== undefined || names.some(namesTrace)))
    throw new InputError(
      "--granule: expected policies; what traces and code execute is known for tables of 4 KiB alone",
    );
  const proved: Proved =
    code !== undefined
      ? await proveCode({ ...options, code }, cpus, setting, limits)
      : names.some(namesTrace)
        ? await fromTraces(names, options, cpus, setting, limits)
        : await provePolicies(names, options, cpus, setting, limits);
  const { report } = options;
  if (report !== undefined)
    await interruptibleInto(report, async () => writeWhole(report, await renderProofReport(proved.proof, made())));
  printProof(proved, options);
  if (options.expect !== undefined) expectSound(unexpected(proved.proof.results));
}

async function provePolicies(
  names: readonly string[],
  options: ProveOptions,
  cpus: readonly CpuProfile[],
  setting: Setting,
  limits: Limits,
): Promise<Proved> {
  const policies = loadAll("policies", names.length > 0 ? names : policyNames(), loadPolicy);
  const [occasions, errata] = [occasionsOf(options.occasion), errataOf(options.erratum)];
  const { questions, results } = await interruptible((signal) =>
    proveInThreads(() => questionsOf(policies, cpus, occasions, setting, errata), limits, signal),
  );
  const into = options.save;
  if (into !== undefined) {
    const refused = await interruptible(async () => saveScenarios(questions, into, options.to));
    if (refused.length > 0) say(`In ${options.to}'s form, ${refusedText(refused)}\n`);
  }
  const assumed = assumptions(setting, options.without);
  return { proof: { results, policies, cpus, assumptions: assumed, errata: supposedOf(errata, cpus) } };
}

/** Proves what traces executed. */
async function fromTraces(
  names: readonly string[],
  options: ProveOptions,
  cpus: readonly CpuProfile[],
  setting: Setting,
  limits: Limits,
): Promise<Proved> {
  const { lifted, ...proved } = await proveTraces(names, { ...options, cpus, setting, limits });
  for (const { trace, info } of lifted) noteUnchecked(trace, info);
  return {
    proof: { ...proved, cpus, assumptions: assumptions(setting, options.without) },
    json: { traces: lifted.map(liftedJson) },
    show: () => print(lifted.map((one) => `${liftedText(one, outputWidth())}\n`).join("")),
    stories: true,
  };
}

function printProof({ proof, json, show, stories }: Proved, options: ProveOptions): void {
  const { results, policies, assumptions: assumed, errata = [] } = proof;
  if (printForm(options, proofForms(proof, made()))) return;
  const about = errata.length > 0 ? { errata } : {};
  if (options.json)
    printJson({
      ...json,
      results: results.map(signOffJson),
      ...about,
      granule: options.granule,
      assumptions: assumed,
      made: made(),
    });
  else {
    show?.();
    const witness = options.witness === true || stories === true || policies.length === 1;
    print(proofText(proof, { width: outputWidth(), witness, made: made() }));
    if (options.report !== undefined) print(`\nThe report stands in ${visibleLine(options.report)}\n`);
  }
}
