/** One piece of a comparison: a scenario under a few policies on a CPU, simulated once and priced on every host of that CPU. */
import type { CpuProfile } from "../arch/index.js";
import { addCounts, type Host, price } from "../host/index.js";
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

/** What came out, one for each policy of the job. */
export interface PolicyResult {
  readonly rows: readonly CompareRow[];
  /** events of the trace that the hosts look at, from the end of the boot on */
  readonly events: number;
}

/** Does a job. Throws an InputError when the scenario does not fit the machine or a host. */
export function runJob({ scenario, policies, cpu, hosts, ipaBits }: Job): PolicyResult[] {
  const priced = policies.map((policy) => ({ policy, ...scenarioSinks(scenario, hosts, ipaBits) }));
  const { events } = hypervisorOf(scenario).simulate(scenario, cpu, priced, { boot: false });
  return priced.map(({ policy, counts }, lane) => ({
    events: events[lane]!,
    rows: counts().map(({ host, ipaBits: bits, counts: of }) => ({
      scenario: scenario.name,
      policy: policy.name,
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
    })),
  }));
}

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
