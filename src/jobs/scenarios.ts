/** The scenario that an occasion is priced in, where nobody names one. */
import { loadScenario, scenarioNames } from "../catalog/index.js";
import { hypervisorOf, type Scenario } from "../hypervisor/index.js";
import type { Occasion } from "../policy/index.js";

/** Scenarios that are about little else than their occasion, and quick to simulate; behind them all others. */
const FIRST = ["disk-grants", "vcpu-switch", "create-domu-2m", "destroy-domu", "log-dirty"];

/** Of occasions that come up in all of those, but not in what is priced of them: a scenario in whose price they are. */
const ABOUT: Partial<Record<Occasion, string>> = { split: "log-dirty", "vmid-assigned": "destroy-domu" };

/** The first built-in scenario in which an occasion comes up, of those that are about it if there is one; undefined: none. */
export function scenarioOf(occasion: Occasion): Scenario | undefined {
  const first = [ABOUT[occasion] ?? [], FIRST].flat();
  const names = [...first, ...scenarioNames().filter((name) => !first.includes(name))];
  for (const name of names) {
    const scenario = loadScenario(name);
    if (hypervisorOf(scenario).possibleOccasions(scenario).includes(occasion)) return scenario;
  }
  return undefined;
}
