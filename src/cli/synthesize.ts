/** `shootdown synthesize --occasion OCCASION`: the cheapest sequence that is sound, with how everything cheaper fails. */
import { type Command, Option } from "commander";
import { loadPolicy, loadScenario } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { InputError, visibleLine } from "../input/index.js";
import {
  cpusOf,
  type Done,
  INTERRUPTED,
  Interrupted,
  interruptible,
  interruptibleInto,
  lengthOn,
  made,
  occasionsOf,
  resumed,
  resumeLines,
  type Synthesis,
  scenarioOf,
  synthesizeInThreads,
} from "../jobs/index.js";
import type { ProvedOccasion } from "../prove/index.js";
import { type Alone, pricesTable, renderSynthesis, shownOf, synthesisJson, synthesisText } from "../report/index.js";
import { alphabet, type Space, sectionOf } from "../synth/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { hostsNamed, hostsOption } from "./hosts.js";
import {
  collect,
  cpusOn,
  ipaBitsOption,
  type LimitOptions,
  limitsOf,
  noCacheOption,
  positive,
  queueOption,
  type SettingOptions,
  settingOf,
  withLimits,
  withSetting,
} from "./options.js";
import { ExitStatus, outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";

interface SynthesizeOptions extends FormOptions, LimitOptions, SettingOptions {
  readonly without?: readonly string[];
  readonly occasion: string;
  readonly cpu?: readonly string[];
  readonly base: string;
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly scenario?: string;
  readonly length?: number;
  readonly with?: readonly string[];
  readonly top: number;
  readonly output?: string;
  readonly report?: string;
  readonly resume?: string;
}

/** Whose length is the default, and what is shown beside what is found. */
const LENGTH_OF = "kvm-ipa";
const BESIDE = ["xen-today", "kvm-ipa", "kvm-ipa-range", "va-ipa-range"];
const HOSTS = ["kvm-nested-7.2", "bare-metal"];
/** Longer ones are no space that anybody waits for. */
const MOST = 16;

export function register(program: Command): void {
  const command = program
    .command("synthesize")
    .description("search the sequences of maintenance instructions for the cheapest that is sound")
    .requiredOption("--occasion <occasion>", "an occasion of `prove`")
    .option(
      "--cpu <profile>",
      "a CPU profile; may be repeated: sound on all of them (default: the first host's)",
      collect,
    )
    .option("--base <policy>", "a built-in policy or a .toml file, for all that is not searched", "xen-today")
    .addOption(hostsOption("price on a built-in host or a .toml file, the first of which decides", HOSTS.join(", ")))
    .addOption(ipaBitsOption([40]))
    .option("--scenario <scenario>", "price in this scenario (default: one for the occasion)")
    .addOption(
      new Option("--length <n>", `most instructions of a sequence (default: as many as ${LENGTH_OF} has)`).argParser(
        positive,
      ),
    )
    .option(
      "--with <instruction>",
      "search also with this one, as 'vae2is'; may be repeated, or a list with commas",
      collect,
    )
    .option("--without <instruction>", "search without this one; may be repeated, or a list with commas", collect)
    .addOption(new Option("--top <k>", "show this many by price").default(5).argParser(positive))
    .option("-o, --output <file>", "write the cheapest as a policy")
    .option("--json", "print JSON")
    .option("--report <file>", "also write one self-contained HTML file")
    .option(
      "--resume <file>",
      "go on from this file of JSON lines if it is there, and keep there what was found at Ctrl-C and at the end",
    );
  withForms(
    withLimits(withSetting(command)).addOption(noCacheOption()).addOption(queueOption()),
    "a row for each sequence",
  ).action((options: SynthesizeOptions) => quietOnBrokenPipe(() => run(options)));
}

async function run(options: SynthesizeOptions): Promise<void> {
  const { output, report } = options;
  const space = spaceOf(options);
  const found = await searched(space, options, options.resume);
  const alone: Alone[] = [];
  if (space.cpus.length > 1)
    for (const cpu of space.cpus) {
      const own = spaceOf({ ...options, cpu: [cpu.name], length: space.length });
      alone.push({ cpu: cpu.name, found: await searched(own, options, undefined) });
    }
  const [best] = found.priced;
  if (output !== undefined && best !== undefined)
    await interruptibleInto(output, async () => writeWhole(output, best.file));
  if (report !== undefined)
    await interruptibleInto(report, async () =>
      writeWhole(report, await renderSynthesis(found, alone, options.top, made())),
    );
  if (!printForm(options, { csv: () => pricesTable(found, shownOf(found, options.top)) })) {
    if (options.json) printJson(synthesisJson(found, alone, options.top, made()));
    else {
      print(synthesisText(found, alone, { width: outputWidth(), top: options.top, made: made() }));
      for (const [what, file] of [
        ["policy", best && output],
        ["report", report],
      ] as const)
        if (file !== undefined) print(`\nThe ${what} stands in ${visibleLine(file)}\n`);
    }
  }
}

function spaceOf(options: SynthesizeOptions): Space {
  const [occasion] = occasionsOf([options.occasion]) as [ProvedOccasion];
  const base = loadPolicy(options.base);
  const [first] = hostsNamed(options.host ?? HOSTS, undefined);
  const cpus = options.cpu === undefined ? [cpusOn([first!], undefined)(first!)] : cpusOf(options.cpu);
  const setting = settingOf(options);
  const length = options.length ?? lengthOn(loadPolicy(LENGTH_OF), { occasion, cpus });
  if (!Number.isInteger(length) || length > MOST)
    throw new InputError(`--length ${length}: expected a whole number up to ${MOST}`);
  const instructions = alphabet(occasion, cpus, options.with, options.without);
  return { base, occasion, cpus, setting, length, instructions };
}

/** Searches, and keeps what was found when it is interrupted. */
async function searched(space: Space, options: SynthesizeOptions, resume: string | undefined): Promise<Synthesis> {
  const done: Done[] = resume === undefined ? [] : resumed(resume, space);
  const hosts = hostsNamed(options.host ?? HOSTS, undefined);
  const scenario =
    options.scenario === undefined ? scenarioOf(sectionOf(space.occasion)) : loadScenario(options.scenario);
  if (scenario === undefined)
    throw new InputError(`--scenario: no built-in scenario comes to ${space.occasion}, expected one to price in`);
  const alone = space.cpus.length === 1 ? space.cpus[0]!.name : undefined;
  const pricing = {
    ...{ scenario, hosts, ipaBits: options.ipaBits[0]!, beside: BESIDE.map(loadPolicy) },
    cpuOf: (host: (typeof hosts)[number]) => cpusOn([host], alone ?? space.cpus[0]!.name)(host),
  };
  const limits = limitsOf({
    maxStates: options.maxStates,
    timeout: options.timeout,
    cache: options.cache,
    queue: options.queue,
  });
  try {
    const found = await interruptible((signal) =>
      synthesizeInThreads(space, limits, pricing, [...done], signal, (one) => done.push(one)),
    );
    if (resume !== undefined) writeWhole(resume, resumeLines(space, done));
    return found;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    const kept = resume ?? `synthesize-${space.occasion}.jsonl`;
    writeWhole(kept, resumeLines(space, done));
    say(`shootdown: what was found so far stands in ${visibleLine(kept)}: go on with --resume ${visibleLine(kept)}\n`);
    throw new ExitStatus(INTERRUPTED);
  }
}
