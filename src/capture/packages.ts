/**
 * What a capture runs, from Debian: QEMU with its libraries for this machine, and Xen, its toolstack and a Linux kernel for
 * arm64. apt fetches and checks the packages with a configuration of its own (the system's mirror, proxy and Debian's own
 * keyring; package lists and files in the cache folder); dpkg only unpacks them there. Nothing is installed, no root needed.
 *
 * In the cache folder's debian/: host/ and arm64/ with a manifest.json, all of trixie; beside them, in a folder of its name,
 * each other release's arm64/ and manifest.json: its Xen and its toolstack only.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { fileReason, InputError } from "../input/index.js";
import { Apt, debianArchitecture, lastLine } from "./apt.js";
import { cacheFolder } from "./cache.js";
import { run } from "./process.js";

/** Debian's releases that have a Xen for arm64, by name. */
export const RELEASES = ["bookworm", "trixie", "sid"] as const;
export type Release = (typeof RELEASES)[number];
/** Gives all captures QEMU, dom0's kernel and busybox, so that runs of two releases differ by Xen and its toolstack alone. */
export const BASE: Release = "trixie";

/** Xen's packages: the hypervisor's is found by its meta package and says which version the others are of. */
const XEN_SYSTEM = "xen-system-arm64";
const HYPERVISOR = /^xen-hypervisor-([\d.]+)-arm64$/;
/** The toolstack's packages beside those of Xen's version. */
const TOOLSTACK =
  "xenstore-utils libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 libxenstore4 libxentoolcore1 libxentoollog1 libc6 libgcc-s1 libyajl2 libuuid1 zlib1g libfdt1".split(
    " ",
  );
const BUSYBOX = "busybox-static";
/** The kernel's package is found by its meta package. */
const KERNEL_META = "linux-image-arm64";
const KERNEL = /^linux-image-[\d.]+.*-arm64$/;
const QEMU = "qemu-system-arm";
/** By Debian's name of this machine's architecture: its loader, and the folder of its libraries. */
const MACHINES: Readonly<Record<string, { readonly loader: string; readonly folder: string }>> = {
  amd64: { loader: "ld-linux-x86-64.so.2", folder: "x86_64-linux-gnu" },
  arm64: { loader: "ld-linux-aarch64.so.1", folder: "aarch64-linux-gnu" },
};
/** A new number when the cache's contents change: an older cache counts as not there. */
const VERSION = 1;

/** Debian's files, unpacked: paths, and the packages with their versions. */
export interface Distribution {
  readonly release: Release;
  /** the cache's folder for this release */
  readonly folder: string;
  /** root of trixie's packages for arm64: kernel, its drivers, busybox */
  readonly root: string;
  /** root of the release's: Xen and its toolstack */
  readonly toolstack: string;
  readonly xen: string;
  readonly xenSyms: string;
  readonly kernel: string;
  /** the command that starts QEMU: program and first arguments */
  readonly qemu: readonly string[];
  /** the release's, "xen-hypervisor-4.20-arm64 4.20.4-1": for arm64, sorted by name */
  readonly packages: readonly string[];
}

/** What a set-up has put into a folder of the cache. */
const manifestSchema = v.object({ version: v.literal(VERSION), machine: v.string(), packages: v.array(v.string()) });
type Manifest = v.InferOutput<typeof manifestSchema>;

/** The manifest of a set-up of this version; undefined when there is none, or something else stands in its place. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    const parsed = v.safeParse(manifestSchema, JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

export const debianFolder = (): string => join(cacheFolder(), "debian");
const releaseFolder = (release: Release): string => (release === BASE ? debianFolder() : join(debianFolder(), release));

/** The first file of a folder whose name matches, with its path; undefined where there is none. */
function fileOf(folder: string, name: RegExp): string | undefined {
  const found = existsSync(folder)
    ? readdirSync(folder)
        .sort()
        .find((file) => name.test(file))
    : undefined;
  return found === undefined ? undefined : join(folder, found);
}

/** The loader with which unpacked programs of this machine's architecture run, and the folder of their libraries. */
export function hostPrograms(machine: string): { readonly loader: string; readonly libraries: string } {
  const { loader, folder } = MACHINES[machine]!;
  const libraries = join(debianFolder(), "host", "usr", "lib", folder);
  return { loader: join(libraries, loader), libraries };
}

/** What {@link planSetup} has put into the cache for a release; undefined when it has not. */
export function findDistribution(release: Release = BASE): Distribution | undefined {
  const folder = releaseFolder(release);
  const [base, own] = [readManifest(debianFolder()), readManifest(folder)];
  if (!base || !own || !Object.hasOwn(MACHINES, base.machine)) return undefined;
  const root = join(debianFolder(), "arm64");
  const toolstack = join(folder, "arm64");
  const kernel = fileOf(join(root, "boot"), /^vmlinuz-/);
  const xen = fileOf(join(toolstack, "boot"), /^xen-[\d.]+-arm64(\.gz)?$/);
  const xenSyms = fileOf(join(toolstack, "usr", "lib", "debug", "boot"), /^xen-syms-[\d.]+-arm64$/);
  if (kernel === undefined || xen === undefined || xenSyms === undefined) return undefined;
  const { loader, libraries } = hostPrograms(base.machine);
  return {
    release,
    folder,
    root,
    toolstack,
    xen,
    xenSyms,
    kernel,
    qemu: [loader, "--library-path", libraries, join(debianFolder(), "host", "usr", "bin", "qemu-system-aarch64")],
    packages: own.packages,
  };
}

/** What the set-up would do, to be told before it is done; `Found`: what it has put into the cache. */
export interface SetupPlan<Found = Distribution> {
  /** files to fetch, and their bytes */
  readonly files: number;
  readonly bytes: number;
  /** most bytes that the cache takes meanwhile: the files, and what is unpacked from them */
  readonly needs: number;
  readonly folder: string;
  /** "qemu-system-arm 10.0.2": what matters most */
  readonly main: readonly string[];
  /** fetches and unpacks; `progress` is told what it does */
  fetch(progress: (doing: string) => void): Promise<Found>;
}

/** Removes what {@link planSetup} has read: the lists are large, and read anew by the next set-up. */
export function discardLists(): void {
  rmSync(join(debianFolder(), "apt"), { recursive: true, force: true });
}

/** One release's part of a set-up. */
export interface Part {
  readonly folder: string;
  readonly apt: Apt;
  /** packages by the folder that they are unpacked into */
  readonly wanted: { readonly host?: readonly string[]; readonly arm64?: readonly string[] };
  readonly uris: readonly { readonly file: string; readonly bytes: number }[];
  /** bytes when unpacked */
  readonly unpacked: number;
  readonly main: readonly string[];
}

/**
 * Reads Debian's package lists and finds out what is to be fetched for a release: with it what all captures need, where that
 * is not there. Rejects with an InputError where apt cannot be used.
 */
export async function planSetup(
  release: Release,
  signal: AbortSignal,
  progress: (doing: string) => void,
): Promise<SetupPlan> {
  const machine = await debianArchitecture(signal);
  if (!MACHINES[machine]) throw new InputError(`the set-up knows no QEMU for ${machine}, expected amd64 or arm64`);
  const parts: Part[] = [];
  for (const suite of new Set([BASE, release])) {
    if (findDistribution(suite)) continue;
    progress(`reading the package lists of Debian ${suite}`);
    parts.push(await planPart(suite, machine, signal));
  }
  return planOf(parts, releaseFolder(release), machine, signal, () => findDistribution(release));
}

/** The set-up that fetches some parts into the cache; `find` finds them there afterwards. */
export function planOf<Found>(
  parts: readonly Part[],
  folder: string,
  machine: string,
  signal: AbortSignal,
  find: () => Found | undefined,
): SetupPlan<Found> {
  const uris = parts.flatMap((part) => part.uris);
  const bytes = uris.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    files: uris.length,
    bytes,
    needs: parts.reduce((sum, { unpacked }) => sum + unpacked, bytes),
    folder,
    main: parts.flatMap((part) => part.main),
    async fetch(progress) {
      for (const part of parts) await fetchPart(part, machine, signal, progress);
      const found = find();
      if (!found) throw InputError.at(folder, 0, "the packages do not hold what a capture needs");
      return found;
    },
  };
}

async function planPart(release: Release, machine: string, signal: AbortSignal): Promise<Part> {
  const base = release === BASE;
  const architectures = base ? [...new Set([machine, "arm64"])] : ["arm64"];
  const apt = new Apt(join(debianFolder(), "apt", release), release, architectures, signal);
  await apt.prepare();
  const hypervisor = await apt.dependencyOf(`${XEN_SYSTEM}:arm64`, HYPERVISOR);
  const version = HYPERVISOR.exec(hypervisor)![1]!;
  const kernel = base ? await apt.dependencyOf(`${KERNEL_META}:arm64`, KERNEL) : undefined;
  const arm64 = [
    hypervisor,
    `${hypervisor}-dbg`,
    `xen-utils-${version}`,
    `libxenmisc${version}`,
    ...TOOLSTACK,
    ...(kernel === undefined ? [] : [BUSYBOX, kernel]),
  ].map((name) => `${name}:arm64`);
  const wanted = base ? { host: await apt.closure(QEMU), arm64 } : { arm64 };
  return partOf(releaseFolder(release), apt, wanted, [QEMU, hypervisor, kernel]);
}

/** The part of a set-up that fetches some packages; `main`: names of those that are told of. */
export async function partOf(
  folder: string,
  apt: Apt,
  wanted: Part["wanted"],
  main: readonly (string | undefined)[],
): Promise<Part> {
  const names = [...(wanted.host ?? []), ...(wanted.arm64 ?? [])];
  const uris = await apt.uris(names);
  const told = uris
    .map(({ file }) => fileParts(file))
    .filter(({ name }) => main.includes(name))
    .map(({ name, version }) => `${name} ${version}`);
  return { folder, apt, wanted, uris, unpacked: await apt.unpackedBytes(names), main: told };
}

async function fetchPart(
  { folder, apt, wanted }: Part,
  machine: string,
  signal: AbortSignal,
  progress: (doing: string) => void,
): Promise<void> {
  const partial = join(folder, `.partial-${process.pid}`);
  try {
    const packages: string[] = [];
    for (const [into, names] of Object.entries(wanted)) {
      const debs = join(partial, "debs", into);
      mkdirSync(debs, { recursive: true });
      progress(`fetching ${names.length} packages for ${into === "host" ? "this machine" : into}`);
      await apt.download(names, debs);
      for (const file of readdirSync(debs).sort()) {
        const { name, version } = fileParts(file);
        progress(`unpacking ${name}`);
        await unpack(join(debs, file), join(partial, into), signal);
        if (into === "arm64") packages.push(`${name} ${version}`);
      }
    }
    const manifest: Manifest = { version: VERSION, machine, packages };
    rmSync(join(folder, "manifest.json"), { force: true });
    for (const into of Object.keys(wanted)) {
      rmSync(join(folder, into), { recursive: true, force: true });
      renameSync(join(partial, into), join(folder, into));
    }
    // Last, so that what bears a manifest is whole.
    writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(folder, 0, reason);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** "xen-utils-4.20_4.20.4-1_arm64.deb", with apt's %3a for a colon, in its parts. */
function fileParts(file: string): { name: string; version: string } {
  const [name, version] = file.split("_");
  return { name: name!, version: decodeURIComponent(version ?? "") };
}

async function unpack(file: string, to: string, signal: AbortSignal): Promise<void> {
  const done = await run("dpkg", ["-x", file, to], { signal });
  if (done.status !== 0) throw new InputError(`dpkg cannot unpack ${file}: ${lastLine(done.stderr)}`);
}
