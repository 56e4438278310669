/** Kernel modules of the user's own in dom0's initramfs, and which of Debian's they stand in for. */
import { basename } from "node:path";
import { Elf, readInput } from "../binary/index.js";
import { InputError } from "../input/index.js";
import type { Cpio } from "./cpio.js";

/** What busybox's insmod can read, by the names that kernels' builds give. */
const MODULE = /^([\w+.-]+)\.ko(\.xz|\.gz)?$/;

/** A module's name as the kernel has it, from its file's. */
const moduleName = (file: string): string => basename(file).replace(MODULE, "$1").replaceAll("-", "_");

/** Debian's drivers that no module of the user's stands in for. */
export function driversBeside(drivers: readonly string[], own: readonly string[]): string[] {
  const names = own.map(moduleName);
  return drivers.filter((driver) => !names.includes(moduleName(`${driver}.ko`)));
}

/** Adds the user's modules; returns their names in modules/. Throws an InputError for what is none, or two of one name. */
export function addModules(cpio: Cpio, files: readonly string[]): string[] {
  const seen = new Set<string>();
  return files.map((file) => {
    const name = basename(file);
    const match = MODULE.exec(name);
    if (!match)
      throw InputError.at(file, 0, "is no kernel module by its name, expected NAME.ko, NAME.ko.xz or NAME.ko.gz");
    if (seen.has(moduleName(file))) throw InputError.at(file, 0, "is the second kernel module of this name");
    seen.add(moduleName(file));
    const bytes = readInput(file);
    // The packed ones are the kernel's to refuse.
    if (match[2] === undefined) new Elf(bytes, file);
    cpio.file(`modules/${name}`, bytes);
    return name;
  });
}
