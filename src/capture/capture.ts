/** A capture: boots Xen, dom0 and the scenario on an emulated machine, and turns what Xen executes into a trace. */
import { closeSync, constants, copyFileSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileReason, InputError } from "../input/index.js";
import type { TraceSink } from "../trace/index.js";
import { ConsoleLog, type Segment } from "./console.js";
import { DIRECTMAP_VARIABLES, Directmap, type DirectmapVariable } from "./directmap.js";
import { GdbConnection } from "./gdb-connection.js";
import { GdbTarget } from "./gdb-target.js";
import { dom0Initramfs } from "./initramfs.js";
import { ExecutionLog } from "./log.js";
import { run } from "./process.js";
import { checkQemu, type MachineSpec, Qemu } from "./qemu.js";
import { Recording, type RecordingCounts } from "./recording.js";
import type { CaptureScenario, DomuOptions } from "./scenario.js";
import { findSites } from "./sites.js";
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
  const text = new XenText(openXenSyms(options.xen, options.xenSyms));
  readImage(options.dom0Kernel, "dom0's kernel");
  const sites = findSites(text);
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
      logged: [...new Set(sites.list.map(({ logged }) => logged))],
    };
    const recording = new Recording(text, sites, options.pcpus, sinks);
    const console = new ConsoleLog(spec.console);
    const records = await runMachine(spec, recording, console, signal, options.timeout, sites.pages, text, progress);
    const events = recording.finish();
    return { events, qemuVersion, records, segments: console.segments, repeatsTlbis: false, unknown: sites.unknown };
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(folder, 0, reason);
  } finally {
    if (options.consoleLog !== undefined)
      try {
        copyFileSync(at("console.log"), options.consoleLog);
      } catch {} // the machine did not start, or the folder cannot be written: the trace's own error says so
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts the machine and follows it to its end. Returns the records of the log. */
async function runMachine(
  spec: MachineSpec,
  recording: Recording,
  console: ConsoleLog,
  signal: AbortSignal,
  timeout: number,
  pages: readonly number[],
  text: XenText,
  progress: (now: CaptureProgress) => void,
): Promise<number> {
  const pipe = await Pipe.make(spec.log, signal);
  // Its own signal, so that every way out of here ends the machine.
  const stop = new AbortController();
  const qemu = new Qemu(spec, AbortSignal.any([signal, stop.signal]));
  const log = new ExecutionLog(recording.record);
  let failed: unknown;
  const logEnded = pipe.read((piece) => {
    try {
      log.feed(piece);
    } catch (error) {
      failed ??= error;
      qemu.kill();
    }
  });
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    qemu.kill();
  }, timeout * 1000);
  const tick = setInterval(() => {
    console.poll();
    const pages = console.segments.reduce((sum, segment) => sum + segment.pages, 0);
    progress({ ...recording.counts, said: console.said, pages });
  }, TICK);
  let gdb: GdbConnection | undefined;
  try {
    const started = prepare(spec.gdb, pages, text, recording, signal).then(
      (connection) => {
        gdb = connection;
      },
      (error: unknown) => {
        // When QEMU itself has ended, its end says more than that the connection broke.
        failed ??= error;
        qemu.kill();
      },
    );
    const status = await qemu.ended;
    await started;
    pipe.close();
    await logEnded;
    signal.throwIfAborted();
    console.poll();
    if (late) throw gaveUp(`the machine did not finish within ${timeout} s`, console);
    if (status !== null && status !== 0) throw new InputError(`QEMU failed: ${qemu.lastWords || `status ${status}`}`);
    if (console.failure !== undefined) throw gaveUp(console.failure, console);
    if (failed !== undefined) {
      if (qemu.lastWords !== "") throw new InputError(`QEMU failed: ${qemu.lastWords}`);
      throw failed;
    }
    if (console.said !== "finished") throw gaveUp("the machine went off before the scenario's end", console);
    log.end();
    return log.records;
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

/** Breakpoints that are never reached, one a page; then Xen up to the building of dom0, where the direct map is known. */
async function prepare(
  socket: string,
  pages: readonly number[],
  text: XenText,
  recording: Recording,
  signal: AbortSignal,
): Promise<GdbConnection> {
  const connection = await GdbConnection.open(socket, signal);
  const target = new GdbTarget(connection);
  // No instruction begins at an odd address, but QEMU translates the page of a breakpoint one instruction a block.
  for (const page of pages) await target.setBreakpoint(page + 1);
  const stop = text.functionNamed("create_dom0");
  if (stop) {
    await target.setBreakpoint(stop.address);
    await target.continueToStop();
    await readDirectmap(target, text, recording);
    await target.removeBreakpoint(stop.address);
  }
  target.continue();
  return connection;
}

async function readDirectmap(target: GdbTarget, text: XenText, recording: Recording): Promise<void> {
  const values: Partial<Record<DirectmapVariable, bigint>> = {};
  for (const [name, bytes] of Object.entries(DIRECTMAP_VARIABLES) as [DirectmapVariable, number][]) {
    const symbol = text.variableNamed(name);
    if (symbol === undefined) return;
    values[name] = await target.readNumber(symbol.address, bytes);
  }
  recording.setDirectmap(new Directmap(values as Record<DirectmapVariable, bigint>));
}

/** A named pipe that another program writes and we read: nothing of it is ever kept in a file. */
class Pipe {
  private constructor(
    private readonly reader: number,
    private holder: number | undefined,
  ) {}

  static async make(path: string, signal: AbortSignal): Promise<Pipe> {
    const done = await run("mkfifo", [path], { signal });
    if (done.status !== 0) throw new InputError(`mkfifo cannot make a named pipe: ${done.stderr.trim()}`);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // A writer of our own, so that the pipe does not end before the other program has opened it.
    return new Pipe(reader, openSync(path, constants.O_WRONLY));
  }

  /** Hands on what comes; resolves when the last writer has closed the pipe. */
  read(take: (piece: Buffer) => void): Promise<void> {
    const socket = new Socket({ fd: this.reader, readable: true, writable: false });
    return new Promise((resolve, reject) => {
      socket.on("data", take);
      socket.on("error", reject);
      socket.on("close", () => resolve());
    });
  }

  close(): void {
    if (this.holder !== undefined) closeSync(this.holder);
    this.holder = undefined;
  }
}
