/** The programs of guests/, compiled into the cache: the same sources and compiler give the same bytes. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, run } from "../capture/index.js";
import { fileReason, InputError } from "../input/index.js";
import type { StackParts } from "./setup.js";

const SOURCES = fileURLToPath(new URL("../../guests/", import.meta.url));
const EVERY = "-ffreestanding -fno-stack-protector -O2 -Wall -Werror -c".split(" ");
const GUEST = "--target=aarch64-linux-gnu -fno-pic -mgeneral-regs-only -mstrict-align".split(" ");
const TARGETS: Readonly<Record<string, string>> = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };

/** Paths of what was built. */
export interface Built {
  /** of the host's first process in a probe, and of the guest hypervisor in it */
  readonly probeVmm: string;
  readonly probeGuest: string;
  /** the first process that boots Xen, and what tells the plugin of a point of dom0's script */
  readonly stackVmm: string;
  readonly mark: string;
  /** a domU of one page */
  readonly idle: string;
  /** the plugin that counts, and that which records */
  readonly count: string;
  readonly record: string;
}

/** Programs of guests/ that QEMU loads, for this machine. */
const PLUGINS = ["count", "record"];

/** Builds what is not there yet. Rejects with an InputError where a source cannot be compiled. */
export async function build(parts: StackParts, signal: AbortSignal): Promise<Built> {
  const hash = createHash("sha256").update(JSON.stringify([parts.packages, EVERY, GUEST, parts.machine]));
  for (const name of readdirSync(SOURCES).sort()) hash.update(name).update(readFileSync(join(SOURCES, name)));
  const folder = join(cacheFolder(), "stack", hash.digest("hex").slice(0, 16));
  if (!existsSync(folder)) await compile(parts, folder, signal);
  const at = (name: string): string => join(folder, name);
  return {
    probeVmm: at("probe-vmm"),
    probeGuest: at("probe-guest"),
    stackVmm: at("stack-vmm"),
    mark: at("mark"),
    idle: at("idle"),
    count: at("count.so"),
    record: at("record.so"),
  };
}

async function compile({ clang, linker, machine }: StackParts, folder: string, signal: AbortSignal): Promise<void> {
  const partial = partialBeside(folder);
  const must = async ([program, ...first]: readonly string[], args: readonly string[]): Promise<void> => {
    const done = await run(program!, [...first, ...args], { signal, cwd: SOURCES });
    if (done.status !== 0) throw new InputError(`guests/ cannot be built: ${done.stderr.trim().split("\n")[0]}`);
  };
  const object = (name: string): string => join(partial, `${name}.o`);
  try {
    const programs = readdirSync(SOURCES)
      .filter((file) => file.endsWith(".c"))
      .map((file) => file.slice(0, -2));
    for (const name of programs) {
      const plugin = PLUGINS.includes(name);
      const target = plugin ? [`--target=${TARGETS[machine]}`, "-fPIC"] : GUEST;
      await must(clang, [...EVERY, ...target, "-o", object(name), `${name}.c`]);
      await must(linker, [...linking(name), "-o", join(partial, plugin ? `${name}.so` : name), object(name)]);
      rmSync(object(name));
    }
    moveInto(partial, folder);
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(folder, 0, reason);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** A folder of one's own for what is not whole yet. */
function partialBeside(folder: string): string {
  try {
    mkdirSync(dirname(folder), { recursive: true });
    return mkdtempSync(`${folder}.partial-`);
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(folder, 0, reason);
  }
}

/** Gives the whole its name; another process may have built the same meanwhile, which is as good. */
function moveInto(partial: string, folder: string): void {
  try {
    renameSync(partial, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  }
}

/** A guest hypervisor is a flat image; a VMM stands where the plugin knows it (count.c, vmm_start). */
function linking(name: string): string[] {
  if (PLUGINS.includes(name)) return ["-shared"];
  if (name === "probe-guest" || name === "idle") return ["-T", join(SOURCES, "probe-guest.ld"), "--oformat", "binary"];
  if (!name.endsWith("-vmm")) return ["-static"];
  // What says that Xen begins stands where nested.ts looks for it.
  return ["-static", "--image-base=0x7000000000", "--section-start=began=0x7000100000"];
}
