/** Who counts a trace: sinks for hosts, the same one for all that it serves. */
import { type Counts, type Host, type HostSink, modelOf } from "../host/index.js";
import type { TraceSink } from "../trace/index.js";

/** A trace's counts on one host at one IPA size. */
export interface HostCounts {
  readonly host: Host;
  readonly ipaBits: number;
  readonly counts: Counts;
}

/**
 * Sinks for several hosts at several IPA sizes: hosts whose shadow tables evolve alike share one simulation of them.
 * `vcpus`: pCPUs of the trace, which are the vCPUs of the guest hypervisor; `ran`: VMIDs whose guests have run before it.
 * `vmidsRun` tells those under which one has run so far.
 */
export function hostSinks(
  hosts: readonly Host[],
  ipaBits: readonly number[],
  vcpus: number,
  ran: readonly number[] = [],
): { sinks: TraceSink[]; counts: () => HostCounts[]; vmidsRun: () => number[] } {
  const sinks = new Map<string, HostSink>();
  const shapeOf = (host: Host): string => `${host.kind} ${modelOf(host).shape(host)}`;
  for (const host of hosts) {
    const model = modelOf(host);
    for (const bits of ipaBits) model.refuseIpaBits(host, bits); // before the work
    if (!sinks.has(shapeOf(host))) sinks.set(shapeOf(host), model.sink(host, ipaBits, vcpus, ran));
  }
  const served = hosts.map((host) => ({ host, sink: sinks.get(shapeOf(host))! }));
  return {
    sinks: [...sinks.values()],
    vmidsRun: () => [...sinks.values()].map((sink) => sink.vmidsRun()).find((vmids) => vmids.length > 0) ?? [],
    counts: () =>
      served.flatMap(({ host, sink }) =>
        ipaBits.map((bits) => ({ host, ipaBits: bits, counts: sink.counts(host, bits) })),
      ),
  };
}
