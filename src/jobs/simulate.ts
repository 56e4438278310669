/** A scenario under a policy, simulated into a trace. */

import { setImmediate } from "node:timers/promises";
import { type CpuProfile, needs } from "../arch/index.js";
import type { PhasePrices, TraceSide } from "../compare/index.js";
import { hypervisorOf, type Scenario } from "../hypervisor/index.js";
import type { Policy } from "../policy/index.js";
import { traceDigest, writeTrace } from "../trace/file.js";
import { Summing, type TraceRecording, type TraceSink } from "../trace/index.js";
import { interruptible, interruptibleInto, Progress } from "./progress.js";

/** What to simulate. */
interface Simulated {
  readonly scenario: Scenario;
  readonly policy: Policy;
  readonly cpu: CpuProfile;
}

const producerOf = ({ scenario, policy, cpu }: Simulated): string =>
  `shootdown simulate ${scenario.name} --policy ${policy.name} --cpu ${cpu.name}`;

const recordingOf = ({ scenario, cpu }: Simulated): TraceRecording => ({
  source: "simulation",
  cpu: { profile: cpu.name, repeatTlbi: needs(cpu, "repeat-tlbi") },
  scenario: scenario.name,
});

/** Simulates into sinks; resolves with the number of events. */
async function simulated(
  { scenario, policy, cpu }: Simulated,
  sinks: readonly TraceSink[],
  signal: AbortSignal,
): Promise<number> {
  const progress = new Progress("events");
  try {
    const steps = hypervisorOf(scenario).simulation(scenario, cpu, [{ policy, sinks }]);
    let step = steps.next();
    for (; !step.done; step = steps.next()) {
      await setImmediate();
      signal.throwIfAborted();
      progress.update(step.value, 0);
    }
    return step.value.events[0]!;
  } finally {
    progress.stop();
  }
}

/**
 * Writes the trace to a file ("-": NDJSON on standard output), and to `sinks`; resolves with its number of events. Throws an
 * Interrupted after Ctrl-C; then no file is left.
 */
export function simulateInto(
  output: string,
  scenario: Scenario,
  policy: Policy,
  cpu: CpuProfile,
  sinks: readonly TraceSink[],
): Promise<number> {
  const what = { scenario, policy, cpu };
  return interruptibleInto(output, async (signal) => {
    const trace = await writeTrace(output, producerOf(what));
    try {
      const events = await simulated(what, [trace, ...sinks], signal);
      trace.describe(recordingOf(what));
      trace.close();
      return events;
    } catch (error) {
      trace.abort();
      throw error;
    }
  });
}

/** The trace of a scenario under a policy, to be compared with another; it bears the policy's name. */
export async function simulateSide(
  scenario: Scenario,
  policy: Policy,
  cpu: CpuProfile,
  prices: PhasePrices,
): Promise<TraceSide> {
  const what = { scenario, policy, cpu };
  const [summing, digest] = [new Summing(), traceDigest()];
  await interruptible((signal) => simulated(what, [summing, digest, prices], signal));
  return {
    trace: policy.name,
    producer: producerOf(what),
    integrity: "checked",
    warnings: [],
    recording: recordingOf(what),
    summary: summing.summary(),
    digest: digest.digest(),
    prices,
    hostWork: [],
  };
}
