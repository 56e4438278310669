/** A probe: what KVM of a kernel does for each TLBI of a guest hypervisor, counted; and what the host model says of it. */
import { rmSync } from "node:fs";
import * as v from "valibot";
import { TLBI_OPS, type TlbiOp } from "../arch/index.js";
import { Cpio, checkQemu, readInput, temporaryFolder } from "../capture/index.js";
import { InputError } from "../input/index.js";
import { type Built, build } from "./build.js";
import { type Cell, cellsOf, GRANULE_BITS, longestUnmap } from "./cells.js";
import { type HostMachine, runStack } from "./machine.js";
import { type Counted, ELEMENTARY, type Elementary, probeScript, type Script } from "./probe-script.js";
import { type PageSize, type StackParts, stackParts } from "./setup.js";

/** What is asked of a probe. */
export interface ProbeOptions {
  readonly qemu: readonly string[];
  /** a kernel for the host, an arm64 Image; undefined: Debian's newest of the page size that is no release candidate */
  readonly kernel: string | undefined;
  readonly machine: HostMachine;
  readonly pageSize: PageSize;
  readonly hostPages: "huge" | "small";
  readonly ops: readonly TlbiOp[];
  /** most CPU time of QEMU's, in seconds */
  readonly timeout: number;
}

/** What was counted from an instruction to the one behind it. */
export interface Count {
  /** TLBIs that the host executed, by name */
  readonly tlbi: Readonly<Record<string, number>>;
  /** instructions of the host's kernel */
  readonly instructions: number;
  /** entries of a guest */
  readonly exits: number;
  /** of these, those that went through handle_exit */
  readonly fullExits: number;
  /** stage-2 faults that the host handled */
  readonly faults: number;
  /** interrupts of the host in it, whose instructions are counted too */
  readonly interrupts: number;
}

/** One cell as it was counted. */
interface CellCount extends Count {
  /** leaves of the shadow that were gone afterwards: faults on what had been touched before; null where nothing was mapped */
  readonly leavesDropped: number | null;
  /** instructions of those faults with the round trip to their guest */
  readonly refaultInstructions: number | null;
}

export interface ProbeCounts {
  readonly kernel: string;
  readonly qemuVersion: string;
  /** undefined: the instruction is undefined on this CPU */
  readonly cells: readonly { readonly cell: Cell; readonly counted: CellCount | undefined }[];
  readonly elementary: Readonly<Record<Elementary, Count>>;
  /** names of functions of KVM that this kernel has not: what is counted by them is not known */
  readonly missing: readonly string[];
}

const FUNCTIONS = ["__guest_enter", "handle_exit", "kvm_handle_guest_abort", "gic_handle_irq"] as const;
const DONE = /^vmm: done\s*$/m;

/** Runs a probe. Rejects with an InputError where something cannot be used; with the signal's reason when it is aborted. */
export async function probe(
  options: ProbeOptions,
  signal: AbortSignal,
  progress: (done: number, total: number) => void,
): Promise<ProbeCounts> {
  const parts = stackParts();
  const kernel = kernelOf(options, parts);
  const qemuVersion = await checkQemu(options.qemu, signal);
  const built = await build(parts, signal);
  const cells = cellsOf(options.ops, options.pageSize);
  const script = probeScript(cells, GRANULE_BITS[options.pageSize], options.machine.paBits);
  const folder = temporaryFolder("counts");
  try {
    const spec = {
      ...{ qemu: options.qemu, machine: options.machine, kernel, folder, timeout: options.timeout },
      steps: longestUnmap(options.machine.paBits, GRANULE_BITS[options.pageSize]),
      initramfs: probeInitramfs(built, script),
      words: [`shootdown.huge=${options.hostPages === "huge" ? 1 : 0}`],
      count: built.count,
      pluginArguments: [`functions=${FUNCTIONS.join(":")}`],
    };
    const { lines, console } = await runStack(spec, DONE, signal, (n) => progress(n, script.counted.length));
    return { ...countsOf(lines, cells, script.counted), kernel: kernelName(console, kernel), qemuVersion };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The kernel asked for, or Debian's newest of the page size that is released. */
export function kernelOf(
  { kernel, pageSize }: Pick<ProbeOptions, "kernel" | "pageSize">,
  { kernels }: StackParts,
): string {
  if (kernel !== undefined) {
    readInput(kernel);
    return kernel;
  }
  const found =
    kernels.find((one) => one.pageSize === pageSize && !/~rc/.test(one.package)) ??
    kernels.find((one) => one.pageSize === pageSize);
  if (!found) throw new InputError(`no kernel with ${pageSize} pages in the cache: name one with --host-kernel`);
  return found.file;
}

/** What the host calls its kernel, as the VMM prints it. */
export const kernelName = (console: string, file: string): string => /^vmm: kernel (\S+)/m.exec(console)?.[1] ?? file;

function probeInitramfs(built: Built, script: Script): Uint8Array {
  const cpio = new Cpio();
  cpio.device("dev/console", 5, 1);
  cpio.file("init", readInput(built.probeVmm), { program: true });
  cpio.file("guest", readInput(built.probeGuest));
  cpio.file("script", script.bytes);
  return cpio.finish();
}

const numbers = v.record(v.string(), v.number());
const lineSchema = v.looseObject({
  symbols: v.optional(v.number()),
  missing: v.optional(v.array(v.string())),
  count: v.optional(v.number()),
  undefined: v.optional(v.number()),
  host: v.optional(v.number()),
  hostTlbi: v.optional(numbers),
  calls: v.optional(numbers),
});
export type Line = v.InferOutput<typeof lineSchema>;

const BY_WORD = new Map(TLBI_OPS.map((op) => [op.word, op.name]));

/** A count of the plugin's, with its TLBIs by name. */
export function countOf({ host = 0, hostTlbi = {}, calls = {} }: Line): Count {
  const tlbi = Object.entries(hostTlbi).map(
    ([word, n]) => [BY_WORD.get(Number.parseInt(word, 16)) ?? word, n] as const,
  );
  return {
    tlbi: Object.fromEntries(tlbi.sort(([a], [b]) => (a < b ? -1 : 1))),
    instructions: host,
    exits: calls.__guest_enter ?? 0,
    fullExits: calls.handle_exit ?? 0,
    faults: calls.kvm_handle_guest_abort ?? 0,
    interrupts: calls.gic_handle_irq ?? 0,
  };
}

/** A line of the plugin's; an InputError where it is none. */
export function parseLine(text: string): Line {
  const parsed = v.safeParse(lineSchema, JSON.parse(text));
  if (!parsed.success) throw new InputError("the counting plugin wrote a line of another form");
  return parsed.output;
}

function countsOf(lines: readonly string[], cells: readonly Cell[], counted: readonly Counted[]) {
  const all = lines.map(parseLine);
  const symbols = all.find((line) => line.symbols !== undefined);
  if (!symbols)
    throw new InputError("the host's kernel told no symbols (/proc/kallsyms): build it with CONFIG_KALLSYMS");
  const tlbis = cells.map((): Line[] => []);
  const refaults = cells.map((): Line[] => []);
  const elementary = new Map<Elementary, Count[]>();
  for (const line of all) {
    const of = line.count === undefined ? undefined : counted[line.count];
    if (of === undefined) continue;
    if ("elementary" in of) elementary.set(of.elementary, [...(elementary.get(of.elementary) ?? []), countOf(line)]);
    else (of.what === "tlbi" ? tlbis : refaults)[of.cell]!.push(line);
  }
  return {
    missing: symbols.missing ?? [],
    cells: cells.map((cell, i) => ({ cell, counted: cellCount(cell, tlbis[i]!, refaults[i]!) })),
    elementary: Object.fromEntries(
      Object.keys(ELEMENTARY).map((name) => [name, quietest(elementary.get(name as Elementary) ?? [])]),
    ) as Record<Elementary, Count>,
  };
}

/** Of repetitions the one with the fewest interrupts, and of those the one of the fewest instructions. */
function quietest(counts: readonly Count[]): Count {
  const [first] = [...counts].sort((a, b) => a.interrupts - b.interrupts || a.instructions - b.instructions);
  if (!first) throw new InputError("the guest hypervisor stopped before its script was done");
  return first;
}

function cellCount({ state }: Cell, tlbis: readonly Line[], refaults: readonly Line[]): CellCount | undefined {
  const count = quietest(tlbis.map(countOf));
  if (tlbis.some((line) => line.undefined === 1)) return undefined;
  const mapped = state.shadow !== undefined && state.shadow !== "empty";
  // Each repetition has as many refaults as any other, one for each shadow. A fault that an interrupt of the host disturbs is
  // taken twice: the repetition with the fewest faults is the undisturbed one.
  const share = refaults.length / tlbis.length;
  const all = refaults.map(countOf);
  const [after] = tlbis
    .map((_, i) => all.slice(i * share, (i + 1) * share))
    .map((each) => ({
      faults: sumOf(each, ({ faults }) => faults),
      instructions: sumOf(each, ({ instructions }) => instructions),
    }))
    .sort((one, other) => one.faults - other.faults);
  return {
    ...count,
    leavesDropped: mapped ? after!.faults : null,
    refaultInstructions: mapped ? after!.instructions : null,
  };
}

const sumOf = (counts: readonly Count[], of: (count: Count) => number): number =>
  counts.reduce((total, one) => total + of(one), 0);
