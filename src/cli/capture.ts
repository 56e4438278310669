/** `shootdown capture`: boots a real Xen on an emulated machine, lets dom0 create a domU, and records what Xen flushes. */

import { createInterface } from "node:readline/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  BASE,
  CAPTURE_SCENARIOS,
  checkCache,
  checkSpace,
  discardLists,
  findDistribution,
  freeSpace,
  PHASES,
  planSetup,
  RELEASES,
} from "../capture/index.js";
import { InputError } from "../input/index.js";
import { type CaptureAsked, CaptureMeter, interruptible, io, recordCapture } from "../jobs/index.js";
import { captureText, heldText, setupText } from "../report/index.js";
import { lossWarnings } from "../trace/index.js";
import { memoryOp } from "./memory-op.js";
import { outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";

interface Options extends CaptureAsked {
  readonly setup?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

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
      const free = freeSpace(plan.folder);
      say(setupText(plan, free));
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

async function run(options: Options): Promise<void> {
  const done = await recordCapture(options);
  const { result, held, losses, stores, scenario, policy } = done;
  const tell = options.output === "-" ? say : print;
  if (!options.json) {
    const width = outputWidth();
    const text = heldText(held, policy, options.policy !== undefined, width);
    tell(captureText({ ...done, trace: options.output, own: options.xen !== undefined, held: text }, width));
  } else if (options.output !== "-")
    printJson({
      trace: options.output,
      ...(result.consoleLog === undefined ? {} : { consoleLog: result.consoleLog }),
      scenario: scenario.name,
      qemu: result.qemuVersion,
      cpu: done.cpu,
      version: done.version,
      policy,
      events: result.events,
      segments: result.segments,
      unknown: result.unknown,
      warnings: lossWarnings(losses),
      losses,
      stores: { found: stores.found.length, lost: stores.lost, without: stores.without, elsewhere: stores.elsewhere },
      recording: done.recording,
      phases: done.summary.phases,
      comparison: held.rows,
      executed: held.executed,
    });
}
