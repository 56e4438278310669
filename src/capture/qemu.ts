/** QEMU as a machine for Xen: how it is started, stopped, and what it writes. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { InputError } from "../input/index.js";
import { keep, run } from "./process.js";
import { type ProcessState, processState } from "./vitals.js";

/** The machine and what it boots. Paths of files. */
export interface MachineSpec {
  /** program and first arguments */
  readonly qemu: readonly string[];
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGib: number;
  readonly xen: string;
  readonly xenArguments: string;
  readonly dom0Vcpus: number;
  readonly dom0Kernel: string;
  readonly dom0Arguments: string;
  readonly dom0Initramfs: string;
  readonly console: string;
  /** Unix socket for the GDB stub */
  readonly gdb: string;
  /** what the records go to */
  readonly log: string;
  /** addresses at which a block that begins is logged */
  readonly logged: readonly number[];
  /** the plugin that records in the log's place (guests/record.c) */
  readonly recorder: string | undefined;
}

/** The oldest QEMU whose virt machine leaves random seeds out of its device tree and whose log is understood here. */
const OLDEST = [8, 0] as const;

/**
 * Where the virt machine loads an arm64 Image (QEMU, hw/arm/boot.c, load_aarch64_image): RAM's base, and its text_offset, or
 * 2 MiB where that would be within the first page.
 */
export function loadAddress(image: Uint8Array): number {
  const offset = Number(new DataView(image.buffer, image.byteOffset).getBigUint64(8, true));
  return 0x4000_0000 + offset + (offset < 4096 ? 2 * 2 ** 20 : 0);
}

/** Where guest-loader puts dom0's kernel and initramfs: in RAM, above Xen, which QEMU loads at 0x40200000. */
const KERNEL_ADDRESS = 0x4a00_0000;
const INITRAMFS_ADDRESS = 0x5000_0000;

/** The command line for a machine. The same inputs give the same run: an instruction-counted clock, no random seeds. */
export function qemuArguments(spec: MachineSpec): string[] {
  const loaded = (address: number, rest: string): string => `guest-loader,addr=0x${address.toString(16)},${rest}`;
  return [
    ...["-machine", "virt,virtualization=on,gic-version=3,dtb-randomness=off"],
    ...["-cpu", spec.cpu],
    ...["-smp", String(spec.cpus)],
    ...["-m", `${spec.memoryGib}G`],
    ...["-display", "none", "-no-reboot", "-nodefaults", "-no-user-config", "-monitor", "none"],
    ...["-serial", `file:${spec.console}`],
    ...["-rtc", "base=2024-01-01,clock=vm"],
    ...["-icount", "shift=2,sleep=off"],
    ...["-seed", "1"],
    ...["-kernel", spec.xen, "-append", spec.xenArguments],
    "-device",
    loaded(KERNEL_ADDRESS, `kernel=${text(spec.dom0Kernel)},bootargs=${text(spec.dom0Arguments)}`),
    ...["-device", loaded(INITRAMFS_ADDRESS, `initrd=${text(spec.dom0Initramfs)}`)],
    ...["-S", "-gdb", `unix:${text(spec.gdb)},server=on,wait=off`],
    ...recordingArguments(spec),
  ];
}

/** In QEMU's option strings a comma stands doubled. */
const text = (value: string): string => value.replaceAll(",", ",,");

/** What makes QEMU write a record of each block that begins at the addresses: the plugin, or its own log. */
export function recordingArguments({ log, logged, recorder, cpus }: MachineSpec): string[] {
  const hex = logged.map((address) => address.toString(16));
  if (recorder !== undefined) return ["-plugin", `${text(recorder)},out=${text(log)},cpus=${cpus},at=${hex.join(":")}`];
  return ["-D", log, "-d", "exec,cpu", "-dfilter", hex.map((address) => `0x${address}+4`).join(",")];
}

/** Throws an InputError unless the program is a QEMU for AArch64 that is new enough. Returns its version. */
export async function checkQemu(qemu: readonly string[], signal: AbortSignal): Promise<string> {
  const [program, ...first] = qemu;
  let text: string;
  try {
    text = (await run(program!, [...first, "--version"], { signal })).stdout;
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new InputError(
      `QEMU cannot be started (${program}: ${error.code === "ENOENT" ? "not found" : error.code}): run 'shootdown capture --setup', or name one with --qemu`,
    );
  }
  const version = /QEMU emulator version (\d+)\.(\d+)(?:\.\d+)?/.exec(text);
  if (!version) throw new InputError(`${program} is no QEMU: it answers --version with something else`);
  const [major, minor] = [Number(version[1]), Number(version[2])];
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    throw new InputError(
      `QEMU ${major}.${minor} is too old, expected ${OLDEST.join(".")} or newer: run 'shootdown capture --setup'`,
    );
  return version[0].replace("QEMU emulator version ", "");
}

/** util-linux's setpriv, where it is: lets the kernel end QEMU with this process, even when that is killed outright. */
const SETPRIV = "/usr/bin/setpriv";
const DIES_WITH_PARENT = existsSync(SETPRIV) ? [SETPRIV, "--pdeathsig", "KILL"] : [];

/** A QEMU that runs. It ends with this process, and when the signal is aborted. */
export class Qemu {
  /** what it said on standard error, its last lines */
  private said = "";
  readonly ended: Promise<number | null>;

  /** `qemu`: program and first arguments; `machine`: the others */
  constructor(qemu: readonly string[], machine: readonly string[], signal: AbortSignal) {
    const [program, ...first] = [...DIES_WITH_PARENT, ...qemu];
    this.child = spawn(program!, [...first, ...machine], { stdio: ["ignore", "ignore", "pipe"] });
    const release = keep(this.child, signal);
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.said = (this.said + text).slice(-2000);
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("close", (status) => {
        release();
        resolve(status);
      });
    });
    // Who waits for it hears of an error; until then it is no unhandled one.
    this.ended.catch(() => {});
  }

  private readonly child: ChildProcess;

  /** QEMU's last words; "" when it had none. Warnings are none: it goes on after them. */
  get lastWords(): string {
    return (
      this.said
        .trim()
        .split("\n")
        .filter((line) => !line.includes("warning: "))
        .at(-1)
        ?.replace(/^.*qemu-system-aarch64: /, "") ?? ""
    );
  }

  /** What it does at the moment; undefined when that cannot be told. */
  state(): ProcessState | undefined {
    return this.child.pid === undefined ? undefined : processState(this.child.pid);
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}
