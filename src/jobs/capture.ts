/** A real Xen, booted and recorded into a trace that is held against the model. */
import { existsSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type CpuProfile, withWorkaround } from "../arch/index.js";
import {
  BASE,
  type CaptureOptions,
  type CaptureResult,
  type CaptureScenario,
  cacheFolder,
  capture,
  captureScenario,
  type Distribution,
  domuRamdisk,
  findDistribution,
  markedScenario,
  openXen,
  openXenSyms,
  type Phase,
  type Release,
  readInput,
  type StorePlaces,
  temporaryFolder,
} from "../capture/index.js";
import { loadPolicy, policyNames } from "../catalog/index.js";
import { type Held, Holding, OperandsHeld, profileOf, refuseWithout } from "../compare/index.js";
import { isStream, writeWhole } from "../files/index.js";
import { hypervisor } from "../hypervisor/index.js";
import type { Injection } from "../inject/index.js";
import { InputError } from "../input/index.js";
import type { Policy } from "../policy/index.js";
import { type Built, build, findStack, stackParts } from "../stack/index.js";
import { type TraceWriter, writeTrace } from "../trace/file.js";
import { FromPhase, incomplete, Losses, type Summary, type TraceLosses, type TraceRecording } from "../trace/index.js";
import { CaptureMeter } from "./capture-meter.js";
import { recordingOf } from "./capture-record.js";
import { injectFiles } from "./inject.js";
import { type HostCosts, idleImage, joinCounts, type NestedAsked, nestedRun, openNested, stackCpu } from "./nested.js";
import { interruptible } from "./progress.js";

/** What writes down what Xen executes: a plugin of QEMU (guests/record.c), or QEMU's own log. */
export const RECORDERS = ["plugin", "log"] as const;
type Recorder = (typeof RECORDERS)[number];

/** What a user asks to be booted, by names and paths; what is not said is Debian's. */
export interface CaptureAsked {
  readonly debian: Release;
  readonly toolstack?: string;
  readonly dom0Module: readonly string[];
  readonly xen?: string;
  readonly xenSyms?: string;
  readonly dom0Kernel?: string;
  readonly dom0Vcpus?: number;
  readonly qemu?: string;
  /** what records; undefined: the plugin, where there is a compiler for it */
  readonly recorder?: Recorder;
  readonly scenario: string;
  readonly domuKernel?: string;
  readonly domuRamdisk?: string;
  /** MiB of the domU */
  readonly memory: number;
  readonly vcpus: number;
  /** in QEMU's words */
  readonly cpu: string;
  /** seconds of QEMU's CPU time */
  readonly timeout: number;
  readonly from: Phase;
  /** a policy whose code is put into the Xen first */
  readonly inject?: string;
  /** what the record is held against; else the policy that was put in, or that of the version that ran */
  readonly policy?: string;
  readonly memoryOp?: ReadonlyMap<number, string>;
  /** the host on which Xen is itself a guest's hypervisor; undefined: none */
  readonly nestedOn?: NestedAsked;
  /** pages of a domU that needs no kernel */
  readonly domuPages?: number;
  /** where the trace goes */
  readonly output: string;
}

/** What came of it. */
interface CaptureDone {
  readonly scenario: CaptureScenario;
  readonly cpu: string;
  /** of the model */
  readonly version: string;
  readonly policy: string;
  readonly result: CaptureResult;
  readonly recording: TraceRecording;
  readonly summary: Summary;
  readonly stores: StorePlaces;
  readonly losses: TraceLosses;
  readonly held: Held;
  /** what was put into the Xen */
  readonly injection?: Injection;
  /** what it cost the host, where there was one */
  readonly costs?: HostCosts;
}

/** pCPUs of the emulated machine. */
const PCPUS = 2;

/**
 * Boots, records into the file asked for, and holds the record against the model. Throws an InputError for what cannot be
 * used, an Interrupted after Ctrl-C.
 */
export async function recordCapture(options: CaptureAsked): Promise<CaptureDone> {
  if (!options.nestedOn) return recordInto(options);
  if (isStream(options.output))
    throw new InputError("--nested: the trace is joined with what it cost when it is whole, expected a file");
  const kept: Kept = { folder: temporaryFolder("trace") };
  try {
    return await recordInto(options, kept);
  } finally {
    kept.joined?.abort(); // what is whole is closed
    rmSync(kept.folder, { recursive: true, force: true });
  }
}

/** Of a run with a host: the folder of its record until it is joined with what was counted, and where it goes then. */
interface Kept {
  readonly folder: string;
  joined?: TraceWriter;
}

function scenarioOf({ scenario, nestedOn, domuPages }: CaptureAsked): CaptureScenario {
  const plain = captureScenario(scenario)!;
  return nestedOn ? markedScenario(plain, domuPages) : plain;
}

async function recordInto(options: CaptureAsked, kept?: Kept): Promise<CaptureDone> {
  const { nestedOn } = options;
  const scenario = scenarioOf(options);
  const built = nestedOn && (await interruptible(openNested));
  const recorder = await interruptible((signal) => recorderOf(options, signal));
  const asked = { ...captureOptions(options, scenario, built), ...(recorder === undefined ? {} : { recorder }) };
  // The machine of a host says which CPU it is by MIDR_EL1: one with the erratum, or one without.
  const model = profileOf(asked.cpu);
  const profile = nestedOn ? withWorkaround(model, "repeat-tlbi", nestedOn.erratum) : model;
  const named = options.policy ?? options.inject;
  const told = named === undefined ? undefined : loadPolicy(named);
  if (told) refuseWithout(told, profile);
  const folder = options.inject === undefined ? undefined : temporaryFolder("xen");
  try {
    if (folder === undefined) return await record(options, { what: asked, scenario, told, profile, built }, kept);
    const injection = injectFiles(loadPolicy(options.inject!), profile, asked.xen, asked.xenSyms);
    const what = { ...asked, xen: join(folder, "xen") };
    writeWhole(what.xen, injection.image);
    return await record(options, { what, scenario, told, profile, built, injection }, kept);
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The plugin that records; undefined: QEMU's log does, which comes to the same and takes longer. A QEMU of the user's own may be
 * of an age or a make that takes no plugin.
 */
async function recorderOf(
  { recorder, nestedOn, qemu }: CaptureAsked,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (recorder === "log") return undefined;
  if (recorder === undefined && !nestedOn && (qemu !== undefined || !findStack())) return undefined;
  return (await build(stackParts(), signal)).record;
}

/** What is decided before the machine boots. */
interface Prepared {
  readonly what: CaptureOptions;
  readonly scenario: CaptureScenario;
  readonly told: Policy | undefined;
  readonly profile: CpuProfile;
  readonly built: Built | undefined;
  readonly injection?: Injection;
}

async function record(
  options: CaptureAsked,
  { what, scenario, told, profile, built, injection }: Prepared,
  kept?: Kept,
): Promise<CaptureDone> {
  const { nestedOn } = options;
  const xen = openXen(what, injection?.parts);
  const { stores, unknown } = xen.sites;
  const nested = nestedOn && nestedRun(nestedOn, built!, xen);
  const meter = new CaptureMeter();
  const losses = new Losses();
  const holding = new Holding();
  const operands = injection && new OperandsHeld();
  const made = incomplete(producer(options, what), [
    ...unknown,
    ...(typeof xen.frameTable === "string" ? [xen.frameTable] : []),
  ]);
  // What cannot be written is refused before the run.
  if (kept) kept.joined = await writeTrace(options.output, made);
  const recorded = kept ? join(kept.folder, "trace.parquet") : options.output;
  const open = (): Promise<TraceWriter> => writeTrace(recorded, made);
  // Opening a pipe waits for its reader, and no signal is heard meanwhile.
  const opened = isStream(options.output) ? await open() : undefined;
  const { result, recording } = await interruptible(async (signal) => {
    const trace = opened ?? (await open());
    try {
      const part = new FromPhase(options.from, trace);
      const done = await capture(
        what,
        xen,
        [part, ...holding.sinks, losses, ...(operands ? [operands] : [])],
        signal,
        (now) => meter.update(now),
        nested?.platform,
      );
      const own = options.xen !== undefined;
      const { packages } = findDistribution(options.debian)!;
      operands?.finish();
      const about = recordingOf(what, done, holding.facts, {
        ...{ own, from: options.from, packages, cpu: profile },
        ...(injection && operands
          ? {
              injected: {
                policy: injection.policy,
                occasions: [...injection.occasions],
                operands: operands.operands,
              },
            }
          : {}),
      });
      trace.describe(about);
      trace.close();
      return { result: { ...done, events: part.passed }, recording: about };
    } catch (error) {
      trace.abort();
      throw error;
    } finally {
      meter.stop();
    }
  });
  if (operands && operands.wrong > 0)
    throw new InputError(
      `${options.output}: the code put in was not told the pages that went (${operands.wrong} times): ${operands.first}`,
    );
  const summary = holding.summing.summary();
  const version = hypervisor().nearestVersion(result.banner);
  const policy = told ?? loadPolicy(version.policy);
  const held = holding.held(
    policy,
    policyNames().map(loadPolicy),
    recording,
    // What was put in was made for the profile.
    injection ? profile : withWorkaround(profile, "repeat-tlbi", result.repeatsTlbis),
  );
  const costs = nested && (await joinCounts(recorded, kept!.joined!, nested.counted(), nestedOn));
  const notKnown = [...result.unknown, ...unknownVersion(result.banner)];
  return {
    scenario,
    cpu: what.cpu,
    version: version.name,
    policy: policy.name,
    result: { ...result, unknown: notKnown },
    recording,
    summary,
    stores,
    losses: losses.losses(),
    held,
    ...(injection ? { injection } : {}),
    ...(costs ? { costs } : {}),
  };
}

/** Everything that the run needs, from the options and from what the set-up fetched. */
function captureOptions(options: CaptureAsked, scenario: CaptureScenario, built?: Built): CaptureOptions {
  const debian = findDistribution(options.debian);
  if (!debian) {
    const base = findDistribution() !== undefined;
    throw new InputError(
      `nothing ${base ? `of Debian ${options.debian} ` : ""}to boot in ${cacheFolder()}: run 'shootdown capture --setup${options.debian === BASE ? "" : ` --debian ${options.debian}`}' first (it fetches Debian's ${base ? "Xen and toolstack" : "QEMU, Xen, toolstack and kernel"})`,
    );
  }
  return {
    qemu: options.qemu === undefined ? debian.qemu : [options.qemu],
    ...xenFiles(options, debian),
    root: debian.root,
    toolstack: [...(options.toolstack === undefined ? [] : [resolve(options.toolstack)]), debian.toolstack],
    dom0Modules: options.dom0Module,
    dom0Kernel: options.dom0Kernel ?? debian.kernel,
    scenario,
    domu: domuOf(options),
    domuKernel: options.domuKernel ?? debian.kernel,
    ...(built ? { mark: readInput(built.mark) } : {}),
    ...(built && options.domuPages !== undefined
      ? { domuImage: idleImage(readInput(built.idle), options.domuPages) }
      : {}),
    domuRamdisk:
      options.domuRamdisk === undefined ? domuRamdisk(debian.root, scenario) : readInput(options.domuRamdisk),
    ownDomu: options.domuKernel !== undefined || options.domuRamdisk !== undefined,
    dom0Vcpus: options.dom0Vcpus ?? scenario.dom0Vcpus,
    cpu: options.nestedOn ? stackCpu(options.nestedOn) : options.cpu,
    pcpus: options.nestedOn ? 1 : (scenario.pcpus ?? PCPUS),
    from: options.from,
    memoryOps: options.memoryOp ?? new Map(),
    timeout: options.timeout,
    consoleLog: options.output === "-" ? undefined : options.output.replace(/(\.\w+)?$/, ".console.log"),
  };
}

/** MiB that a domU of so many pages has: a small one, or the report's. */
const SMALL_DOMU = { memoryMib: 16, pages: 3000 } as const;

function domuOf({ memory, vcpus, domuPages }: CaptureAsked): CaptureOptions["domu"] {
  if (domuPages === undefined) return { memoryMib: memory, vcpus };
  return { memoryMib: domuPages <= SMALL_DOMU.pages ? SMALL_DOMU.memoryMib : memory, vcpus, pages: domuPages };
}

/** True when a Xen is Debian's own, perhaps patched in place: then Debian's symbols are its own. */
function isBuildOf(xen: string, xenSyms: string): boolean {
  try {
    openXenSyms(xen, xenSyms);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

function xenFiles(options: CaptureAsked, debian: Distribution): { xen: string; xenSyms: string } {
  if (options.xen === undefined) {
    if (options.xenSyms !== undefined)
      throw new InputError("--xen-syms goes with --xen: name the Xen that it belongs to");
    return { xen: debian.xen, xenSyms: debian.xenSyms };
  }
  const beside = join(dirname(options.xen), "xen-syms");
  const xenSyms =
    options.xenSyms ??
    (existsSync(beside) ? beside : isBuildOf(options.xen, debian.xenSyms) ? debian.xenSyms : undefined);
  if (xenSyms === undefined)
    throw new InputError(
      `${options.xen}: no xen-syms beside it; name it with --xen-syms (the build of Xen makes both in its folder xen/)`,
    );
  return { xen: options.xen, xenSyms };
}

/** What is to be said where no version of the model is the Xen that ran: nothing else is as good a guess as its neighbour. */
function unknownVersion(banner: string): string[] {
  if (hypervisor().versionOfBanner(banner)) return [];
  const build = /^\S+(?: \([^)]*\))?/.exec(banner)?.[0] ?? "a Xen that prints no version";
  return [
    `what its page allocator flushes: the model has no version ${build}, and is held against it as ${hypervisor().nearestVersion(banner).title}`,
  ];
}

const vcpus = (n: number): string => (n === 1 ? "1 vCPU" : `${n} vCPUs`);

/** The host in options of the command; "" without one. */
const nestedWords = ({ nestedOn: on }: CaptureAsked): string =>
  on ? `--nested --pa-bits ${on.paBits} --host-pages ${on.hostPages}${on.erratum ? " --erratum on" : ""} ` : "";

/** What the trace says about how it was made. */
function producer(options: CaptureAsked, { scenario, cpu, dom0Vcpus, domu }: CaptureOptions): string {
  const own =
    options.xen === undefined
      ? findDistribution(options.debian)!.packages.find((name) => /^xen-hypervisor-[\d.]+-arm64 /.test(name))!
      : basename(options.xen);
  const dom0 = [
    ...(options.toolstack === undefined ? [] : [`toolstack ${basename(options.toolstack)}`]),
    ...options.dom0Module.map((file) => basename(file)),
  ];
  const injected = options.inject === undefined ? "" : ` with policy ${basename(options.inject, ".toml")} put in`;
  return `shootdown capture ${nestedWords(options)}${options.domuPages === undefined ? `--scenario ${scenario.name}` : `--domu-pages ${options.domuPages}`}: ${own}${injected}, CPU ${cpu}, dom0 with ${[vcpus(dom0Vcpus), ...dom0].join(", ")}, domU of ${domu.memoryMib} MiB with ${vcpus(domu.vcpus)}`;
}
