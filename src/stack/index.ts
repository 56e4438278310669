/** The real KVM as a host, on an emulated machine: Linux boots with a guest hypervisor in it, and what it does for it is counted. */
export { type Built, build } from "./build.js";
export { opsNamed, STATES } from "./cells.js";
export { countedItems, missingOf, type Span, spansOf } from "./counts.js";
export { Joined } from "./join.js";
export { CPUS, type Cpu, defaultCpu, PA_BITS } from "./machine.js";
export { nestedPlatform } from "./nested.js";
export { hostOn } from "./predict.js";
export { predictingHost, stackHost } from "./predicting-host.js";
export { type Count, kernelOf, type ProbeOptions, probe } from "./probe.js";
export { ELEMENTARY, type Elementary } from "./probe-script.js";
export { looksLikeProbe, type ProbeCell, type ProbeResult, parseProbe, probeResult, probeSingles } from "./result.js";
export { findStack, PAGE_SIZES, type PageSize, planStack, stackParts } from "./setup.js";
