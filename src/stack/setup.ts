/**
 * What the real KVM as a host takes beside what a capture does: Debian's current kernels for it, and a compiler (clang and
 * lld, which make code for this machine and for arm64) for the programs of guests/. Fetched and unpacked as captures' parts are.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  Apt,
  BASE,
  debianArchitecture,
  debianFolder,
  hostPrograms,
  type Part,
  partOf,
  planOf,
  readManifest,
  type SetupPlan,
} from "../capture/index.js";
import { InputError } from "../input/index.js";

/** Kernels for the host: Debian's suites that have one, and the meta packages of both page sizes. */
const SUITES = ["sid", "experimental"] as const;
export const PAGE_SIZES = ["4K", "16K"] as const;
export type PageSize = (typeof PAGE_SIZES)[number];
const META: Readonly<Record<PageSize, string>> = { "4K": "linux-image-arm64", "16K": "linux-image-arm64-16k" };
/** The compiler's packages. Their libraries are named: what apt would install with them, a linker's and a C library's, is not needed. */
const COMPILER =
  "clang-19 lld-19 libllvm19 libclang-cpp19 libclang-common-19-dev libz3-4 libxml2 libedit2 libbsd0 libmd0 libstdc++6 liblzma5".split(
    " ",
  );

/** A kernel of Debian's. */
interface HostKernel {
  /** "7.2.13+deb14-arm64": as it calls itself */
  readonly release: string;
  readonly pageSize: PageSize;
  readonly file: string;
  /** "linux-binary-7.2.13+deb14-arm64 7.2.13-1" */
  readonly package: string;
}

/** What the set-up has put into the cache. */
export interface StackParts {
  /** newest first, of each page size */
  readonly kernels: readonly HostKernel[];
  /** commands: program and first arguments */
  readonly clang: readonly string[];
  readonly linker: readonly string[];
  /** Debian's name of this machine's architecture */
  readonly machine: string;
  readonly folder: string;
  readonly packages: readonly string[];
}

const stackFolder = (part = ""): string => join(debianFolder(), "stack", part);

/** Undefined when the set-up was not run. */
export function findStack(): StackParts | undefined {
  const base = readManifest(debianFolder());
  const tools = readManifest(stackFolder("tools"));
  if (!base || !tools) return undefined;
  const kernels = SUITES.flatMap(kernelsOf).reverse();
  if (kernels.length === 0) return undefined;
  const { loader, libraries } = hostPrograms(base.machine);
  const root = stackFolder("tools/host/usr");
  const llvm = join(root, "lib/llvm-19");
  const path = [join(root, "lib", libraries.split("/").at(-1)!), join(llvm, "lib"), libraries].join(":");
  const program = (name: string): string[] => [loader, "--library-path", path, join(llvm, "bin", name)];
  return {
    kernels,
    clang: [...program("clang"), "-resource-dir", join(llvm, "lib/clang/19")],
    linker: [...program("lld"), "-flavor", "gnu"],
    machine: base.machine,
    folder: stackFolder(),
    packages: kernels.map((kernel) => kernel.package),
  };
}

function kernelsOf(suite: string): HostKernel[] {
  const manifest = readManifest(stackFolder(suite));
  const folder = stackFolder(`${suite}/arm64/usr/lib/modules`);
  if (!manifest || !existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((release) => ({
      release,
      pageSize: /-16k$/.test(release) ? ("16K" as const) : ("4K" as const),
      file: join(folder, release, "vmlinuz"),
      package: manifest.packages.find((name) => name.startsWith(`linux-binary-${release} `)) ?? release,
    }))
    .filter(({ file }) => existsSync(file));
}

/** Reads Debian's package lists and finds out what is to be fetched. Rejects with an InputError where apt cannot be used. */
export async function planStack(
  signal: AbortSignal,
  progress: (doing: string) => void,
): Promise<SetupPlan<StackParts>> {
  const machine = await debianArchitecture(signal);
  const parts: Part[] = [];
  if (!readManifest(stackFolder("tools"))) {
    progress(`reading the package lists of Debian ${BASE}`);
    const apt = new Apt(join(debianFolder(), "apt", `stack-${BASE}`), BASE, [machine], signal);
    await apt.prepare();
    parts.push(await partOf(stackFolder("tools"), apt, { host: COMPILER }, ["clang-19"]));
  }
  for (const suite of SUITES) {
    if (readManifest(stackFolder(suite))) continue;
    progress(`reading the package lists of Debian ${suite}`);
    const apt = new Apt(join(debianFolder(), "apt", `stack-${suite}`), suite, ["arm64"], signal);
    await apt.prepare();
    const names: string[] = [];
    for (const size of PAGE_SIZES) names.push(await kernelPackage(apt, META[size]));
    parts.push(await partOf(stackFolder(suite), apt, { arm64: names.map((name) => `${name}:arm64`) }, names));
  }
  return planOf(parts, stackFolder(), machine, signal, findStack);
}

/** A kernel's meta package depends on its image's, and that on the one that holds the kernel alone. */
async function kernelPackage(apt: Apt, meta: string): Promise<string> {
  const image = await apt.dependencyOf(meta, /^linux-image-\d/);
  return apt.dependencyOf(image, /^linux-binary-\d/);
}

/** What the set-up has put there; an InputError that says how to run it where it has not. */
export function stackParts(): StackParts {
  const found = findStack();
  if (!found)
    throw new InputError(
      "no kernel of a host and no compiler in the cache: run 'shootdown capture --setup' and 'shootdown probe --setup' first",
    );
  return found;
}
