/** `shootdown capture`: boots a real Xen on an emulated machine, lets dom0 create a domU, and records what Xen flushes. */

import { type Command, InvalidArgumentError, Option } from "commander";
import {
  BASE,
  CAPTURE_SCENARIOS,
  checkCache,
  findDistribution,
  PHASES,
  planSetup,
  RELEASES,
  USUAL_LIMIT,
} from "../capture/index.js";
import { type CaptureAsked, RECORDERS, recordCapture } from "../jobs/index.js";
import { captureText, heldText, injectionJson } from "../report/index.js";
import { lossWarnings } from "../trace/index.js";
import { memoryOp } from "./memory-op.js";
import { goesWith, numberUpTo } from "./options.js";
import { outputWidth, print, printJson, quietOnBrokenPipe, say } from "./output.js";
import { type HostOptions, hostOptions } from "./probe.js";
import { type SetUpOptions, setUp, setUpOptions } from "./set-up.js";

interface Options extends CaptureAsked, SetUpOptions, HostOptions {
  readonly nested?: boolean;
}

const [SETUP, YES] = setUpOptions("QEMU, Xen, its toolstack and a kernel");

/** QEMU's name of the CPU model with everything, and pointer authentication that costs nothing to emulate. */
const CPU = "max,pauth-impdef=on";
const MOST_VCPUS = 8;

/** Of what a probe's host can be, what that of a capture can. */
const HOSTS = ["--host-kernel", "--pa-bits", "--host-pages", "--erratum"];

export function register(program: Command): void {
  const command = program
    .command("capture")
    .description("boot a real Xen with a Linux dom0 under QEMU, create a domU, and record every TLBI and stage-2 write")
    .addOption(SETUP!)
    .addOption(YES!)
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
      new Option(
        "--recorder <what>",
        "what records: a plugin, which needs what 'shootdown probe --setup' fetches, or QEMU's log (default: the plugin, if it can be built and QEMU is not your own)",
      ).choices(RECORDERS),
    )
    .addOption(
      new Option("--timeout <seconds>", "most CPU time that QEMU may use; waiting does not count")
        .default(USUAL_LIMIT)
        .argParser(numberUpTo(86_400)),
    )
    .addOption(
      new Option("--from <phase>", "leave out of the trace what comes before this phase")
        .choices(PHASES)
        .default("xen-boot"),
    )
    .option("--inject <policy>", "put this policy's code into the Xen first (see inject): what is counted is its own")
    .option(
      "-p, --policy <policy>",
      "what the record is held against: its figures, and its flushes instruction by instruction (default: the policy that was put in, or that of the version that ran)",
    )
    .addOption(
      new Option(
        "--memory-op <number=name>",
        "name of a memory_op that your Xen has and Debian's has not, such as 29=XENMEM_remove_from_physmap_batch; may be repeated",
      ).argParser(memoryOp),
    )
    .option("-o, --output <file>", "where the trace goes: *.parquet, *.ndjson, or - for NDJSON", "capture.parquet")
    .option("--json", "print the summary as JSON");
  command.option(
    "--nested",
    "boot Xen as the guest hypervisor of a real Linux with KVM, and count what each TLBI costs that host",
  );
  for (const option of hostOptions().filter(({ long }) => HOSTS.includes(long!))) command.addOption(option);
  command
    .addOption(
      new Option(
        "--domu-pages <n>",
        "with --nested: a domU of so many pages that needs no kernel, created and no more",
      ).argParser(numberUpTo(65_536)),
    )
    .addHelpText(
      "after",
      `\nScenarios:\n${CAPTURE_SCENARIOS.map(({ name, title }) => `  ${name.padEnd(16)}${title}\n`).join("")}`,
    )
    .action((options: Options) =>
      quietOnBrokenPipe(() => {
        goesWith(command, ["hostKernel", "paBits", "hostPages", "erratum", "domuPages"], ["nested"]);
        checkCache();
        if (!options.setup) return run(options);
        const { debian } = options;
        return setUp(options, "capture", findDistribution(debian), (...how) => planSetup(debian, ...how));
      }),
    );
}

/** "128M" or "1G" in MiB. */
function memory(text: string): number {
  const match = /^(\d{1,5})([MG])$/i.exec(text);
  const mib = match ? Number(match[1]) * (match[2]!.toUpperCase() === "G" ? 1024 : 1) : 0;
  if (mib < 64 || mib > 2048) throw new InvalidArgumentError("Expected 64M to 2G.");
  return mib;
}

async function run(options: Options): Promise<void> {
  const { hostKernel, paBits, hostPages, erratum } = options;
  const nestedOn = {
    ...(hostKernel === undefined ? {} : { hostKernel }),
    paBits: Number(paBits),
    hostPages,
    erratum: erratum === "on",
    cpu: undefined,
  };
  const done = await recordCapture({ ...options, ...(options.nested ? { nestedOn } : {}) });
  const { result, held, losses, stores, scenario, policy } = done;
  const tell = options.output === "-" ? say : print;
  if (!options.json) {
    const width = outputWidth();
    const asked = options.policy !== undefined || options.inject !== undefined;
    const text = heldText(held, policy, asked, width);
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
      ...(done.injection ? { injection: injectionJson(done.injection) } : {}),
      ...(done.costs ? { costs: done.costs } : {}),
    });
}
