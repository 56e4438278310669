/** Which host of the model predicts a probe's counts: instructions are a kernel's own, and a CPU's. */
import { fileURLToPath } from "node:url";
import type { Cpu } from "./machine.js";

/** A version of Linux: major and minor. */
type Version = readonly [major: number, minor: number];

/**
 * Versions whose instructions were counted, newest first, and by QEMU's CPU the host file: a built-in one, or one in `probes/`. What
 * KVM saves and restores at an exit depends on the CPU's features; that of neoverse-n2 differs in nothing else, and so is none of
 * the built-in hosts.
 */
const COUNTED: readonly { readonly version: Version; readonly hosts: Readonly<Record<Cpu, string>> }[] = [
  { version: [7, 3], hosts: { max: "kvm-nested-7.3", "neoverse-n2": "neoverse-n2-7.3.toml" } },
  { version: [7, 2], hosts: { max: "kvm-nested-7.2", "neoverse-n2": "neoverse-n2.toml" } },
];

/** A host that predicts, and what must be said of it. */
interface PredictingHost {
  /** name of a built-in host, or path of a file of `probes/` */
  readonly host: string;
  /** a sentence where no host file is of that kernel */
  readonly note?: string;
}

/** Path of a file that stands beside the shipped counts. */
const besideProbes = (file: string): string => fileURLToPath(new URL(`../../probes/${file}`, import.meta.url));

/** The same of the whole stack: an exit costs more where the VM's timers are armed. Of max, and of Linux 7.3, none was counted. */
export const stackHost = (cpu: Cpu): string => (cpu === "max" ? "kvm-nested-7.2" : besideProbes(`${cpu}-stack.toml`));

/**
 * The host file of a kernel, as it calls itself ("7.3-arm64"): that of its own version; where there is none, of the newest that is
 * not newer than the kernel, else of the oldest.
 */
export function predictingHost(cpu: Cpu, kernel: string): PredictingHost {
  const named = /^(\d+)\.(\d+)/.exec(kernel);
  const of: Version | undefined = named ? [Number(named[1]), Number(named[2])] : undefined;
  const found = COUNTED.find(({ version }) => of !== undefined && compare(version, of) <= 0) ?? COUNTED.at(-1)!;
  const name = found.hosts[cpu];
  const host = name.endsWith(".toml") ? besideProbes(name) : name;
  if (of !== undefined && compare(found.version, of) === 0) return { host };
  return {
    host,
    note: `the instructions of this kernel, ${kernel}: no host file is of it, what is predicted is of Linux ${found.version.join(".")}`,
  };
}

const compare = (a: Version, b: Version): number => a[0] - b[0] || a[1] - b[1];
