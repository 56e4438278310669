/** The initramfs of dom0 and of the domU, made of Debian's unpacked packages: the same input gives the same bytes. */
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { InputError } from "../input/index.js";
import { Cpio } from "./cpio.js";
import { Elf, isElf } from "./elf.js";
import { type CaptureScenario, DOMU_INIT, type DomuOptions, dom0Init, domuConfig } from "./scenario.js";
import { readInput } from "./xen-image.js";

/** The toolstack's programs that dom0 starts; libxl-save-helper and the like are not needed to create a domain. */
const PROGRAMS = ["xl", "xenstored", "xenconsoled", "xen-init-dom0"];
/** Opened at run time (by pthread_cancel and pthread_exit), so that no NEEDED entry names it. */
const RUN_TIME_LIBRARIES = ["libgcc_s.so.1"];
/** Drivers in the order of their dependencies; a kernel that has them built in refuses these, which is well. */
const MODULES = ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs"];
const LOADER = "ld-linux-aarch64.so.1";
/** busybox's applets that the scripts use. */
const APPLETS = "sh mount mkdir insmod grep sleep usleep poweroff echo cat".split(" ");

/** The folder under `parent` whose name starts so; the newest where there are several. */
function folderOf(parent: string, start: string): string {
  const names = existsSync(parent) ? readdirSync(parent).filter((name) => name.startsWith(start)) : [];
  const name = names.sort().at(-1);
  if (name === undefined) throw InputError.at(parent, 0, `holds nothing that begins with ${start}`);
  return join(parent, name);
}

/** What stands at a path of the unpacked tree, symbolic links followed within it. */
function follow(root: string, path: string): string {
  let at = path;
  for (let depth = 0; depth < 8; depth++) {
    let target: string;
    try {
      target = readlinkSync(at);
    } catch {
      return at;
    }
    at = target.startsWith("/") ? join(root, target) : join(at, "..", target);
  }
  return at;
}

/** Adds programs and, once each, the libraries that they need. */
function addPrograms(cpio: Cpio, root: string, programs: readonly string[]): void {
  const libraries = join(root, "usr", "lib", "aarch64-linux-gnu");
  const have = new Set<string>([LOADER]);
  const queue: string[] = [...RUN_TIME_LIBRARIES];
  const needs = (bytes: Uint8Array, file: string): void => {
    if (isElf(bytes)) for (const name of new Elf(bytes, file).needed()) queue.push(name);
  };
  for (const program of programs) {
    const bytes = readInput(program);
    cpio.file(`usr/lib/xen/bin/${basename(program)}`, bytes, { program: true });
    needs(bytes, program);
  }
  cpio.file(`usr/lib/${LOADER}`, readInput(follow(root, join(libraries, LOADER))), { program: true });
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (have.has(name)) continue;
    have.add(name);
    const file = follow(root, join(libraries, name));
    const bytes = readInput(file);
    cpio.file(`usr/lib/${name}`, bytes);
    needs(bytes, file);
  }
}

function addBusybox(cpio: Cpio, root: string, applets: readonly string[]): void {
  cpio.file("bin/busybox", readInput(follow(root, join(root, "usr", "bin", "busybox"))), { program: true });
  for (const applet of applets) cpio.link(`bin/${applet}`, "busybox");
}

/** The domU's ramdisk: busybox and an init, and `padding` bytes that stand for a root file system. */
export function domuRamdisk(root: string, padding = 0): Uint8Array {
  const cpio = new Cpio();
  addBusybox(cpio, root, ["sh"]);
  cpio.device("dev/console", 5, 1);
  cpio.file("init", DOMU_INIT, { program: true });
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
export interface Dom0Parts {
  /** root of the unpacked arm64 packages */
  readonly root: string;
  readonly scenario: CaptureScenario;
  readonly domu: DomuOptions;
  readonly domuKernel: Uint8Array;
  readonly domuRamdisk: Uint8Array;
  /** true for a domU of the user's own, which may not come up */
  readonly ownDomu: boolean;
}

/** dom0's initramfs: busybox, the toolstack, drivers, the domU's images, and the init that runs the scenario. */
export function dom0Initramfs({ root, scenario, domu, domuKernel, domuRamdisk, ownDomu }: Dom0Parts): Uint8Array {
  const cpio = new Cpio();
  for (const folder of "dev proc sys run tmp etc var/lib/xen var/log/xen/console etc/xen".split(" "))
    cpio.folder(folder);
  cpio.device("dev/console", 5, 1);
  cpio.link("lib", "usr/lib");
  cpio.link("var/run", "../run");
  addBusybox(cpio, root, APPLETS);
  const xen = folderOf(join(root, "usr", "lib"), "xen-");
  addPrograms(
    cpio,
    root,
    PROGRAMS.map((name) => join(xen, "bin", name)),
  );
  const drivers = join(folderOf(join(root, "usr", "lib", "modules"), ""), "kernel", "drivers", "xen");
  const modules: string[] = [];
  for (const name of MODULES) {
    const path = join(drivers, name === "xenfs" ? "xenfs" : "", `${name}.ko.xz`);
    if (!existsSync(path)) continue;
    modules.push(basename(path));
    cpio.file(`modules/${basename(path)}`, readInput(path));
  }
  cpio.file("domu/kernel", domuKernel);
  cpio.file("domu/ramdisk", domuRamdisk);
  cpio.file("domu/domu.cfg", domuConfig(domu));
  cpio.file("init", dom0Init(scenario, modules, ownDomu), { program: true });
  return cpio.finish();
}
