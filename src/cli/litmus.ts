/** `shootdown litmus [FILE|DIR...]`: is the final assertion of each litmus test allowed by the architecture? */
import { type Command, Option } from "commander";
import { litmusFiles, loadCpu } from "../catalog/index.js";
import { InputError } from "../input/index.js";
import {
  type Converted,
  convertLitmus,
  decideLitmus,
  errataOf,
  FORMS,
  type Form,
  type LitmusResult,
  refuseOutside,
} from "../jobs/index.js";
import { proverCpu, supposing } from "../prove/index.js";
import {
  convertedText,
  finalStatesText,
  isUnexpected,
  litmusJson,
  litmusTable,
  litmusText,
  testTable,
} from "../report/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import {
  erratumOption,
  type LimitOptions,
  limitsOf,
  queueOption,
  UNEXPECTED,
  withLimits,
  withoutOption,
} from "./options.js";
import { ExitStatus, outputWidth, print, printFile, printJson, quietOnBrokenPipe, say } from "./output.js";

interface LitmusOptions extends FormOptions, Omit<LimitOptions, "cache"> {
  readonly expect?: boolean;
  readonly witness?: boolean;
  readonly states?: boolean;
  readonly to?: Form;
  readonly save?: string;
  readonly cpu?: string;
  readonly erratum?: readonly string[];
  readonly ets2?: boolean;
}

/** Forms in which nothing of a test is told but its row. */
const TABLES = ["csv", "markdown"];
/** Options of deciding, which a conversion does not do. */
const DECIDES = ["witness", "states", "expect", "cpu", "erratum", "ets2", "without", "maxStates", "timeout", "queue"];

export function register(program: Command): void {
  const command = program
    .command("litmus")
    .description(
      "decide litmus tests in the form of isla or herd: is the final assertion allowed, on any CPU that the architecture permits?",
    )
    .argument(
      "[file|dir...]",
      "tests, or folders of tests (*.toml, *.litmus), or built-in ones by name; default: all built-in ones",
    )
    .option("--json", "print JSON")
    .addOption(new Option("--witness", "tell how each allowed assertion comes about").conflicts(TABLES))
    .addOption(new Option("--states", "print all final states of each test, as herd does").conflicts(TABLES))
    .addOption(
      new Option("--to <form>", "print the test in the form of isla or herd, instead of deciding it")
        .choices(Object.keys(FORMS))
        .conflicts([...TABLES, ...DECIDES]),
    )
    .option("--save <folder>", "with --to: write every test that the form can say into this folder")
    .option("--expect", `exit with status ${UNEXPECTED} when a verdict is not the one that the file gives or expects`)
    .option("--cpu <cpu>", "a built-in CPU or a .toml file (default: no optional feature, and no erratum)")
    .addOption(erratumOption())
    .option("--ets2", "a CPU with FEAT_ETS2")
    .option("--no-ets2", "a CPU without FEAT_ETS2 (the default where no profile is given)")
    .addOption(withoutOption());
  withForms(withLimits(command, "a test").addOption(queueOption()), "a row for each test").action(
    (paths: string[], options: LitmusOptions) => quietOnBrokenPipe(() => run(paths, options)),
  );
}

async function run(paths: readonly string[], options: LitmusOptions): Promise<void> {
  const files = litmusFiles(paths);
  if (options.to !== undefined) return convert(convertLitmus(files, options.to, options.save), options.to, options);
  if (options.save !== undefined) throw new InputError("--save: expected --to with a form to write the tests in");
  const errata = errataOf(options.erratum);
  refuseOutside(errata);
  const cpu = proverCpu(supposing(loadCpu(options.cpu ?? "arch-minimal"), errata));
  const { maxStates, timeoutMs, without = new Set() } = limitsOf({ ...options, cache: false });
  const asked = { ...cpu, ets2: options.ets2 ?? cpu.ets2, maxStates, timeoutMs, without };
  const answers = await decideLitmus(files, asked, options.states, options.queue);
  const refused = answers.flatMap((answer) => ("refused" in answer ? [answer.refused] : []));
  const results = answers.filter((answer): answer is LitmusResult => !("refused" in answer));
  // A file alone is an input like any other.
  if (files.length === 1 && refused.length === 1) throw new InputError(refused[0]!);
  const { expect = false, witness = false } = options;
  if (!printForm(options, { csv: () => litmusTable(results), markdown: () => testTable(results, expect) })) {
    if (options.states && !options.json) print(finalStatesText(results));
    if (options.json) printJson(litmusJson(results, refused, witness, options.without));
    else
      print(
        litmusText(results, refused.length, { width: outputWidth(), expect, witness, without: options.without ?? [] }),
      );
  }
  for (const message of refused) say(`shootdown: ${message}\n`);
  if (refused.length > 0) throw new ExitStatus(1);
  if (options.expect && results.some(isUnexpected)) throw new ExitStatus(UNEXPECTED);
}

/** Tests as other tools read them, printed or saved. */
function convert(converted: readonly Converted[], form: Form, { json, save }: LitmusOptions): void {
  if (json) printJson({ form, tests: converted });
  else if (save !== undefined) print(convertedText(converted, form, save, outputWidth()));
  else if (converted.length === 1) for (const one of converted) printFile("text" in one ? one.text : "");
  else throw new InputError(`--to ${form}: ${converted.length} tests, expected one, or --save with a folder for them`);
  const wrong = converted.flatMap((one) => ("reason" in one && one.wrong ? [one.reason] : []));
  for (const message of wrong) say(`shootdown: ${message}\n`);
  if (wrong.length > 0) throw new ExitStatus(1);
}
