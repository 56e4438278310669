/** The real KVM as a host, on an emulated machine: Linux boots with a guest hypervisor in it, and what it does for it is counted. */
export { opsNamed, STATES } from "./cells.js";
export { CPUS, type Cpu, defaultCpu, type HostMachine, PA_BITS } from "./machine.js";
export { type CellCount, type Count, type ProbeCounts, type ProbeOptions, probe } from "./probe.js";
export { ELEMENTARY, type Elementary } from "./probe-script.js";
export { looksLikeProbe, type ProbeCell, type ProbeResult, parseProbe, probeResult, probeSingles } from "./result.js";
export { findStack, PAGE_SIZES, type PageSize, planStack } from "./setup.js";
