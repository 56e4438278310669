/** A scenario under a policy, simulated into a trace. */

import { setImmediate } from "node:timers/promises";
import type { CpuProfile } from "../arch/index.js";
import { hypervisorOf, type Scenario } from "../hypervisor/index.js";
import type { Policy } from "../policy/index.js";
import { writeTrace } from "../trace/file.js";
import type { TraceSink } from "../trace/index.js";
import { interruptibleInto, Progress } from "./progress.js";

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
  return interruptibleInto(output, async (signal) => {
    const producer = `shootdown simulate ${scenario.name} --policy ${policy.name} --cpu ${cpu.name}`;
    const trace = await writeTrace(output, producer);
    const progress = new Progress("events");
    try {
      const steps = hypervisorOf(scenario).simulation(scenario, cpu, [{ policy, sinks: [trace, ...sinks] }]);
      let step = steps.next();
      for (; !step.done; step = steps.next()) {
        await setImmediate();
        signal.throwIfAborted();
        progress.update(step.value, 0);
      }
      const repeatTlbi = cpu.errata.has("repeat-tlbi");
      trace.describe({ source: "simulation", cpu: { profile: cpu.name, repeatTlbi }, scenario: scenario.name });
      trace.close();
      return step.value.events[0]!;
    } catch (error) {
      trace.abort();
      throw error;
    } finally {
      progress.stop();
    }
  });
}
