/** An emulated machine whose host is a Linux with KVM: QEMU with the plugin that counts, followed to its end. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Qemu, STALL, Vitals } from "../capture/index.js";
import { fileReason, InputError } from "../input/index.js";

/** Bits of PA that a host may have, and ID_AA64MMFR0_EL1.PARange of each (DDI 0487). */
const PA_RANGE: Readonly<Record<number, number>> = { 36: 1, 40: 2, 42: 3, 44: 4, 48: 5, 52: 6 };
export const PA_BITS: readonly number[] = Object.keys(PA_RANGE).map(Number);
export const CPUS = ["max", "neoverse-n2"] as const;
export type Cpu = (typeof CPUS)[number];
/** MIDR_EL1 of a CPU that has none of the errata that Linux knows (QEMU's max), and of one with 4118414 (Neoverse N2 r0p3). */
const MIDR = { off: 0x000f_0510, on: 0x410f_d493 } as const;

/** The host's machine. */
export interface HostMachine {
  readonly cpu: Cpu;
  readonly paBits: number;
  /** true: the CPU has the erratum for which Linux repeats its broadcast TLBIs (ARM64_WORKAROUND_REPEAT_TLBI) */
  readonly erratum: boolean;
  readonly memoryMib: number;
}

/** The CPU that can have so many PA bits, where none is asked for. */
export const defaultCpu = (paBits: number): Cpu => (paBits >= 48 ? "max" : "neoverse-n2");

/** Throws an InputError where QEMU has no such machine. */
function refuse({ cpu, paBits }: HostMachine): void {
  const able = cpu === "max" ? [48, 52] : [36, 40, 42, 44, 48];
  if (!able.includes(paBits))
    throw new InputError(`QEMU's ${cpu} cannot have ${paBits} bits of PA, expected ${able.join(", ")}`);
}

/** The CPU in QEMU's words. Without FEAT_LPA2 a host with 4 or 16 KiB pages has no more than 48 bits. */
function cpuArgument({ cpu, paBits, erratum }: HostMachine): string {
  const lpa2 = cpu === "max" ? [`lpa2=${paBits > 48 ? "on" : "off"}`] : [];
  return [cpu, "pauth-impdef=on", ...lpa2, `midr=0x${MIDR[erratum ? "on" : "off"].toString(16).padStart(8, "0")}`].join(
    ",",
  );
}

/** ID_AA64MMFR0_EL1 of QEMU's Neoverse N2 (target/arm/tcg/cpu64.c, aarch64_neoverse_n2_initfn), little-endian. */
const N2_MMFR0 = Buffer.from("2511100022020000".match(/../g)!.map((pair) => Number.parseInt(pair, 16)));

/**
 * The QEMU of a machine: as it is where its CPU has the PA size; else a copy in the run's folder with the one constant changed.
 * An InputError where that does not stand in the program exactly once.
 */
export function qemuFor(qemu: readonly string[], machine: HostMachine, folder: string): readonly string[] {
  refuse(machine);
  if (machine.paBits >= 48) return qemu;
  const program = qemu.at(-1)!;
  const bytes = readFileSync(program);
  const at = bytes.indexOf(N2_MMFR0);
  if (at < 0 || bytes.indexOf(N2_MMFR0, at + 1) >= 0)
    throw InputError.at(
      program,
      0,
      `${machine.paBits} bits of PA: the constant of neoverse-n2's ID_AA64MMFR0_EL1 does not stand in this QEMU exactly once`,
    );
  bytes[at] = (bytes[at]! & 0xf0) | PA_RANGE[machine.paBits]!;
  const copy = join(folder, "qemu");
  writeFileSync(copy, bytes, { mode: 0o700 });
  return [...qemu.slice(0, -1), copy];
}

/** What is run. Paths of files; all of a run's own are in `folder`. */
interface StackRun {
  readonly qemu: readonly string[];
  readonly machine: HostMachine;
  readonly kernel: string;
  readonly initramfs: Uint8Array;
  /** words for the kernel's command line */
  readonly words: readonly string[];
  /** the plugin, and its arguments but `out` */
  readonly count: string;
  readonly pluginArguments: readonly string[];
  readonly folder: string;
  /** QEMU's other arguments */
  readonly further?: readonly string[];
  /** most CPU time in seconds */
  readonly timeout: number;
  /** most steps of an unmap that a count may take: the plugin writes nothing meanwhile */
  readonly steps: number;
}

/** Seconds of CPU time that the host's own boot may take: it takes 10 on an idle computer. */
export const HOST_SILENCE = 120;
/** Seconds of QEMU's CPU time that a step of an unmap may take: five times what it does on an idle computer. */
const STEP = 1e-4;
const TICK = 100;
const WORDS = "console=ttyAMA0 nokaslr kvm-arm.mode=nested nowatchdog cryptomgr.notests cryptomgr.noextratests quiet";

/** What a run has left. */
interface StackOutput {
  /** the plugin's, line by line */
  readonly lines: readonly string[];
  readonly console: string;
}

/**
 * Runs a machine to its end. `progress` is told how much the plugin has written, in lines. Rejects with an InputError where
 * QEMU fails, the host does not get on, or its console does not end as `ends`; with the signal's reason when it is aborted.
 */
export async function runStack(
  spec: StackRun,
  ends: RegExp,
  signal: AbortSignal,
  progress: (lines: number) => void,
): Promise<StackOutput> {
  const at = (name: string): string => join(spec.folder, name);
  const [out, console] = [at("counts"), at("console.log")];
  writeFileSync(at("initramfs"), spec.initramfs);
  const qemu = new Qemu(qemuFor(spec.qemu, spec.machine, spec.folder), hostArguments(spec, out, console), signal);
  const vitals = new Vitals(spec.timeout, HOST_SILENCE, STALL + STEP * spec.steps);
  let late = false;
  let told = 0;
  const tick = setInterval(() => {
    const done = sizeOf(out) + sizeOf(console);
    if (vitals.check(done, 0, qemu.state()) !== undefined) {
      late = true;
      qemu.kill();
    }
    if (done !== told) progress(linesOf(out).length);
    told = done;
  }, TICK);
  const status = await qemu.ended.finally(() => clearInterval(tick));
  signal.throwIfAborted();
  const text = textOf(console);
  const said = text.trim().split(/\r*\n/).slice(-8).join("\n  ");
  if (late) throw new InputError(`the host did not get to its end; its console's last lines:\n  ${said}`);
  if (status !== 0) throw new InputError(`QEMU failed: ${qemu.lastWords || `status ${status}`}`);
  if (!ends.test(text)) throw new InputError(`the host ended before its work was done; its last lines:\n  ${said}`);
  return { lines: linesOf(out), console: text };
}

/** QEMU's arguments: the host's kernel, initramfs in the run's folder, and the plugin, which writes to `out`. */
export function hostArguments(
  spec: Omit<StackRun, "qemu" | "initramfs" | "timeout" | "steps">,
  out: string,
  console: string,
): string[] {
  const text = (value: string): string => value.replaceAll(",", ",,");
  return [
    ...["-machine", "virt,virtualization=on,gic-version=3,dtb-randomness=off", "-cpu", cpuArgument(spec.machine)],
    ...["-smp", "1", "-m", `${spec.machine.memoryMib}M`, "-icount", "shift=0,sleep=off", "-seed", "1"],
    ...["-display", "none", "-no-reboot", "-nodefaults", "-no-user-config", "-monitor", "none"],
    ...["-rtc", "base=2024-01-01,clock=vm", "-serial", `file:${console}`],
    ...["-kernel", spec.kernel, "-initrd", join(spec.folder, "initramfs")],
    ...["-append", [WORDS, ...spec.words].join(" ")],
    ...["-plugin", [text(spec.count), `out=${text(out)}`, ...spec.pluginArguments].join(",")],
    ...(spec.further ?? []),
  ];
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (fileReason(error) !== undefined) return "";
    throw error;
  }
}

const linesOf = (path: string): string[] =>
  textOf(path)
    .split("\n")
    .filter((line) => line !== "");
