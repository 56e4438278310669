/** The hypervisors whose work is simulated: a folder each, and a row here. */

import * as v from "valibot";
import { parseToml } from "../input/index.js";
import { XEN } from "../xen/index.js";
import type { Hypervisor, Scenario } from "./hypervisor.js";

export type { RecordedRow, RecordFacts, Scenario } from "./hypervisor.js";
export { type OccasionCase, recordOccasion } from "./occasion.js";

/** The first is meant where a scenario, or a trace, does not say. */
const HYPERVISORS: readonly [Hypervisor, ...Hypervisor[]] = [XEN];

/** The hypervisor of that name, or the first; a RangeError where there is none, which no scenario that was read can have. */
export function hypervisor(name = HYPERVISORS[0].name): Hypervisor {
  const found = HYPERVISORS.find((one) => one.name === name);
  if (!found) throw new RangeError(`no hypervisor is named '${name}'`);
  return found;
}

/** The hypervisor of a scenario. */
export const hypervisorOf = (scenario: Pick<Scenario, "hypervisor">): Hypervisor => hypervisor(scenario.hypervisor);

/** Tells whose a scenario file is; what it must have is that hypervisor's to say. */
const ofWhom = v.looseObject({ hypervisor: v.optional(v.picklist(HYPERVISORS.map(({ name }) => name))) });

/** Reads a scenario file; throws an InputError with file, line, key and what was expected. */
export function parseScenario(toml: string, file: string): Scenario {
  return hypervisorOf(parseToml(toml, file, ofWhom).value).parseScenario(toml, file);
}
