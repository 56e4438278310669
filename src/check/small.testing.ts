/** A small scenario for tests of the checker: dom0 and a domU of three vCPUs on two pCPUs, made, run and destroyed twice. */
import type { CpuProfile } from "../arch/index.js";
import type { Policy } from "../policy/index.js";
import type { TraceSink } from "../trace/index.js";
import { parseScenario, simulate } from "../xen/index.js";

const SMALL = parseScenario(
  `
name = "small"
title = "a small domU, twice"
source = "for tests"
lives = 2
destroy = true
[machine]
pcpus = 2
ram-mib = 64
ipa-bits = 40
[dom0]
memory-mib = 8
working-set = 4
[toolstack]
magic-pages = 2
grant-frames = 1
[[domu]]
memory-mib = 8
vcpus = 3
linux = true
working-set = 4
shared-set = 2
segment = [{ name = "kernel", gfn = 0x40000, pages = 6 }, { name = "ramdisk", gfn = 0x40200, pages = 5 }]
[run]
time-us = 100000
slice-us = 10000
`,
  "small.toml",
);

/** The scenario's trace under a policy. */
export const simulateSmall = (policy: Policy, cpu: CpuProfile, sink: TraceSink): void =>
  void simulate(SMALL, cpu, [{ policy, sinks: [sink] }]);
