/** A recorded trace held against policies: its figures beside the model's, and its flushes instruction by instruction. */
import { type CpuProfile, withWorkaround } from "../arch/index.js";
import { builtInCpu, cpuNames } from "../builtin/index.js";
import { hypervisor, type RecordedRow } from "../hypervisor/index.js";
import { InputError } from "../input/index.js";
import { lacking, missingFeature, type Policy } from "../policy/index.js";
import { Summing, type TraceRecording, type TraceSink } from "../trace/index.js";
import { type Blind, type Executed, executedPolicies, SEES_ALL, SEES_SITES } from "./executed.js";
import { Flushes } from "./flushes.js";

/** What came of it. */
export interface Held {
  /** the figures; undefined: the trace does not say what the model must be told */
  readonly rows: readonly RecordedRow[] | undefined;
  readonly executed: Executed;
  readonly recording: TraceRecording | undefined;
}

/** What of a machine nobody knows. */
const EVERYTHING = "arch-maximal";

/** The profile of a CPU in QEMU's words; what has no profile of its own is taken for a CPU with every feature. */
export function profileOf(model: string): CpuProfile {
  const name = model.split(",")[0]!;
  return builtInCpu(cpuNames().includes(name) ? name : EVERYTHING);
}

/** The CPU on which a trace was made, or the one asked for. Throws an InputError for one that is not built in. */
export function cpuOfTrace(recording: TraceRecording | undefined, asked: CpuProfile | undefined): CpuProfile {
  if (asked !== undefined) return asked;
  const of = recording?.cpu;
  const name = of?.profile ?? EVERYTHING;
  if (!cpuNames().includes(name)) throw new InputError(`the trace is of an unknown CPU '${name}': name one with --cpu`);
  return of === undefined ? builtInCpu(name) : withWorkaround(builtInCpu(name), "repeat-tlbi", of.repeatTlbi);
}

/** Throws an InputError for a policy that cannot be on a CPU, before the work. */
export function refuseWithout(policy: Policy, cpu: CpuProfile): void {
  const missing = missingFeature(policy, cpu);
  if (missing !== undefined)
    throw new InputError(`policy ${policy.name} requires ${missing}, ${lacking(missing, cpu)}`);
}

/** Sinks for a trace that is to be held against policies. */
export class Holding {
  readonly summing = new Summing();
  /** who holds its records against itself: the only one that is recorded */
  private readonly model = hypervisor();
  readonly facts = this.model.recordFacts();
  private readonly flushes = new Flushes();
  readonly sinks: readonly TraceSink[] = [this.summing, this.facts, this.flushes];

  /** To be called at the end of the trace; `known`: the policies whose sequences may be those that were executed. */
  held(policy: Policy, known: readonly Policy[], recording: TraceRecording | undefined, cpu: CpuProfile): Held {
    this.flushes.finish();
    const policies = [policy, ...known.filter(({ name }) => name !== policy.name)];
    const executed = executedPolicies(this.flushes, policies, cpu, blindOf(recording), [policy.name]);
    const rows = this.model.recordedRows(this.summing.summary(), recording, this.facts, policy, cpu);
    return { rows, executed, recording };
  }
}

/** What of the barriers a trace has. */
export function blindOf(recording: TraceRecording | undefined): Blind {
  if (recording?.source === "simulation") return SEES_ALL;
  const list = recording?.blind;
  if (list === undefined) return SEES_SITES;
  const known = new Set(list.map((site) => site.join(" ")));
  return (functionName, instruction) => known.has(`${functionName} ${instruction}`);
}
