/** A capture: boots Xen, dom0 and the scenario on an emulated machine, and turns what Xen executes into a trace. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileReason, InputError } from "../input/index.js";
import type { TraceSink } from "../trace/index.js";
import { ConsoleLog, type Segment } from "./console.js";
import { Directmap, type DirectmapValues, directmapVariables } from "./directmap.js";
import { GdbConnection } from "./gdb-connection.js";
import { GdbTarget } from "./gdb-target.js";
import { dom0Initramfs } from "./initramfs.js";
import { ExecutionLog } from "./log.js";
import { Pipe } from "./pipe.js";
import { checkQemu, loadAddress, type MachineSpec, Qemu } from "./qemu.js";
import { Recording, type RecordingCounts, runsUnmapped } from "./recording.js";
import type { CaptureScenario, DomuOptions } from "./scenario.js";
import { findSites, type Sites } from "./sites.js";
import { XenText } from "./text.js";
import { openXenSyms, readImage } from "./xen-image.js";

/** What is captured. Paths of files; the initramfs of the domU as bytes. */
export interface CaptureOptions {
  readonly qemu: readonly string[];
  readonly xen: string;
  readonly xenSyms: string;
  /** root of the unpacked arm64 packages: toolstack and drivers */
  readonly root: string;
  readonly dom0Kernel: string;
  readonly scenario: CaptureScenario;
  readonly domu: DomuOptions;
  readonly domuKernel: string;
  readonly domuRamdisk: Uint8Array;
  readonly dom0Vcpus: number;
  /** CPU model in QEMU's words */
  readonly cpu: string;
  readonly pcpus: number;
  /** longest that the machine may run, in seconds of wall time */
  readonly timeout: number;
  /** where the console's log is kept; undefined: nowhere */
  readonly consoleLog: string | undefined;
}

export interface CaptureProgress extends RecordingCounts {
  /** what dom0 said last: "creating" */
  readonly said: string;
  /** pages of the domU's segments, as far as the toolstack has logged them */
  readonly pages: number;
}

export interface CaptureResult {
  readonly events: number;
  readonly qemuVersion: string;
  /** blocks that QEMU logged */
  readonly records: number;
  readonly segments: readonly Segment[];
  /** true when Xen repeats its broadcast TLBIs on this CPU (ARM64_WORKAROUND_REPEAT_TLBI) */
  readonly repeatsTlbis: boolean;
  /** what cannot be derived from this Xen, in sentences */
  readonly unknown: readonly string[];
}

/** The machine's memory, and dom0's, in the units of their command lines. */
const MEMORY_GIB = 4;
const DOM0_MEMORY = "1G";
/** How often progress is told and the console looked at, in milliseconds. */
const TICK = 100;
/** How long a machine may do nothing that is logged or printed before it is taken for hung, in seconds. */
const STALL = 60;
/** How long a machine that has failed may go on talking, in seconds. */
const LAST_WORDS = 3;

/**
 * Runs a capture. The sinks get the trace. Rejects with an InputError when something the user gave cannot be used, or the
 * machine does not get to the end of the scenario; with the signal's reason when it is aborted. No process is left behind.
 */
export async function capture(
  options: CaptureOptions,
  sinks: readonly TraceSink[],
  signal: AbortSignal,
  progress: (now: CaptureProgress) => void,
): Promise<CaptureResult> {
  const xenSyms = openXenSyms(options.xen, options.xenSyms);
  const text = new XenText(xenSyms);
  readImage(options.dom0Kernel, "dom0's kernel");
  const sites = findSites(text);
  const physical = loadAddress(readImage(options.xen, "Xen")) - xenSyms.image().address;
  const qemuVersion = await checkQemu(options.qemu, signal);
  const folder = mkdtempSync(join(tmpdir(), "shootdown-capture-"));
  const at = (name: string): string => join(folder, name);
  try {
    writeFileSync(
      at("dom0.cpio"),
      dom0Initramfs({ ...options, domuKernel: readImage(options.domuKernel, "the domU's kernel") }),
    );
    const spec: MachineSpec = {
      ...options,
      cpus: options.pcpus,
      memoryGib: MEMORY_GIB,
      xenArguments: `console=dtuart loglvl=all guest_loglvl=all dom0_mem=${DOM0_MEMORY} dom0_max_vcpus=${options.dom0Vcpus} bootscrub=0`,
      dom0Arguments: "console=hvc0 rdinit=/init quiet",
      dom0Initramfs: at("dom0.cpio"),
      console: at("console.log"),
      gdb: at("gdb"),
      log: at("log"),
      logged: loggedAddresses(text, sites, physical),
    };
    const recording = new Recording(text, sites, physical, options.pcpus, sinks);
    const console = new ConsoleLog(spec.console);
    const run = { spec, recording, console, text, pages: sites.pages, timeout: options.timeout };
    const { records, repeatsTlbis } = await runMachine(run, signal, progress);
    const events = recording.finish();
    return { events, qemuVersion, records, segments: console.segments, repeatsTlbis, unknown: sites.unknown };
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(folder, 0, reason);
  } finally {
    if (options.consoleLog !== undefined && !signal.aborted)
      try {
        copyFileSync(at("console.log"), options.consoleLog);
      } catch {} // the machine did not start, or the folder cannot be written: the trace's own error says so
    rmSync(folder, { recursive: true, force: true });
  }
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
  readonly recording: Recording;
  readonly console: ConsoleLog;
  readonly text: XenText;
  /** pages of code to be translated one instruction a block */
  readonly pages: readonly number[];
  readonly timeout: number;
}

/** Starts the machine and follows it to its end. */
async function runMachine(
  run: Run,
  signal: AbortSignal,
  progress: (now: CaptureProgress) => void,
): Promise<{ records: number; repeatsTlbis: boolean }> {
  const { spec, recording, console, timeout } = run;
  const pipe = await Pipe.make(spec.log, signal);
  // Its own signal, so that every way out of here ends the machine.
  const stop = new AbortController();
  const qemu = new Qemu(spec, AbortSignal.any([signal, stop.signal]));
  const log = new ExecutionLog(recording.record);
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
  const deadline = setTimeout(() => tooLate(`the machine did not finish within ${timeout} s`), timeout * 1000);
  let alive = { at: performance.now(), done: 0 };
  const tick = setInterval(() => {
    console.poll();
    const done = log.records + console.bytes;
    if (done !== alive.done) alive = { at: performance.now(), done };
    if (performance.now() - alive.at > STALL * 1000)
      tooLate(`the machine hangs: nothing has happened for ${STALL} s in the phase ${recording.counts.phase}`);
    if (console.failure !== undefined) failedAt ??= performance.now();
    if (failedAt !== undefined && performance.now() - failedAt > LAST_WORDS * 1000) qemu.kill();
    const pages = console.segments.reduce((sum, segment) => sum + segment.pages, 0);
    progress({ ...recording.counts, said: console.said, pages });
  }, TICK);
  let failedAt: number | undefined;
  let gdb: GdbConnection | undefined;
  let repeatsTlbis = false;
  try {
    const started = prepare(run, signal).then(
      (prepared) => {
        gdb = prepared.connection;
        repeatsTlbis = prepared.repeatsTlbis;
      },
      (error: unknown) => {
        unprepared = error;
        qemu.kill();
      },
    );
    const status = await qemu.ended;
    await started;
    pipe.close();
    await logEnded;
    signal.throwIfAborted();
    // The machine was ended because of it: what else there is to say follows from that.
    if (failed !== undefined) throw failed;
    console.poll();
    if (console.failure !== undefined) throw gaveUp(console.failure, console);
    if (late !== undefined) throw gaveUp(late, console);
    if (status !== null && status !== 0) throw new InputError(`QEMU failed: ${qemu.lastWords || `status ${status}`}`);
    if (unprepared !== undefined) {
      // When QEMU itself has ended, its end says more than that the connection broke.
      if (qemu.lastWords !== "") throw new InputError(`QEMU failed: ${qemu.lastWords}`);
      throw unprepared;
    }
    if (console.said !== "finished") throw gaveUp("the machine went off before the scenario's end", console);
    log.end();
    return { records: log.records, repeatsTlbis };
  } finally {
    clearTimeout(deadline);
    clearInterval(tick);
    gdb?.close();
    stop.abort();
    pipe.close();
  }
}

const gaveUp = (why: string, console: ConsoleLog): InputError =>
  new InputError(console.tail === "" ? why : `${why}; the console's last lines:\n  ${console.tail}`);

/** Breakpoints that are never reached, one a page; then Xen up to the building of dom0, when it is known how it runs. */
async function prepare(
  { spec, pages, text, recording }: Run,
  signal: AbortSignal,
): Promise<{ connection: GdbConnection; repeatsTlbis: boolean }> {
  const connection = await GdbConnection.open(spec.gdb, signal);
  const target = new GdbTarget(connection);
  // No instruction begins at an odd address, but QEMU translates the page of a breakpoint one instruction a block.
  for (const page of pages) await target.setBreakpoint(page + 1);
  const stop = text.functionNamed("create_dom0");
  let repeatsTlbis = false;
  if (stop) {
    await target.setBreakpoint(stop.address);
    await target.continueToStop();
    await readDirectmap(target, text, recording);
    repeatsTlbis = await readAlternatives(target, text);
    if (repeatsTlbis) recording.setSites(findSites(text));
    await target.removeBreakpoint(stop.address);
  }
  target.continue();
  return { connection, repeatsTlbis };
}

/** Which alternatives Xen has put in place: the text is made the same. True when there are any with TLBIs. */
async function readAlternatives(target: GdbTarget, text: XenText): Promise<boolean> {
  let any = false;
  for (const { address, words } of text.alternatives) {
    const there: number[] = [];
    for (let i = 0; i < words.length; i++) there.push(Number(await target.readNumber(address + 4 * i, 4)));
    if (there.some((word, i) => word !== text.word(address + 4 * i))) {
      text.patch(address, there);
      any = true;
    }
  }
  return any;
}

async function readDirectmap(target: GdbTarget, text: XenText, recording: Recording): Promise<void> {
  const variables = directmapVariables((name) => text.variableNamed(name));
  if (typeof variables === "string") return;
  const values: Partial<Record<keyof DirectmapValues, bigint>> = {};
  for (const { key, address, bytes } of variables) values[key] = await target.readNumber(address, bytes);
  recording.setDirectmap(new Directmap(values as DirectmapValues));
}
