/** Xen's stage 2 as a source of traces: hypercalls, p2m, heap, domains, toolstack, scheduler. */
export { frameOf } from "./machine.js";
export { REPLAYED, type Replayed, replay, SCRUB, type Switch } from "./replay.js";
export { parseScenario, type Scenario } from "./scenario.js";
export { possibleOccasions, simulate, simulation } from "./simulate.js";
export { nearestVersion, versionOfBanner, type XenVersion } from "./versions.js";
