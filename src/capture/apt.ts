/** apt with a configuration of its own: reads and checks a suite's lists from the system's Debian mirror, fetches packages. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileReason, InputError } from "../input/index.js";
import { type Finished, run } from "./process.js";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The last line of what a program said. */
export const lastLine = (text: string): string => text.trim().split("\n").at(-1) || "it does not say why";

/** This machine's architecture in Debian's words. Rejects with an InputError where there is no dpkg. */
export async function debianArchitecture(signal: AbortSignal): Promise<string> {
  const done = await started("dpkg", ["--print-architecture"], { signal });
  if (done.status !== 0) throw new InputError(`dpkg: ${lastLine(done.stderr)}`);
  return done.stdout.trim();
}

/** Runs one of Debian's programs; rejects with an InputError that says what to do where it is not there. */
async function started(
  program: string,
  args: readonly string[],
  options: { signal: AbortSignal; cwd?: string },
): Promise<Finished> {
  try {
    return await run(program, args, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new InputError(
        `${program} not found: the set-up needs Debian's apt; without it, name --xen, --xen-syms, --dom0-kernel and --qemu yourself`,
      );
    throw error;
  }
}

/** A suite of Debian's as apt sees it with a configuration of its own; the system's is only read. */
export class Apt {
  private options: string[] = [];

  /** `folder`: where lists and state go; `suite`: the release's name; `architectures`: the native one first. */
  constructor(
    private readonly folder: string,
    private readonly suite: string,
    private readonly architectures: readonly string[],
    private readonly signal: AbortSignal,
  ) {}

  private async must(program: string, args: readonly string[], what: string, cwd?: string): Promise<string> {
    const options = { signal: this.signal, ...(cwd === undefined ? {} : { cwd }) };
    const done = await started(program, [...this.options, ...args], options);
    if (done.status === 0) return done.stdout;
    const said = done.stderr.split("\n").filter((line) => line.startsWith("E:"));
    throw new InputError(`${what}: ${said[0]?.slice(2).trim() ?? lastLine(done.stderr)}`);
  }

  /** Writes the configuration and updates the lists. */
  async prepare(): Promise<void> {
    const mirror = await this.mirror();
    if (!existsSync(KEYRING))
      throw new InputError(`${KEYRING} not found: Debian's packages cannot be checked without debian-archive-keyring`);
    const at = (name: string): string => join(this.folder, name);
    try {
      for (const name of ["lists/partial", "archives/partial", "empty"]) mkdirSync(at(name), { recursive: true });
      writeFileSync(at("status"), "");
      writeFileSync(
        at("debian.sources"),
        `Types: deb\nURIs: ${mirror}\nSuites: ${this.suite}\nComponents: main\nArchitectures: ${this.architectures.join(" ")}\nSigned-By: ${KEYRING}\n`,
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
      "APT::Architecture": this.architectures[0]!,
      "APT::Architectures": this.architectures[0]!,
      "APT::Default-Release": this.suite,
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
    }).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    for (const other of this.architectures.slice(1)) this.options.push("-o", `APT::Architectures::=${other}`);
    await this.must(
      "apt-get",
      ["update", "-q", "--error-on=any"],
      `the package lists of Debian ${this.suite} cannot be read`,
    );
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
      `${name} cannot be found in Debian ${this.suite}`,
    );
    return [...text.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!);
  }

  /** The dependency of a meta package whose name matches. */
  async dependencyOf(name: string, matching: RegExp): Promise<string> {
    const text = await this.must("apt-cache", ["depends", name], `${name} cannot be found in Debian ${this.suite}`);
    const names = [...text.matchAll(/Depends: ([^\s:<>]+)/g)].map((match) => match[1]!);
    const found = names.find((dependency) => matching.test(dependency));
    if (found === undefined)
      throw new InputError(`in Debian ${this.suite}, ${name} depends on nothing of the form ${matching.source}`);
    return found;
  }

  async uris(names: readonly string[]): Promise<{ file: string; bytes: number }[]> {
    const text = await this.must("apt-get", ["download", "--print-uris", ...names], "packages cannot be found");
    return [...text.matchAll(/^'[^']*' (\S+) (\d+)/gm)].map((match) => ({ file: match[1]!, bytes: Number(match[2]) }));
  }

  /** What packages take when they are unpacked, in bytes, as their maintainers reckon it (Installed-Size, in KiB). */
  async unpackedBytes(names: readonly string[]): Promise<number> {
    const text = await this.must("apt-cache", ["show", "--no-all-versions", ...names], "packages cannot be found");
    return [...text.matchAll(/^Installed-Size: (\d+)/gm)].reduce((sum, match) => sum + 1024 * Number(match[1]), 0);
  }

  async download(names: readonly string[], to: string): Promise<void> {
    await this.must("apt-get", ["download", "-q", ...names], "packages cannot be fetched", to);
  }
}
