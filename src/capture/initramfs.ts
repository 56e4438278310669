/** The initramfs of dom0 and of the domU, made of Debian's unpacked packages: the same input gives the same bytes. */
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { readInput } from "../binary/index.js";
import { InputError } from "../input/index.js";
import { Cpio } from "./cpio.js";
import { addModules, driversBeside } from "./own-modules.js";
import {
  type CaptureScenario,
  DISK_MODULES,
  DISK_SCRIPT,
  type DomuOptions,
  dom0Init,
  domuConfig,
  domuInit,
} from "./scenario.js";
import { addToolstack, follow } from "./toolstack.js";

/** Drivers in the order of their dependencies; a kernel that has them built in refuses these, which is well. */
const MODULES = ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs"];
/** busybox's applets that the scripts use. */
const APPLETS = "sh mount mkdir insmod grep sleep usleep poweroff echo cat".split(" ");

function addBusybox(cpio: Cpio, root: string, applets: readonly string[]): void {
  cpio.file("bin/busybox", readInput(follow(root, join(root, "usr", "bin", "busybox"))), { program: true });
  for (const applet of applets) cpio.link(`bin/${applet}`, "busybox");
}

/** The domU's ramdisk: busybox and an init, its drivers, and `padding` bytes that stand for a root file system. */
export function domuRamdisk(root: string, scenario: CaptureScenario): Uint8Array {
  const { padding } = scenario;
  const cpio = new Cpio();
  addBusybox(cpio, root, ["sh"]);
  cpio.device("dev/console", 5, 1);
  if (scenario.disk !== undefined) addDrivers(cpio, root, DISK_MODULES.domu);
  cpio.file("init", domuInit(scenario), { program: true });
  if (padding > 0) cpio.file("padding", filler(padding));
  return cpio.finish();
}

/** Bytes that no compressor shortens and that are always the same (xorshift32). */
function filler(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = 0x9e37_79b9;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** What dom0's archive is made of. */
interface Dom0Parts {
  /** root of the unpacked arm64 packages: busybox and the kernel's drivers */
  readonly root: string;
  /** unpacked trees: the toolstack is the first one's, a library is of the first that has it */
  readonly toolstack: readonly string[];
  /** the user's kernel modules, in the order in which they are inserted */
  readonly dom0Modules: readonly string[];
  readonly scenario: CaptureScenario;
  readonly domu: DomuOptions;
  readonly domuKernel: Uint8Array;
  readonly domuRamdisk: Uint8Array;
  /** what tells a counting plugin of a mark */
  readonly mark?: Uint8Array;
  /** true for a domU of the user's own, which may not come up */
  readonly ownDomu: boolean;
}

/** dom0's initramfs: busybox, the toolstack, drivers, the domU's images, and the init that runs the scenario. */
export function dom0Initramfs(parts: Dom0Parts): Uint8Array {
  const { root, toolstack, scenario, domu, domuKernel, domuRamdisk, ownDomu } = parts;
  const cpio = new Cpio();
  for (const folder of "dev proc sys run tmp etc var/lib/xen var/log/xen/console etc/xen".split(" "))
    cpio.folder(folder);
  cpio.device("dev/console", 5, 1);
  cpio.link("lib", "usr/lib");
  cpio.link("var/run", "../run");
  addBusybox(cpio, root, APPLETS);
  addToolstack(cpio, toolstack, scenario.programs);
  const own = addModules(cpio, parts.dom0Modules);
  const drivers = join(driversOf(root), "xen");
  const modules: string[] = [];
  for (const name of driversBeside(MODULES, own)) {
    const path = join(drivers, name === "xenfs" ? "xenfs" : "", `${name}.ko.xz`);
    if (!existsSync(path)) continue;
    modules.push(basename(path));
    cpio.file(`modules/${basename(path)}`, readInput(path));
  }
  cpio.file("domu/kernel", domuKernel);
  if (domu.pages === undefined) cpio.file("domu/ramdisk", domuRamdisk);
  if (parts.mark) cpio.file("bin/mark", parts.mark, { program: true });
  cpio.file("domu/domu.cfg", domuConfig(domu, scenario));
  if (scenario.disk !== undefined) {
    addDrivers(cpio, root, DISK_MODULES.dom0);
    cpio.folder("etc/xen/scripts");
    cpio.file("etc/xen/scripts/block", DISK_SCRIPT, { program: true });
  }
  cpio.file("init", dom0Init(scenario, domu, { own, debian: modules }, ownDomu), { program: true });
  return cpio.finish();
}

/** Files of Debian's kernel below drivers/, into modules/. */
function addDrivers(cpio: Cpio, root: string, files: readonly string[]): void {
  for (const file of files) cpio.file(`modules/${basename(file)}`, readInput(join(driversOf(root), file)));
}

/** The folder of drivers for Debian's kernel, of which the packages hold one. */
function driversOf(root: string): string {
  const parent = join(root, "usr", "lib", "modules");
  const version = existsSync(parent) ? readdirSync(parent).sort().at(-1) : undefined;
  if (version === undefined) throw InputError.at(parent, 0, "holds no kernel's modules");
  return join(parent, version, "kernel", "drivers");
}
