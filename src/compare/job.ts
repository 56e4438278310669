/** One piece of a comparison: a scenario under a few policies on a CPU, simulated once and priced on every host of that CPU. */
import type { CpuProfile } from "../arch/index.js";
import { addCounts, type Counts, type Host, price } from "../host/index.js";
import { hypervisorOf, type Scenario } from "../hypervisor/index.js";
import { Case, type Policy, policyOn, type Sequence, unroll, withoutCode } from "../policy/index.js";
import { type HostCounts, hostSinks } from "./host-sinks.js";
import { PhasePrices } from "./phases.js";
import type { CompareRow } from "./result.js";

/** What is simulated. All of it is plain data, so that a worker may get it as a message. */
export interface Job {
  readonly scenario: Scenario;
  /** policies of one frame (see Hypervisor.frameOf): simulated together */
  readonly policies: readonly Policy[];
  readonly cpu: CpuProfile;
  /** hosts whose CPU this is */
  readonly hosts: readonly Host[];
  readonly ipaBits: readonly number[];
}

/** What hosts did for a policy. Plain data too, and JSON. */
export interface Counted {
  /** events of the trace that the hosts look at, from the end of the boot on */
  readonly events: number;
  /** of each host of the job, in their order, at each IPA size */
  readonly counts: readonly Counts[];
}

/** The same with its prices. */
export interface PolicyResult {
  readonly rows: readonly CompareRow[];
  readonly events: number;
}

/** Does a job: one of each policy. Throws an InputError when the scenario does not fit the machine or a host. */
export function countJob({ scenario, policies, cpu, hosts, ipaBits }: Job): Counted[] {
  const counting = policies.map((policy) => ({ policy, ...scenarioSinks(scenario, hosts, ipaBits) }));
  const { events } = hypervisorOf(scenario).simulate(scenario, cpu, counting, { boot: false });
  return counting.map(({ counts }, lane) => ({
    events: events[lane]!,
    counts: counts().map((of) => of.counts),
  }));
}

/**
 * All that {@link Counted} hangs on for a policy of a job, beside the code of the rooms: neither names nor elementary prices.
 * Sets are in it.
 */
export function countedBy({ scenario, cpu, hosts, ipaBits }: Job, policy: Policy): unknown {
  const { name: _, title: _title, source: _source, file: _file, ...simulated } = scenario;
  const settings = hosts.map((host) => {
    const { name: _n, title: _t, source: _s, machine: _m, assumptions: _a, unknown: _u, prices: _p, ...own } = host;
    return own;
  });
  return { simulated, cpu, settings, ipaBits, policy: traceKey(policy, cpu, scenario) };
}

/** Prices what was counted. */
export function pricedJob({ scenario, policies, hosts, ipaBits }: Job, counted: readonly Counted[]): PolicyResult[] {
  const columns = hosts.flatMap((host) => ipaBits.map((bits) => ({ host, bits })));
  return counted.map(({ events, counts }, i) => ({
    events,
    rows: columns.map(({ host, bits }, k) => {
      const of = counts[k]!;
      return {
        scenario: scenario.name,
        policy: policies[i]!.name,
        host: host.name,
        ipaBits: bits,
        ...price(of, host),
        tlbi: of.tlbi,
        hardwareTlbi: of.hardwareTlbi,
        hypercalls: of.hypercalls,
        noShadow: of.noShadow,
        exitKinds: of.exitKinds,
        leavesDropped: of.leavesDropped,
        refaults: of.refaults,
      };
    }),
  }));
}

/** Does a job and prices it. Throws as {@link countJob} does. */
export const runJob = (job: Job): PolicyResult[] => pricedJob(job, countJob(job));

/** {@link hostSinks} that count only the phases that the scenario wants to be compared, if it says which. */
function scenarioSinks(
  scenario: Scenario,
  hosts: readonly Host[],
  ipaBits: readonly number[],
): ReturnType<typeof hostSinks> {
  const { phases: wanted, machine } = scenario;
  if (wanted === undefined) return hostSinks(hosts, ipaBits, machine.pcpus);
  const sink = new PhasePrices(hosts, ipaBits, machine.pcpus);
  const counts = (): HostCounts[] => {
    const phases = sink.phases();
    return sink.total().map((of) => {
      const own = phases.filter((p) => p.host === of.host && p.ipaBits === of.ipaBits);
      // What is not wanted is taken off, so that a row has all its kinds, be they none.
      const others = own.filter(({ phase }) => !wanted.some((name) => name === phase));
      return { ...of, counts: others.reduce((left, { counts }) => addCounts(left, counts, -1), of.counts) };
    });
  };
  return { sinks: [sink], counts, vmidsRun: sink.vmidsRun };
}

/**
 * What of a policy decides a scenario's prices on a CPU: policies with equal keys have the same. Where every domain has one
 * vCPU, it does not matter whether VMIDs are per domain or per vCPU. Where mappings are removed page by page only, programs
 * that come to the same instructions for one page are the same, and so are "at-once" and "unlock".
 */
export function traceKey(policy: Policy, cpu: CpuProfile, scenario: Scenario): string {
  const on = policyOn(policy, cpu);
  const of = hypervisorOf(scenario);
  const occasions = of.possibleOccasions(scenario);
  const { vmids, ranges } = of.showsOf(scenario);
  const oneVmid = !vmids;
  const { batch, vmidPer } = of.frameOf(policy);
  const pageByPage = oneVmid && !batch && !ranges;
  const parts = occasions.map((occasion) => {
    const program = oneVmid ? withoutVmidLoops(on.code[occasion]) : on.code[occasion];
    if (withoutCode(occasion) === "other code" && !policy.own.includes(occasion)) return "";
    if (occasion !== "revoke") return program;
    return pageByPage ? onePage(program, cpu) : [on.due, program];
  });
  // The lines that the code stands on are for errors only.
  return JSON.stringify([batch, oneVmid ? "" : vmidPer, parts], (key, value) => (key === "line" ? undefined : value));
}

/** The instructions that a revoke program comes to for one page, the owner being current and not. */
function onePage(program: Sequence, cpu: CpuProfile): string[][] {
  const owner = 1;
  return [owner, owner + 1].map((current) => {
    const on = new Case();
    on.currentVmid = current;
    on.ownerVmids = [owner];
    on.add(0x40000, 1, 0x80000);
    return unroll(program, on, cpu).map(({ text }) => text);
  });
}

/** The same program where an owner has one VMID. */
function withoutVmidLoops(program: Sequence): Sequence {
  return program.flatMap((s): Sequence => {
    if (s.kind === "for" && s.over === "vmid") return withoutVmidLoops(s.body);
    if (s.kind === "if") return [{ ...s, body: withoutVmidLoops(s.body), otherwise: withoutVmidLoops(s.otherwise) }];
    return s.kind === "for" || s.kind === "with-owner" || s.kind === "on"
      ? [{ ...s, body: withoutVmidLoops(s.body) }]
      : [s];
  });
}
