/** Who counts a trace: sinks for hosts, the same simulation of shadow tables for all that it serves. */
import { accountOf, BareMetal, type Counts, type Host, isNested, KvmNested } from "../host/index.js";
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
  const bare = hosts.some((host) => !isNested(host)) ? new BareMetal() : undefined;
  const nested = new Map<string, KvmNested>();
  const shapeOf = (host: Host): string => `${host.kvm!.granuleBits} ${host.kvm!.backingLevel}`;
  for (const host of hosts)
    if (isNested(host)) {
      for (const bits of ipaBits) accountOf(host, bits); // refuses what the host cannot have, before the work
      if (!nested.has(shapeOf(host))) nested.set(shapeOf(host), new KvmNested(host.kvm, ipaBits, vcpus, ran));
    }
  return {
    sinks: [...(bare ? [bare] : []), ...nested.values()],
    vmidsRun: () => [...nested.values()][0]?.vmidsRun() ?? [],
    counts: () =>
      hosts.flatMap((host) =>
        ipaBits.map((bits) => ({
          host,
          ipaBits: bits,
          counts: isNested(host) ? nested.get(shapeOf(host))!.counts(accountOf(host, bits)) : bare!.counts(),
        })),
      ),
  };
}
