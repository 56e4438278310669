/**
 * What a capture runs, from Debian: QEMU with its libraries for this machine, and Xen, its toolstack and a Linux kernel for
 * arm64. apt fetches and checks the packages with a configuration of its own (the system's mirror, proxy and Debian's own
 * keyring; package lists and files in the cache folder); dpkg only unpacks them there. Nothing is installed, no root needed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileReason, InputError } from "../input/index.js";
import { cacheFolder } from "./cache.js";
import { type Finished, run } from "./process.js";

/** The release that has Xen 4.20 and QEMU 10. */
const SUITE = "trixie";
const XEN = "4.20";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** dom0's programs and what they need. The kernel's package is found by its meta package. */
const ARM64 = [
  `xen-hypervisor-${XEN}-arm64`,
  `xen-hypervisor-${XEN}-arm64-dbg`,
  `xen-utils-${XEN}`,
  `libxenmisc${XEN}`,
  ..."xenstore-utils libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1".split(
    " ",
  ),
  ..."libxenstore4 libxentoolcore1 libxentoollog1 libc6 libgcc-s1 libyajl2 libuuid1 zlib1g libfdt1 busybox-static".split(
    " ",
  ),
];
const KERNEL = "linux-image-arm64";
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
  /** root of what was unpacked for arm64 */
  readonly root: string;
  readonly xen: string;
  readonly xenSyms: string;
  readonly kernel: string;
  /** the command that starts QEMU: program and first arguments */
  readonly qemu: readonly string[];
  /** "xen-hypervisor-4.20-arm64 4.20.4-1": for arm64, sorted by name */
  readonly packages: readonly string[];
}

interface Manifest {
  readonly version: number;
  readonly machine: string;
  readonly packages: readonly string[];
}

const debianFolder = (): string => join(cacheFolder(), "debian");

/** What {@link setUp} has put into the cache; undefined when it has not. */
export function findDistribution(): Distribution | undefined {
  const folder = debianFolder();
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Manifest;
  } catch {
    return undefined;
  }
  const machine = MACHINES[manifest.machine];
  if (manifest.version !== VERSION || !machine) return undefined;
  const root = join(folder, "arm64");
  const boot = join(root, "boot");
  const kernel = existsSync(boot) ? readdirSync(boot).find((name) => name.startsWith("vmlinuz-")) : undefined;
  if (kernel === undefined) return undefined;
  const libraries = join(folder, "host", "usr", "lib", machine.folder);
  return {
    root,
    xen: join(boot, `xen-${XEN}-arm64`),
    xenSyms: join(root, "usr", "lib", "debug", "boot", `xen-syms-${XEN}-arm64`),
    kernel: join(boot, kernel),
    qemu: [
      join(libraries, machine.loader),
      "--library-path",
      libraries,
      join(folder, "host", "usr", "bin", "qemu-system-aarch64"),
    ],
    packages: manifest.packages,
  };
}

/** What the set-up would do, to be told before it is done. */
export interface SetupPlan {
  /** files to fetch, and their bytes */
  readonly files: number;
  readonly bytes: number;
  readonly folder: string;
  /** "qemu-system-arm 10.0.2": what matters most */
  readonly main: readonly string[];
  /** fetches and unpacks; `progress` is told what it does */
  fetch(progress: (doing: string) => void): Promise<Distribution>;
}

/** Removes what {@link planSetup} has read: the lists are large, and read anew by the next set-up. */
export function discardLists(): void {
  rmSync(join(debianFolder(), "apt"), { recursive: true, force: true });
}

/** Reads Debian's package lists and finds out what is to be fetched. Rejects with an InputError where apt cannot be used. */
export async function planSetup(signal: AbortSignal, progress: (doing: string) => void): Promise<SetupPlan> {
  const folder = debianFolder();
  const apt = new Apt(join(folder, "apt"), signal);
  progress("reading Debian's package lists");
  const machine = await apt.prepare();
  const closure = await apt.closure(QEMU);
  const kernel = await apt.dependencyOf(`${KERNEL}:arm64`, /^linux-image-[\d.]+.*-arm64$/);
  const wanted = { host: closure, arm64: [...ARM64, kernel].map((name) => `${name}:arm64`) };
  const uris = await apt.uris([...wanted.host, ...wanted.arm64]);
  return {
    files: uris.length,
    bytes: uris.reduce((sum, { bytes }) => sum + bytes, 0),
    folder,
    main: uris
      .map(({ file }) => fileParts(file))
      .filter(({ name }) => [QEMU, ARM64[0], kernel].includes(name))
      .map(({ name, version }) => `${name} ${version}`),
    async fetch(progress) {
      const parts = join(folder, `.partial-${process.pid}`);
      try {
        const packages: string[] = [];
        for (const part of ["host", "arm64"] as const) {
          const debs = join(parts, "debs", part);
          mkdirSync(debs, { recursive: true });
          progress(`fetching ${wanted[part].length} packages for ${part === "host" ? "this machine" : part}`);
          await apt.download(wanted[part], debs);
          for (const file of readdirSync(debs).sort()) {
            const { name, version } = fileParts(file);
            progress(`unpacking ${name}`);
            await unpack(join(debs, file), join(parts, part), signal);
            if (part === "arm64") packages.push(`${name} ${version}`);
          }
        }
        rmSync(join(parts, "debs"), { recursive: true });
        const manifest: Manifest = { version: VERSION, machine, packages };
        rmSync(join(folder, "manifest.json"), { force: true });
        for (const part of ["host", "arm64"]) {
          rmSync(join(folder, part), { recursive: true, force: true });
          renameSync(join(parts, part), join(folder, part));
        }
        // Last, so that what bears a manifest is whole.
        writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
      } catch (error) {
        const reason = fileReason(error);
        throw reason === undefined ? error : InputError.at(folder, 0, reason);
      } finally {
        rmSync(parts, { recursive: true, force: true });
      }
      const found = findDistribution();
      if (!found) throw InputError.at(folder, 0, "the packages do not hold what a capture needs");
      return found;
    },
  };
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

const lastLine = (text: string): string => text.trim().split("\n").at(-1) || "it does not say why";

/** apt with a configuration of its own; the system's is only read. */
class Apt {
  private options: string[] = [];

  constructor(
    private readonly folder: string,
    private readonly signal: AbortSignal,
  ) {}

  private async apt(program: string, args: readonly string[], cwd?: string): Promise<Finished> {
    try {
      const options = { signal: this.signal, ...(cwd === undefined ? {} : { cwd }) };
      return await run(program, [...this.options, ...args], options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT")
        throw new InputError(
          `${program} not found: the set-up needs Debian's apt; without it, name --xen, --xen-syms, --dom0-kernel and --qemu yourself`,
        );
      throw error;
    }
  }

  private async must(program: string, args: readonly string[], what: string, cwd?: string): Promise<string> {
    const done = await this.apt(program, args, cwd);
    if (done.status === 0) return done.stdout;
    const said = done.stderr.split("\n").filter((line) => line.startsWith("E:"));
    throw new InputError(`${what}: ${said[0]?.slice(2).trim() ?? lastLine(done.stderr)}`);
  }

  /** Writes the configuration and updates the lists; returns this machine's architecture in Debian's words. */
  async prepare(): Promise<string> {
    const machine = (await this.must("dpkg", ["--print-architecture"], "dpkg")).trim();
    if (!MACHINES[machine]) throw new InputError(`the set-up knows no QEMU for ${machine}, expected amd64 or arm64`);
    const mirror = await this.mirror();
    if (!existsSync(KEYRING))
      throw new InputError(`${KEYRING} not found: Debian's packages cannot be checked without debian-archive-keyring`);
    const at = (name: string): string => join(this.folder, name);
    try {
      for (const name of ["lists/partial", "archives/partial", "empty"]) mkdirSync(at(name), { recursive: true });
      writeFileSync(at("status"), "");
      writeFileSync(
        at("debian.sources"),
        `Types: deb\nURIs: ${mirror}\nSuites: ${SUITE}\nComponents: main\nArchitectures: ${[...new Set([machine, "arm64"])].join(" ")}\nSigned-By: ${KEYRING}\n`,
      );
    } catch (error) {
      const reason = fileReason(error);
      throw reason === undefined ? error : InputError.at(this.folder, 0, reason);
    }
    this.options = Object.entries({
      "Dir::Etc::SourceList": at("debian.sources"),
      "Dir::Etc::SourceParts": at("empty"),
      "Dir::Etc::Preferences": at("empty/none"),
      "Dir::Etc::PreferencesParts": at("empty"),
      "Dir::State": this.folder,
      "Dir::State::Lists": at("lists"),
      "Dir::State::status": at("status"),
      "Dir::Cache": this.folder,
      "Dir::Cache::Archives": at("archives"),
      "APT::Architecture": machine,
      "APT::Architectures": machine,
      "APT::Default-Release": SUITE,
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
    }).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    if (machine !== "arm64") this.options.push("-o", "APT::Architectures::=arm64");
    await this.must("apt-get", ["update", "-q", "--error-on=any"], "Debian's package lists cannot be read");
    return machine;
  }

  /** The Debian mirror that the system is configured for. */
  private async mirror(): Promise<string> {
    const format = "$(REPO_URI)";
    const text = await this.must("apt-get", ["indextargets", "--format", format], "apt's sources cannot be read");
    const found = text.split("\n").find((uri) => /\/debian\/?$/.test(uri));
    if (found === undefined)
      throw new InputError("apt is configured for no Debian mirror (a source that ends in /debian)");
    return found;
  }

  /** The package and all that it needs, as apt would install them on a machine that has nothing. */
  async closure(name: string): Promise<string[]> {
    const text = await this.must(
      "apt-get",
      ["install", "-s", "--no-install-recommends", name],
      `${name} cannot be found in Debian ${SUITE}`,
    );
    return [...text.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!);
  }

  /** The dependency of a meta package whose name matches. */
  async dependencyOf(name: string, matching: RegExp): Promise<string> {
    const text = await this.must("apt-cache", ["depends", name], `${name} cannot be found in Debian ${SUITE}`);
    const names = [...text.matchAll(/Depends: ([^\s:<>]+)/g)].map((match) => match[1]!);
    const found = names.find((dependency) => matching.test(dependency));
    if (found === undefined) throw new InputError(`${name} depends on no kernel image`);
    return found;
  }

  async uris(names: readonly string[]): Promise<{ file: string; bytes: number }[]> {
    const text = await this.must("apt-get", ["download", "--print-uris", ...names], "packages cannot be found");
    return [...text.matchAll(/^'[^']*' (\S+) (\d+)/gm)].map((match) => ({ file: match[1]!, bytes: Number(match[2]) }));
  }

  async download(names: readonly string[], to: string): Promise<void> {
    await this.must("apt-get", ["download", "-q", ...names], "packages cannot be fetched", to);
  }
}
