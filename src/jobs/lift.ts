/** Traces on trial for `prove`: what they executed is lifted as policies, and each is put to the proof. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { CpuProfile } from "../arch/index.js";
import { namesPolicy, traceNames } from "../catalog/index.js";
import { type Lifted, Lifting, policyName } from "../compare/index.js";
import { writeWhole } from "../files/index.js";
import { InputError } from "../input/index.js";
import { type Policy, withoutCode } from "../policy/index.js";
import { type Limits, PROVED, type ProvedOccasion, type Question, type Setting, type SignOff } from "../prove/index.js";
import type { TraceInfo } from "../trace/index.js";
import { makeFolder } from "./convert.js";
import { proveInThreads } from "./decide.js";
import { interruptible } from "./progress.js";
import { occasionsOf, questionsOf } from "./questions.js";
import { readWithProgress } from "./read.js";

/** What was lifted from a trace, and how the trace was read. */
export interface LiftedTrace extends Lifted {
  readonly info: TraceInfo;
  readonly warnings: readonly string[];
}

/** True when the user means a trace, where a policy could be meant as well. */
export const namesTrace = (name: string): boolean =>
  !namesPolicy(name) && (/\.(parquet|ndjson)$/i.test(name) || traceNames().includes(name) || existsSync(name));

/** Reads traces one after the other, and lifts what each executed. */
async function liftTraces(traces: readonly string[], partial: boolean): Promise<LiftedTrace[]> {
  const all: LiftedTrace[] = [];
  for (const trace of traces) {
    const lifting = new Lifting();
    const { info, warnings } = await readWithProgress(trace, lifting.sinks, { partial });
    const name = policyName(trace === "-" ? "stdin" : basename(trace));
    if (all.some(({ policies }) => policies.some((policy) => policy.name === name)))
      throw new InputError(`two traces would give the policy ${name}: expected traces of different names`);
    all.push({ ...lifting.lifted(trace, name, info.recording), info, warnings });
  }
  return all;
}

const NOT_SEEN = "as recorded it is unsound, with barriers where the capture may have missed some it is not";

/** Asks about the policies and decides; what hangs on barriers that a capture may have missed is unknown. */
async function proveLifted(
  lifted: readonly Lifted[],
  ask: (policies: readonly Policy[]) => Question[],
  limits: Limits,
  signal: AbortSignal,
): Promise<{ readonly policies: readonly Policy[]; readonly results: readonly SignOff[] }> {
  const policies = lifted.flatMap((one) => one.policies.map(({ policy }) => policy));
  const { results } = await proveInThreads(() => ask(policies), limits, signal);
  const bad = new Set(results.filter(({ verdict }) => verdict === "unsound").map(({ policy }) => policy));
  const filled = lifted
    .flatMap((one) => (one.filled ?? []).map(({ policy }) => policy))
    .filter(({ name }) => bad.has(name));
  if (filled.length === 0) return { policies, results };
  const then = (await proveInThreads(() => ask(filled), limits, signal)).results;
  return { policies, results: results.map((result) => withoutDoubt(result, then)) };
}

function withoutDoubt(result: SignOff, filled: readonly SignOff[]): SignOff {
  if (result.verdict !== "unsound") return result;
  const { policy, occasion, cpu, scenarios, timelines, states, milliseconds, scenario } = result;
  const other = filled.find((one) => one.policy === policy && one.occasion === occasion && one.cpu === cpu);
  if (other === undefined || other.verdict === "unsound") return result;
  const reason = `${scenario!.name}: ${NOT_SEEN}`;
  return { policy, occasion, cpu, scenarios, timelines, states, milliseconds, verdict: "unknown", reason };
}

/** Writes the policies as files that commands take. */
function saveLifted(lifted: readonly Lifted[], folder: string): void {
  makeFolder(folder);
  for (const { policies } of lifted)
    for (const { name, text } of policies) writeWhole(join(folder, `${name}.toml`), text);
}

interface Asked {
  readonly cpus: readonly CpuProfile[];
  /** occasions by their names */
  readonly occasion?: readonly string[];
  readonly setting: Setting;
  readonly limits: Limits;
  readonly partial?: boolean;
  /** where the policies are written */
  readonly save?: string;
}

/** Lifts what traces executed, and puts it to the proof. */
export async function proveTraces(names: readonly string[], asked: Asked): Promise<Proved> {
  const other = names.find((name) => !namesTrace(name));
  if (other !== undefined) throw new InputError(`traces and policies are proved apart: ${other} is no trace`);
  const occasions = occasionsOf(asked.occasion);
  const lifted = await liftTraces(names, asked.partial === true);
  if (asked.save !== undefined) saveLifted(lifted, asked.save);
  const wanted = asked.occasion === undefined ? occasions.filter((one) => isOfInterest(one, lifted)) : occasions;
  const { cpus, setting, limits } = asked;
  const ask = (policies: readonly Policy[]): Question[] => questionsOf(policies, cpus, wanted, setting);
  return { lifted, ...(await interruptible((signal) => proveLifted(lifted, ask, limits, signal))) };
}

interface Proved {
  readonly lifted: readonly LiftedTrace[];
  readonly policies: readonly Policy[];
  readonly results: readonly SignOff[];
}

/** Occasions that every policy has code for, and those that the traces come to; of the others nothing is known but that. */
function isOfInterest(proved: ProvedOccasion, lifted: readonly Lifted[]): boolean {
  const { of } = PROVED[proved];
  const isSeen = lifted.some(({ sequences }) => sequences.some(({ occasion }) => occasion === of));
  return isSeen || of === "batch-end" || withoutCode(of) === undefined;
}
