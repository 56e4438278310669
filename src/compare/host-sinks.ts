/** Who counts a trace: sinks for hosts, the same simulation of shadow tables for all that it serves. */
import { accountOf, BareMetal, type Counts, type Host, KvmNested } from "../host/index.js";
import type { TraceSink } from "../trace/index.js";

/** A trace's counts on one host at one IPA size. */
export interface HostCounts {
  readonly host: Host;
  readonly ipaBits: number;
  readonly counts: Counts;
}

/**
 * Sinks for several hosts at several IPA sizes: hosts whose shadow tables evolve alike share one simulation of them.
 * `vcpus`: pCPUs of the trace, which are the vCPUs of the guest hypervisor.
 */
export function hostSinks(
  hosts: readonly Host[],
  ipaBits: readonly number[],
  vcpus: number,
): { sinks: TraceSink[]; counts: () => HostCounts[] } {
  const bare = hosts.some((host) => host.kvm === undefined) ? new BareMetal() : undefined;
  const nested = new Map<string, KvmNested>();
  const shapeOf = (host: Host): string => `${host.kvm!.granuleBits} ${host.kvm!.backingLevel}`;
  for (const host of hosts)
    if (host.kvm !== undefined) {
      for (const bits of ipaBits) accountOf(host, bits); // refuses what the host cannot have, before the work
      if (!nested.has(shapeOf(host))) nested.set(shapeOf(host), new KvmNested(host.kvm, ipaBits, vcpus));
    }
  return {
    sinks: [...(bare ? [bare] : []), ...nested.values()],
    counts: () =>
      hosts.flatMap((host) =>
        ipaBits.map((bits) => ({
          host,
          ipaBits: bits,
          counts: host.kvm === undefined ? bare!.counts() : nested.get(shapeOf(host))!.counts(accountOf(host, bits)),
        })),
      ),
  };
}
