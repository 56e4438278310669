/** One piece of a comparison: a scenario under a policy on a CPU, simulated once and priced on every host of that CPU. */
import type { CpuProfile } from "../arch/index.js";
import { accountOf, BareMetal, type Counts, type Host, KvmNested, price } from "../host/index.js";
import { type Occasion, type Policy, policyOn, usesBatch } from "../policy/index.js";
import type { TraceSink } from "../trace/index.js";
import { type Scenario, simulate } from "../xen/index.js";
import type { CompareRow } from "./result.js";

/** What is simulated. All of it is plain data, so that a worker may get it as a message. */
export interface Job {
  readonly scenario: Scenario;
  readonly policy: Policy;
  readonly cpu: CpuProfile;
  /** hosts whose CPU this is */
  readonly hosts: readonly Host[];
  readonly ipaBits: readonly number[];
}

export interface JobResult {
  readonly rows: readonly CompareRow[];
  /** events of the trace, from the end of the boot on */
  readonly events: number;
  /** occasions that came up: the rows are the same for every policy that agrees on these; see {@link sameTrace} */
  readonly occasions: readonly Occasion[];
}

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

/** Does a job. Throws an InputError when the scenario does not fit the machine or a host. */
export function runJob({ scenario, policy, cpu, hosts, ipaBits }: Job): JobResult {
  const { sinks, counts } = hostSinks(hosts, ipaBits, scenario.machine.pcpus);
  const { events, occasions } = simulate(scenario, policy, cpu, sinks, { boot: false });
  const rows = counts().map(({ host, ipaBits: bits, counts: of }) => ({
    scenario: scenario.name,
    policy: policy.name,
    host: host.name,
    ipaBits: bits,
    ...price(of, host),
    tlbi: of.tlbi,
    hardwareTlbi: of.hardwareTlbi,
    hypercalls: of.hypercalls,
    leavesDropped: of.leavesDropped,
    refaults: of.refaults,
  }));
  return { rows, events, occasions };
}

/** What of a policy decides a trace on which only these occasions came up; equal keys give equal traces. */
function traceKey(policy: Policy, cpu: CpuProfile, occasions: readonly Occasion[]): string {
  const { code } = policyOn(policy, cpu);
  return JSON.stringify([
    policy.due,
    policy.vmidPer,
    usesBatch(policy),
    ...occasions.map((o) => [o, withoutLines(code[o])]),
  ]);
}

/** The code without the lines that it stood on. */
function withoutLines(program: unknown): unknown {
  return JSON.parse(JSON.stringify(program, (key, value) => (key === "line" ? undefined : value)));
}

/** True when a policy gives, on this CPU, the very trace that another one gave on which these occasions came up. */
export function sameTrace(done: Policy, occasions: readonly Occasion[], other: Policy, cpu: CpuProfile): boolean {
  return traceKey(done, cpu, occasions) === traceKey(other, cpu, occasions);
}
