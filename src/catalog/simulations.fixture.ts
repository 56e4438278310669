/** A scenario under a policy, added up, for tests. */
import type { CpuProfile } from "../arch/index.js";
import { hypervisorOf, type Scenario } from "../hypervisor/index.js";
import type { Policy } from "../policy/index.js";
import { type Summary, Summing } from "../trace/index.js";

/** What `shootdown show` would say of the trace. */
export function summaryOf(scenario: Scenario, policy: Policy, cpu: CpuProfile): Summary {
  const sink = new Summing();
  hypervisorOf(scenario).simulate(scenario, cpu, [{ policy, sinks: [sink] }]);
  return sink.summary();
}
