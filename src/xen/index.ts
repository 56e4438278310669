/** Xen's stage 2 as a source of traces: hypercalls, p2m, heap, domains, toolstack, scheduler. */
export { XEN } from "./hypervisor.js";
export type { RecordedRow } from "./recorded.js";
export { parseScenario, type Scenario } from "./scenario.js";
export { simulate } from "./simulate.js";
