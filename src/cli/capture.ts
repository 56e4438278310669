/** `shootdown capture`: boots a real Xen on an emulated machine, lets dom0 create a domU, and records what Xen flushes. */

import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { withErratum } from "../arch/index.js";
import {
  BASE,
  CAPTURE_SCENARIOS,
  type CaptureOptions,
  type CaptureScenario,
  cacheFolder,
  capture,
  captureScenario,
  checkCache,
  checkSpace,
  type Distribution,
  discardLists,
  domuRamdisk,
  findDistribution,
  freeSpace,
  megabytes,
  openXen,
  openXenSyms,
  PHASES,
  type Phase,
  planSetup,
  RELEASES,
  type Release,
  readInput,
} from "../capture/index.js";
import { loadPolicy } from "../catalog/index.js";
import { isStream } from "../files/index.js";
import { hypervisor } from "../hypervisor/index.js";
import { InputError } from "../input/index.js";
import { type TraceWriter, writeTrace } from "../trace/file.js";
import { FromPhase, incomplete, Losses, lossWarnings } from "../trace/index.js";
import { CaptureMeter } from "./capture-meter.js";
import { memoryOp, recordingOf } from "./capture-record.js";
import { captureText } from "./capture-text.js";
import { Holding, heldText, profileOf, refuseWithout } from "./held.js";
import { io } from "./io.js";
import { outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";
import { interruptible } from "./progress.js";

interface Options {
  readonly setup?: boolean;
  readonly yes?: boolean;
  readonly debian: Release;
  readonly toolstack?: string;
  readonly dom0Module: readonly string[];
  readonly xen?: string;
  readonly xenSyms?: string;
  readonly dom0Kernel?: string;
  readonly dom0Vcpus?: number;
  readonly qemu?: string;
  readonly scenario: string;
  readonly domuKernel?: string;
  readonly domuRamdisk?: string;
  readonly memory: number;
  readonly vcpus: number;
  readonly cpu: string;
  readonly timeout: number;
  readonly from: Phase;
  readonly policy?: string;
  readonly memoryOp?: ReadonlyMap<number, string>;
  readonly output: string;
  readonly json?: boolean;
}

/** pCPUs of the emulated machine. */
const PCPUS = 2;
/** QEMU's name of the CPU model with everything, and pointer authentication that costs nothing to emulate. */
const CPU = "max,pauth-impdef=on";
const MOST_VCPUS = 8;

export function register(program: Command): void {
  program
    .command("capture")
    .description("boot a real Xen with a Linux dom0 under QEMU, create a domU, and record every TLBI and stage-2 write")
    .option("--setup", "fetch QEMU, Xen, its toolstack and a kernel from Debian into the cache folder, and do no more")
    .option("--yes", "with --setup: do not ask")
    .addOption(
      new Option("--debian <release>", "whose Xen and toolstack; QEMU and the kernel are trixie's for all")
        .choices(RELEASES)
        .default(BASE),
    )
    .addOption(
      new Option("--scenario <name>", "what dom0 does")
        .choices(CAPTURE_SCENARIOS.map(({ name }) => name))
        .default("create-domu"),
    )
    .option("--xen <file>", "a Xen of your own, as it boots (default: Debian's)")
    .option("--xen-syms <file>", "its xen-syms, with symbols (default: xen-syms beside it)")
    .option("--toolstack <folder>", "an install of Xen's toolstack of your own, for arm64 (default: Debian's)")
    .option("--dom0-kernel <file>", "dom0's Linux, an arm64 Image (default: Debian's)")
    .addOption(
      new Option("--dom0-module <file>", "a kernel module to insert in dom0; may be given again, the order is kept")
        .argParser((file: string, list: readonly string[]) => [...list, file])
        .default([], "Debian's drivers alone"),
    )
    .addOption(
      new Option("--dom0-vcpus <n>", "dom0's vCPUs (default: the scenario's)").argParser(numberUpTo(MOST_VCPUS)),
    )
    .option("--domu-kernel <file>", "the domU's Linux, an arm64 Image (default: Debian's)")
    .option("--domu-ramdisk <file>", "its initramfs; its /init must print 'shootdown: up' (default: busybox)")
    .addOption(new Option("--memory <size>", "the domU's memory").default(128, "128M").argParser(memory))
    .addOption(new Option("--vcpus <n>", "the domU's vCPUs").default(1).argParser(numberUpTo(MOST_VCPUS)))
    .option("--cpu <model>", "the machine's CPU in QEMU's words", CPU)
    .option("--qemu <file>", "a qemu-system-aarch64 of your own (default: Debian's)")
    .addOption(
      new Option("--timeout <seconds>", "most CPU time that QEMU may use; waiting does not count")
        .default(600)
        .argParser(numberUpTo(86_400)),
    )
    .addOption(
      new Option("--from <phase>", "leave out of the trace what comes before this phase")
        .choices(PHASES)
        .default("xen-boot"),
    )
    .option(
      "-p, --policy <policy>",
      "what the record is held against: its figures, and its flushes instruction by instruction (default: the policy of the version that ran)",
    )
    .addOption(
      new Option(
        "--memory-op <number=name>",
        "name of a memory_op that your Xen has and Debian's has not, such as 29=XENMEM_remove_from_physmap_batch; may be repeated",
      ).argParser(memoryOp),
    )
    .option("-o, --output <file>", "where the trace goes: *.parquet, *.ndjson, or - for NDJSON", "capture.parquet")
    .option("--json", "print the summary as JSON")
    .addHelpText(
      "after",
      `\nScenarios:\n${CAPTURE_SCENARIOS.map(({ name, title }) => `  ${name.padEnd(16)}${title}\n`).join("")}`,
    )
    .action((options: Options) =>
      quietOnBrokenPipe(() => {
        checkCache();
        return options.setup ? setUp(options) : run(options);
      }),
    );
}

function numberUpTo(most: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!/^\d+$/.test(text) || n < 1 || n > most)
      throw new InvalidArgumentError(`Expected a number from 1 to ${most}.`);
    return n;
  };
}

/** "128M" or "1G" in MiB. */
function memory(text: string): number {
  const match = /^(\d{1,5})([MG])$/i.exec(text);
  const mib = match ? Number(match[1]) * (match[2]!.toUpperCase() === "G" ? 1024 : 1) : 0;
  if (mib < 64 || mib > 2048) throw new InvalidArgumentError("Expected 64M to 2G.");
  return mib;
}

async function setUp(options: Options): Promise<void> {
  const there = findDistribution(options.debian);
  if (there) {
    const { folder } = there;
    if (options.json) printJson({ folder, files: 0, bytes: 0, packages: there.packages });
    else print(`ready: shootdown capture uses ${folder} (remove it to fetch everything anew)\n`);
    return;
  }
  if (!options.yes && !io().stdin().isTTY) throw new InputError("no terminal to ask on: add --yes");
  // checkCache refuses what others may write to: whatever the user's umask, nothing like that is made.
  process.umask(process.umask() | 0o022);
  await interruptible(async (signal) => {
    const meter = new CaptureMeter();
    try {
      const plan = await planSetup(options.debian, signal, (doing) => meter.doing(doing));
      meter.stop();
      say(
        `Will fetch ${plan.files} packages (${megabytes(plan.bytes)}) from the system's Debian mirror, checked by apt, and unpack them into ${plan.folder}:\n`,
      );
      say(`  ${plan.main.join(", ")}, and what they need. Nothing is installed.\n`);
      const free = freeSpace(plan.folder);
      say(`  It needs ${megabytes(plan.needs)} there, which has ${free === undefined ? "?" : megabytes(free)}.`);
      checkSpace(plan.folder, plan.needs, "the set-up", free);
      if (!options.yes && !(await agrees(signal))) throw new InputError("nothing was fetched");
      const { packages } = await plan.fetch((doing) => meter.doing(doing));
      meter.stop();
      if (options.json) printJson({ folder: plan.folder, files: plan.files, bytes: plan.bytes, packages });
      else print(`ready: shootdown capture uses ${plan.folder}\n`);
    } finally {
      meter.stop();
      discardLists();
    }
  });
}

async function agrees(signal: AbortSignal): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y/i.test(await asking.question("Go on? [y/N] ", { signal }));
  } finally {
    asking.close();
  }
}

/** Everything that the run needs, from the options and from what the set-up fetched. */
function captureOptions(options: Options, scenario: CaptureScenario): CaptureOptions {
  const debian = findDistribution(options.debian);
  if (!debian) {
    const base = findDistribution() !== undefined;
    throw new InputError(
      `nothing ${base ? `of Debian ${options.debian} ` : ""}to boot in ${cacheFolder()}: run 'shootdown capture --setup${options.debian === BASE ? "" : ` --debian ${options.debian}`}' first (it fetches Debian's ${base ? "Xen and toolstack" : "QEMU, Xen, toolstack and kernel"})`,
    );
  }
  return {
    qemu: options.qemu === undefined ? debian.qemu : [options.qemu],
    ...xenFiles(options, debian),
    root: debian.root,
    toolstack: [...(options.toolstack === undefined ? [] : [resolve(options.toolstack)]), debian.toolstack],
    dom0Modules: options.dom0Module,
    dom0Kernel: options.dom0Kernel ?? debian.kernel,
    scenario,
    domu: { memoryMib: options.memory, vcpus: options.vcpus },
    domuKernel: options.domuKernel ?? debian.kernel,
    domuRamdisk:
      options.domuRamdisk === undefined ? domuRamdisk(debian.root, scenario.padding) : readInput(options.domuRamdisk),
    ownDomu: options.domuKernel !== undefined || options.domuRamdisk !== undefined,
    dom0Vcpus: options.dom0Vcpus ?? scenario.dom0Vcpus,
    cpu: options.cpu,
    pcpus: PCPUS,
    memoryOps: options.memoryOp ?? new Map(),
    timeout: options.timeout,
    consoleLog: options.output === "-" ? undefined : options.output.replace(/(\.\w+)?$/, ".console.log"),
  };
}

/** True when a Xen is Debian's own, perhaps patched in place: then Debian's symbols are its own. */
function isBuildOf(xen: string, xenSyms: string): boolean {
  try {
    openXenSyms(xen, xenSyms);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

function xenFiles(options: Options, debian: Distribution): { xen: string; xenSyms: string } {
  if (options.xen === undefined) {
    if (options.xenSyms !== undefined)
      throw new InputError("--xen-syms goes with --xen: name the Xen that it belongs to");
    return { xen: debian.xen, xenSyms: debian.xenSyms };
  }
  const beside = join(dirname(options.xen), "xen-syms");
  const xenSyms =
    options.xenSyms ??
    (existsSync(beside) ? beside : isBuildOf(options.xen, debian.xenSyms) ? debian.xenSyms : undefined);
  if (xenSyms === undefined)
    throw new InputError(
      `${options.xen}: no xen-syms beside it; name it with --xen-syms (the build of Xen makes both in its folder xen/)`,
    );
  return { xen: options.xen, xenSyms };
}

async function run(options: Options): Promise<void> {
  const scenario = captureScenario(options.scenario)!;
  const what = captureOptions(options, scenario);
  const told = options.policy === undefined ? undefined : loadPolicy(options.policy);
  const profile = profileOf(what.cpu);
  if (told) refuseWithout(told, profile);
  const xen = openXen(what);
  const { stores, unknown } = xen.sites;
  const meter = new CaptureMeter();
  const losses = new Losses();
  const holding = new Holding();
  const open = (): Promise<TraceWriter> => writeTrace(options.output, incomplete(producer(options, what), unknown));
  // Opening a pipe waits for its reader, and no signal is heard meanwhile.
  const opened = isStream(options.output) ? await open() : undefined;
  const { result, recording } = await interruptible(async (signal) => {
    const trace = opened ?? (await open());
    try {
      const part = new FromPhase(options.from, trace);
      const done = await capture(what, xen, [part, ...holding.sinks, losses], signal, (now) => meter.update(now));
      const own = options.xen !== undefined;
      const { packages } = findDistribution(options.debian)!;
      const about = recordingOf(what, done, holding.facts, { own, from: options.from, packages, cpu: profile });
      trace.describe(about);
      trace.close();
      return { result: { ...done, events: part.passed }, recording: about };
    } catch (error) {
      trace.abort();
      throw error;
    } finally {
      meter.stop();
    }
  });
  const summary = holding.summing.summary();
  const version = hypervisor().nearestVersion(result.banner);
  const policy = told ?? loadPolicy(version.policy);
  const held = holding.held(policy, recording, withErratum(profile, "repeat-tlbi", result.repeatsTlbis));
  const notKnown = [...result.unknown, ...unknownVersion(result.banner)];
  const tell = options.output === "-" ? say : print;
  if (!options.json) {
    const width = outputWidth();
    const text = heldText(held, policy.name, options.policy !== undefined, width);
    const captured = {
      trace: options.output,
      scenario,
      result: { ...result, unknown: notKnown },
      summary,
      stores,
      losses: losses.losses(),
    };
    tell(captureText({ ...captured, own: options.xen !== undefined, held: text }, width));
  } else if (options.output !== "-")
    printJson({
      trace: options.output,
      ...(result.consoleLog === undefined ? {} : { consoleLog: result.consoleLog }),
      scenario: scenario.name,
      qemu: result.qemuVersion,
      cpu: what.cpu,
      version: version.name,
      policy: policy.name,
      events: result.events,
      segments: result.segments,
      unknown: notKnown,
      warnings: lossWarnings(losses.losses()),
      losses: losses.losses(),
      stores: { found: stores.found.length, lost: stores.lost, without: stores.without, elsewhere: stores.elsewhere },
      recording,
      phases: summary.phases,
      comparison: held.rows,
      executed: held.executed,
    });
}

/** What is to be said where no version of the model is the Xen that ran: nothing else is as good a guess as its neighbour. */
function unknownVersion(banner: string): string[] {
  if (hypervisor().versionOfBanner(banner)) return [];
  const build = /^\S+(?: \([^)]*\))?/.exec(banner)?.[0] ?? "a Xen that prints no version";
  return [
    `what its page allocator flushes: the model has no version ${build}, and is held against it as ${hypervisor().nearestVersion(banner).title}`,
  ];
}

const vcpus = (n: number): string => (n === 1 ? "1 vCPU" : `${n} vCPUs`);

/** What the trace says about how it was made. */
function producer(options: Options, { scenario, cpu, dom0Vcpus, domu }: CaptureOptions): string {
  const own =
    options.xen === undefined
      ? findDistribution(options.debian)!.packages.find((name) => /^xen-hypervisor-[\d.]+-arm64 /.test(name))!
      : basename(options.xen);
  const dom0 = [
    ...(options.toolstack === undefined ? [] : [`toolstack ${basename(options.toolstack)}`]),
    ...options.dom0Module.map((file) => basename(file)),
  ];
  return `shootdown capture --scenario ${scenario.name}: ${own}, CPU ${cpu}, dom0 with ${[vcpus(dom0Vcpus), ...dom0].join(", ")}, domU of ${domu.memoryMib} MiB with ${vcpus(domu.vcpus)}`;
}
