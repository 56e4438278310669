/** A small life of a domain, for tests that look at every flush of it. */
import { parseScenario } from "../xen/index.js";

/** `whole`: with removals of pages whose VAs nobody tells Xen. */
export const scenarioOf = (whole: boolean) =>
  parseScenario(
    `name = "small"
title = "t"
source = "s"
destroy = ${whole}
[machine]
pcpus = 2
ram-mib = 64
[dom0]
memory-mib = 16
working-set = 2
[toolstack]
preempt-after = 4
magic-pages = ${whole ? 2 : 0}
[[domu]]
memory-mib = 4
vcpus = 3
working-set = 4
shared-set = 2
[[domu.segment]]
name = "kernel"
gfn = 0x40000
pages = 9
[run]
time-us = 60000
`,
    "small.toml",
  );
