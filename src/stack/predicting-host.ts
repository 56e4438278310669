/** Which host of the model predicts a probe's counts: instructions are a kernel's own, and a CPU's. */
import { fileURLToPath } from "node:url";
import type { Cpu } from "./machine.js";

/** A version of Linux: major and minor. */
type Version = readonly [major: number, minor: number];

/** A version whose instructions were counted: host files, a built-in one or one in `probes/`. */
interface Counted {
  readonly version: Version;
  /** of a probe, by QEMU's CPU */
  readonly probe: Readonly<Record<Cpu, string>>;
  /** of the whole stack, where an exit costs more, as the VM's timers are armed; as far as it was counted */
  readonly stack: Readonly<Partial<Record<Cpu, string>>>;
}

/**
 * Newest first. What KVM saves and restores at an exit depends on the CPU's features; the files of neoverse-n2 differ in nothing else
 * from the built-in hosts, and so are none of them.
 */
const COUNTED: readonly Counted[] = [
  {
    version: [7, 3],
    probe: { max: "kvm-nested-7.3", "neoverse-n2": "neoverse-n2-7.3.toml" },
    stack: { "neoverse-n2": "neoverse-n2-7.3-stack.toml" },
  },
  {
    version: [7, 2],
    probe: { max: "kvm-nested-7.2", "neoverse-n2": "neoverse-n2.toml" },
    stack: { "neoverse-n2": "neoverse-n2-stack.toml" },
  },
];

/** A host that predicts, and what must be said of it. */
interface PredictingHost {
  /** name of a built-in host, or path of a file of `probes/` */
  readonly host: string;
  /** a sentence where no host file is of that kernel */
  readonly note?: string;
}

/**
 * What stands for a kernel, as it calls itself ("7.3-arm64"): its own version; where there is none, the newest that is not newer than
 * the kernel, else the oldest.
 */
function countedFor(kernel: string): { readonly counted: Counted; readonly own: boolean } {
  const named = /^(\d+)\.(\d+)/.exec(kernel);
  if (!named) return { counted: COUNTED.at(-1)!, own: false };
  const of: Version = [Number(named[1]), Number(named[2])];
  const counted = COUNTED.find(({ version }) => compare(version, of) <= 0) ?? COUNTED.at(-1)!;
  return { counted, own: compare(counted.version, of) === 0 };
}

const compare = (a: Version, b: Version): number => a[0] - b[0] || a[1] - b[1];

/** A file of `probes/` by its path; anything else is built in. */
const hostNamed = (name: string): string =>
  name.endsWith(".toml") ? fileURLToPath(new URL(`../../probes/${name}`, import.meta.url)) : name;

/** The host that predicts a probe of a kernel. */
export function predictingHost(cpu: Cpu, kernel: string): PredictingHost {
  const { counted, own } = countedFor(kernel);
  const host = hostNamed(counted.probe[cpu]);
  if (own) return { host };
  return {
    host,
    note: `the instructions of this kernel, ${kernel}: no host file is of it, what is predicted is of Linux ${counted.version.join(".")}`,
  };
}

/** The host that predicts a whole stack on a kernel: where none was counted of its version, of the newest before that has one. */
export function stackHost(cpu: Cpu, kernel: string): string {
  const { counted } = countedFor(kernel);
  const before = COUNTED.slice(COUNTED.indexOf(counted)).find(({ stack }) => stack[cpu] !== undefined);
  return hostNamed(before?.stack[cpu] ?? counted.probe[cpu]);
}
