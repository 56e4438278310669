/** A capture: boots Xen, dom0 and the scenario on an emulated machine, and turns what Xen executes into a trace. */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BlindSite,
  blindSites,
  type Elf,
  type FrameTableShape,
  findSites,
  frameTableOf,
  type InjectedPart,
  openXenSyms,
  readImage,
  readKernel,
  type Sites,
  XenText,
} from "../binary/index.js";
import { fileReason, InputError } from "../input/index.js";
import type { TraceSink } from "../trace/index.js";
import type { Continued, Phase } from "./call-marks.js";
import { ConsoleLog, failedLog, keepLog, type Segment } from "./console.js";
import type { GdbConnection } from "./gdb-connection.js";
import { dom0Initramfs } from "./initramfs.js";
import { ExecutionLog } from "./log.js";
import { Pipe } from "./pipe.js";
import { PluginRecords } from "./plugin-records.js";
import { prepare } from "./prepare.js";
import { checkQemu, loadAddress, type MachineSpec, Qemu, qemuArguments } from "./qemu.js";
import { Recording, type RecordingCounts, runsUnmapped } from "./recording.js";
import type { RecordReader } from "./records.js";
import type { CaptureScenario, DomuOptions } from "./scenario.js";
import { checkSpace } from "./space.js";
import { temporaryFolder } from "./temporary.js";
import { ailmentText, SILENCE, Vitals } from "./vitals.js";
import { type WhatRan, whatRan } from "./what-ran.js";

/** What a machine is given beside its own: the files of a run are in one folder. */
export interface Platform {
  /** the EL at which Xen runs, for the machine: 1 where it is itself a guest's hypervisor of a host with FEAT_NV2 */
  readonly el: 1 | 2;
  /** words for Xen's and dom0's command lines, beside those of every capture, and dom0's memory */
  readonly xenWords: string;
  readonly dom0Words: string;
  readonly dom0Memory: string;
  /** address that is executed when Xen begins: what the log has before is another's */
  readonly begins?: number;
  /** seconds of CPU time that may pass until Xen prints or flushes: its host boots first, if there is one; what to look at else */
  readonly silence: number;
  silent(cpuModel: string): string;
  /** QEMU, and its arguments, for a machine with these files, which stand in `folder` */
  machine(
    spec: MachineSpec,
    folder: string,
  ): { readonly qemu: readonly string[]; readonly arguments: readonly string[] };
  /** told when the machine has come to its end, before the folder goes */
  ended?(folder: string): void;
}

/** The machine without a host: Xen runs on QEMU itself. */
const BARE: Platform = {
  el: 2,
  xenWords: "",
  dom0Words: "quiet",
  dom0Memory: "1G",
  silence: SILENCE,
  silent: (cpuModel) => `is '${cpuModel}' a 64-bit CPU model with EL2?`,
  machine: (spec) => ({ qemu: spec.qemu, arguments: qemuArguments(spec) }),
};

/** What is captured. Paths of files; the initramfs of the domU as bytes. */
export interface CaptureOptions {
  readonly qemu: readonly string[];
  readonly xen: string;
  readonly xenSyms: string;
  /** root of the unpacked arm64 packages: busybox and dom0's drivers */
  readonly root: string;
  /** unpacked trees: the toolstack is the first one's, a library is of the first that has it */
  readonly toolstack: readonly string[];
  /** the user's modules for dom0's kernel, in the order in which they are inserted */
  readonly dom0Modules: readonly string[];
  readonly dom0Kernel: string;
  readonly scenario: CaptureScenario;
  readonly domu: DomuOptions;
  readonly domuKernel: string;
  /** in place of it, the image of a domU that needs none */
  readonly domuImage?: Uint8Array;
  readonly domuRamdisk: Uint8Array;
  /** the plugin that records; undefined: QEMU's own log does */
  readonly recorder?: string;
  /** a program that tells a counting plugin of a mark, where the scenario has some */
  readonly mark?: Uint8Array;
  /** true when kernel or ramdisk of the domU are the user's: dom0 watches whether it comes up */
  readonly ownDomu: boolean;
  readonly dom0Vcpus: number;
  /** CPU model in QEMU's words */
  readonly cpu: string;
  readonly pcpus: number;
  /** the phase from which on the trace is kept: there it is told who owns what */
  readonly from?: Phase;
  /** names of XENMEM_* calls that Xen does not have upstream, by number */
  readonly memoryOps: ReadonlyMap<number, string>;
  /** most CPU time that the machine may use, in seconds */
  readonly timeout: number;
  /** where the console's log is kept, NAME.console.log; that of a capture that fails as NAME.failed.console.log */
  readonly consoleLog: string | undefined;
}

export interface CaptureProgress extends RecordingCounts {
  /** pages of the domU's segments, as far as the toolstack has logged them */
  readonly pages: number;
}

export interface CaptureResult {
  readonly events: number;
  readonly qemuVersion: string;
  /** where the console's log was kept; undefined: nowhere */
  readonly consoleLog: string | undefined;
  readonly segments: readonly Segment[];
  /** true when Xen repeats its broadcast TLBIs on this CPU (ARM64_WORKAROUND_REPEAT_TLBI) */
  readonly repeatsTlbis: boolean;
  /** Xen's first line on the console, and what ran */
  readonly banner: string;
  readonly ran: WhatRan;
  /** where barriers may have been executed unseen */
  readonly blind: readonly BlindSite[];
  /** hypercalls that the trace has beyond those that dom0 made: Xen gave way in one, and went on in another */
  readonly continued: Continued;
  /** what cannot be derived from this Xen, in sentences */
  readonly unknown: readonly string[];
}

/** A Xen that is to be captured, with what was found in it. */
interface OpenedXen {
  readonly elf: Elf;
  readonly text: XenText;
  readonly sites: Sites;
  /** a sentence where the code does not say it */
  readonly frameTable: FrameTableShape | string;
  /** what is added to a link address for the address at which it runs before its MMU is on */
  readonly physical: number;
}

/**
 * Reads a Xen and its symbols; throws an InputError when they are none, or do not belong together. `injected`: what was put into it.
 */
export function openXen(
  { xen, xenSyms }: Pick<CaptureOptions, "xen" | "xenSyms">,
  injected: readonly InjectedPart[] = [],
): OpenedXen {
  const elf = openXenSyms(xen, xenSyms);
  const text = new XenText(elf, injected);
  const physical = loadAddress(readImage(xen, "Xen")) - elf.image().address;
  return { elf, text, sites: findSites(text), frameTable: frameTableOf(text), physical };
}

/** The machine's memory. */
const MEMORY_GIB = 4;
/** Files of a run in its folder. */
const SOCKET = "gdb";
const CONSOLE = "console.log";
/** Bytes that the console's log may take: a scenario prints less than 1 MB, a domU of the user's own more. */
const CONSOLE_ROOM = 16e6;
/** How often progress is told and the console looked at, in milliseconds. */
const TICK = 100;
/** How long a machine that has failed may go on talking, in seconds of CPU time. */
const LAST_WORDS = 3;

/**
 * Runs a capture. The sinks get the trace. Rejects with an InputError when something the user gave cannot be used, or the
 * machine does not get to the end of the scenario; with the signal's reason when it is aborted. No process is left behind.
 */
export async function capture(
  options: CaptureOptions,
  { elf, text, sites, frameTable, physical }: OpenedXen,
  sinks: readonly TraceSink[],
  signal: AbortSignal,
  progress: (now: CaptureProgress) => void,
  platform: Platform = BARE,
): Promise<CaptureResult> {
  readKernel(options.dom0Kernel, "dom0's kernel");
  const qemuVersion = await checkQemu(options.qemu, signal);
  const folder = temporaryFolder(SOCKET);
  const at = (name: string): string => join(folder, name);
  try {
    const initramfs = dom0Initramfs({
      ...options,
      domuKernel: options.domuImage ?? readKernel(options.domuKernel, "the domU's kernel"),
    });
    checkSpace(folder, initramfs.length + CONSOLE_ROOM, "the files of a run (TMPDIR)");
    writeFileSync(at("dom0.cpio"), initramfs);
    const ran = whatRan(elf, {
      xen: options.xen,
      "xen-syms": options.xenSyms,
      "dom0-kernel": options.dom0Kernel,
      "dom0-ramdisk": at("dom0.cpio"),
      "domu-kernel": options.domuKernel,
      "domu-ramdisk": options.domuRamdisk,
      qemu: options.qemu.at(-1)!,
    });
    const spec: MachineSpec = {
      ...options,
      cpus: options.pcpus,
      memoryGib: MEMORY_GIB,
      xenArguments: `console=dtuart${platform.xenWords} loglvl=all guest_loglvl=all dom0_mem=${platform.dom0Memory} dom0_max_vcpus=${options.dom0Vcpus} bootscrub=0`,
      dom0Arguments: `console=hvc0 rdinit=/init ${platform.dom0Words}`,
      dom0Initramfs: at("dom0.cpio"),
      console: at(CONSOLE),
      gdb: at(SOCKET),
      log: at("log"),
      recorder: options.recorder,
      logged: [...loggedAddresses(text, sites, physical), ...(platform.begins === undefined ? [] : [platform.begins])],
    };
    const recording = new Recording(text, sites, physical, options.pcpus, sinks, options.memoryOps, options.from);
    const console = new ConsoleLog(spec.console);
    // QEMU's log tells of blocks, the plugin of instructions, wherever in a block they stand.
    const pages = options.recorder === undefined ? sites.pages : [];
    const known = typeof frameTable === "string" ? undefined : frameTable;
    const run = {
      spec,
      platform,
      folder,
      recording,
      console,
      text,
      frameTable: known,
      pages,
      timeout: options.timeout,
    };
    const { repeatsTlbis } = await runMachine(run, signal, progress);
    platform.ended?.(folder);
    const events = recording.finish();
    const { unmatched } = recording;
    // Where Xen runs as its file says, a block may begin at the place of an alternative that it has not put in.
    const unknown =
      repeatsTlbis && unmatched > 0
        ? [`TLBIs that Xen repeats: ${unmatched} were executed before it was known where`]
        : [];
    return {
      events,
      qemuVersion,
      consoleLog: options.consoleLog && keepLog(at(CONSOLE), options.consoleLog),
      segments: console.segments,
      repeatsTlbis,
      banner: console.banner,
      ran,
      blind: blindSites(text, findSites(text)),
      continued: recording.continued,
      unknown: [...sites.unknown, ...(typeof frameTable === "string" ? [frameTable] : []), ...unknown],
    };
  } catch (error) {
    if (error instanceof MachineFailure) {
      const kept = options.consoleLog && keepLog(at(CONSOLE), failedLog(options.consoleLog));
      throw error.toInputError(kept);
    }
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(folder, 0, reason);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Link addresses of Xen's TLBIs: of those in its file, and of those that its alternatives may make. */
export function loggedTlbis({ text, sites }: OpenedXen): number[] {
  const before = text.alternatives.map(({ address, words }) => words.map((_, i) => text.word(address + 4 * i)!));
  for (const { address, words } of text.alternatives) text.patch(address, words);
  const all = [...sites.list, ...findSites(text).list];
  text.alternatives.forEach(({ address }, i) => void text.patch(address, before[i]!));
  return [...new Set(all.flatMap((site) => (site.kind === "tlbi" ? [site.address] : [])))];
}

/** Addresses to log: of the sites in Xen's file, and of those that its alternatives may make. */
function loggedAddresses(text: XenText, sites: Sites, physical: number): number[] {
  const before = text.alternatives.map(({ address, words }) => words.map((_, i) => text.word(address + 4 * i)!));
  for (const { address, words } of text.alternatives) text.patch(address, words);
  const all = [...sites.list, ...findSites(text).list];
  text.alternatives.forEach(({ address }, i) => void text.patch(address, before[i]!));
  const addresses = all.flatMap((site) => (runsUnmapped(site) ? [site.logged, site.logged + physical] : [site.logged]));
  return [...new Set(addresses)];
}

/** One run of the machine. */
interface Run {
  readonly spec: MachineSpec;
  readonly platform: Platform;
  readonly folder: string;
  readonly recording: Recording;
  readonly console: ConsoleLog;
  readonly text: XenText;
  readonly frameTable: FrameTableShape | undefined;
  /** pages of code to be translated one instruction a block: none where the plugin records */
  readonly pages: readonly number[];
  readonly timeout: number;
}

/** Starts the machine and follows it to its end. */
async function runMachine(
  run: Run,
  signal: AbortSignal,
  progress: (now: CaptureProgress) => void,
): Promise<{ repeatsTlbis: boolean }> {
  const { spec, platform, recording, console, timeout } = run;
  const pipe = await Pipe.make(spec.log, signal);
  // Its own signal, so that every way out of here ends the machine.
  const stop = new AbortController();
  /** aborted when the machine has ended: nobody answers any more */
  const over = new AbortController();
  const machine = platform.machine(spec, run.folder);
  const qemu = new Qemu(machine.qemu, machine.arguments, AbortSignal.any([signal, stop.signal]));
  const log: RecordReader = new (spec.recorder === undefined ? ExecutionLog : PluginRecords)(
    recording.record,
    platform,
  );
  /** what the log's reader or a sink threw, and what kept the machine from being prepared */
  let failed: unknown;
  let unprepared: unknown;
  const logEnded = pipe.read((piece) => {
    try {
      log.feed(piece);
    } catch (error) {
      failed ??= error;
      qemu.kill();
    }
  });
  let late: string | undefined;
  const tooLate = (why: string): void => {
    late ??= why;
    qemu.kill();
  };
  const told = (): string => (console.said === "" ? "" : `, and dom0 said last: ${console.said}`);
  const { silence } = platform;
  const vitals = new Vitals(timeout, silence);
  let answers = 0;
  const tick = setInterval(() => {
    console.poll();
    const state = qemu.state();
    const ailment = vitals.check(log.records + console.bytes, answers, state);
    const { phase } = recording.counts;
    if (ailment !== undefined)
      tooLate(ailmentText(ailment, { limit: timeout, silence, silent: platform.silent(spec.cpu), phase }) + told());
    if (console.failure !== undefined) failedAt ??= state?.cpu;
    if (failedAt !== undefined && state !== undefined && state.cpu - failedAt > LAST_WORDS) qemu.kill();
    const pages = console.segments.reduce((sum, segment) => sum + segment.pages, 0);
    progress({ ...recording.counts, pages });
  }, TICK);
  let failedAt: number | undefined;
  let gdb: GdbConnection | undefined;
  let repeatsTlbis = false;
  try {
    const started = prepare(
      { ...run, gdb: spec.gdb, answered: () => answers++ },
      AbortSignal.any([signal, over.signal]),
    ).then(
      (prepared) => {
        gdb = prepared.connection;
        repeatsTlbis = prepared.repeatsTlbis;
      },
      (error: unknown) => {
        unprepared = error;
        qemu.kill();
      },
    );
    const status = await qemu.ended.finally(() =>
      over.abort(new InputError("QEMU ended before its GDB stub answered")),
    );
    await started;
    pipe.close();
    await logEnded;
    signal.throwIfAborted();
    // The machine was ended because of it: what else there is to say follows from that.
    if (failed !== undefined) throw failed;
    console.poll();
    if (console.failure !== undefined) throw new MachineFailure(console.failure, console);
    if (late !== undefined) throw new MachineFailure(late, console);
    if (status !== null && status !== 0) throw new InputError(`QEMU failed: ${qemu.lastWords || `status ${status}`}`);
    if (unprepared !== undefined) {
      // When QEMU itself has ended, its end says more than that the connection broke.
      if (qemu.lastWords !== "") throw new InputError(`QEMU failed: ${qemu.lastWords}`);
      throw unprepared;
    }
    if (console.said !== "finished")
      throw new MachineFailure("the machine went off before the scenario's end", console);
    log.end();
    return { repeatsTlbis };
  } finally {
    clearInterval(tick);
    gdb?.close();
    stop.abort();
    pipe.close();
  }
}

/** The machine did not get to the end of the scenario. */
class MachineFailure extends Error {
  constructor(
    private readonly why: string,
    private readonly console: ConsoleLog,
  ) {
    super(why);
  }

  /** Why, and the console's last lines; `kept`: the file that has them all. */
  toInputError(kept: string | undefined): InputError {
    const { tail } = this.console;
    if (tail === "") return new InputError(this.why);
    const all = kept === undefined ? "" : ` (all of them are in ${kept})`;
    return new InputError(`${this.why}; the console's last lines${all}:`, `  ${tail}`);
  }
}
