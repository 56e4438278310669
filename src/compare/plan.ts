/** A whole comparison, cut into jobs that may run side by side; policies that do the same work are simulated once. */
import { type CpuProfile, needs } from "../arch/index.js";
import { type Host, ipaNotes, isNested } from "../host/index.js";
import { hypervisorOf, type Scenario } from "../hypervisor/index.js";
import { missingFeature, type Occasion, openOn, type Policy, policyOn, type Sequence } from "../policy/index.js";
import { checksOf } from "./checks.js";
import { type Counted, countJob, type Job, type PolicyResult, pricedJob, traceKey } from "./job.js";
import type { CompareResult, CompareRow, HostDescription, PriceLine, WithoutTlbi } from "./result.js";

/** What is compared. Every list keeps its order in the result. */
export interface Comparison {
  readonly scenarios: readonly Scenario[];
  readonly policies: readonly Policy[];
  readonly hosts: readonly Host[];
  readonly ipaBits: readonly number[];
  /** the CPU that the hypervisor under study sees on a host */
  readonly cpuOf: (host: Host) => CpuProfile;
}

/** A policy in a scenario on a CPU, and where its result comes from. */
interface Item {
  readonly scenario: Scenario;
  readonly policy: Policy;
  /** the policy that does the same in this scenario and is simulated for it: itself, or an earlier one */
  readonly like: Policy;
  readonly job: Job;
}

/** Policies that one simulation serves: fewer would repeat the hypervisor's work, more would leave a core idle at the end. */
const LANES = 4;

/** Cuts a comparison into jobs and puts their results together. Pure: who runs the jobs, and where, is the caller's affair. */
export class Plan {
  /** the longest first, so that the last ones to finish are short */
  readonly jobs: readonly Job[];
  private readonly items: readonly Item[];
  private readonly results = new Map<Job, readonly PolicyResult[]>();
  private readonly notes: string[] = [];

  constructor(private readonly comparison: Comparison) {
    const { scenarios, policies, hosts, cpuOf } = comparison;
    const groups = new Map<string, { cpu: CpuProfile; hosts: Host[] }>();
    for (const host of hosts) {
      const cpu = cpuOf(host);
      const group = groups.get(cpu.name) ?? { cpu, hosts: [] };
      group.hosts.push(host);
      groups.set(cpu.name, group);
    }
    const items: Item[] = [];
    for (const group of groups.values()) {
      const usable = policies.filter((policy) => !this.leftOut(policy, group.cpu));
      for (const scenario of scenarios) items.push(...this.itemsOf(scenario, usable, group));
    }
    this.items = items;
    this.jobs = [...new Set(items.map((item) => item.job))].sort((a, b) => weight(b) - weight(a));
  }

  /** True, with a note, when the CPU lacks what the policy requires. */
  private leftOut(policy: Policy, cpu: CpuProfile): boolean {
    const missing = missingFeature(policy, cpu);
    if (missing)
      this.notes.push(
        `${policy.name} is left out on ${cpu.name}: it requires ${missing}${cpu.unknown.has(missing) ? ", which is unknown of it" : ""}.`,
      );
    const open = missing === undefined ? openOn(policy, cpu) : [];
    if (open.length > 0)
      this.notes.push(`Whether ${cpu.name} has ${inWords(open)} is unknown: ${policy.name} is simulated as without.`);
    return missing !== undefined;
  }

  /** One scenario on one CPU: policies that do the same share a result, policies of one frame a simulation. */
  private itemsOf(scenario: Scenario, policies: readonly Policy[], group: { cpu: CpuProfile; hosts: Host[] }): Item[] {
    const byTrace = groupBy(policies, (policy) => traceKey(policy, group.cpu, scenario));
    const byFrame = groupBy(byTrace.values(), ([first]) => JSON.stringify(hypervisorOf(scenario).frameOf(first!)));
    return [...byFrame.values()].flatMap((frame) =>
      chunks(frame, LANES).flatMap((lanes) => {
        const job: Job = {
          scenario,
          policies: lanes.map(([first]) => first!),
          ipaBits: this.comparison.ipaBits,
          ...group,
        };
        return lanes.flatMap((same) => same.map((policy) => ({ scenario, policy, like: same[0]!, job })));
      }),
    );
  }

  /** A job has ended; one of each of its policies. */
  done(job: Job, counted: readonly Counted[]): void {
    this.results.set(job, pricedJob(job, counted));
  }

  private resultOf(item: Item): PolicyResult {
    const result = this.results.get(item.job)?.[item.job.policies.indexOf(item.like)];
    if (!result) throw new Error("the job is not done");
    return result;
  }

  /** The result; every job must be done. */
  result(): CompareResult {
    const { scenarios, policies, hosts, cpuOf } = this.comparison;
    const of = (scenario: string, policy: string, host: string): CompareRow[] =>
      this.items
        .filter((item) => item.scenario.name === scenario && item.policy.name === policy)
        .flatMap((item) =>
          this.resultOf(item)
            .rows.filter((row) => row.host === host)
            .map((row) => ({ ...row, policy })),
        );
    const rows = scenarios.flatMap((s) => policies.flatMap((p) => hosts.flatMap((h) => of(s.name, p.name, h.name))));
    return {
      rows,
      checks: checksOf(rows, hosts),
      scenarios: scenarios.map((scenario) => {
        const { name, title, source } = scenario;
        return { name, title, source, events: this.longest(name), withoutTlbi: this.withoutTlbi(scenario) };
      }),
      policies: policies.map(({ name, title, source }) => ({ name, title, source })),
      hosts: hosts.map((host) => describedHost(host, cpuOf(host).name)),
      cpu: [...new Set(hosts.map((host) => cpuOf(host).name))].join(", "),
      notes: [
        this.whosePrices(),
        ...ipaNotes(hosts, this.comparison.ipaBits),
        ...this.repeatNotes(rows),
        ...this.notes,
        ...this.sameNotes(),
      ],
    };
  }

  /** Features come from a CPU profile, prices from a machine: two things, as the profile may be another one than the machine's. */
  private whosePrices(): string {
    const { hosts, cpuOf } = this.comparison;
    const machines = groupBy(hosts, ({ machine }) => machine ?? "a machine that the host file does not name");
    const whose = [...machines].map(([machine, those]) => {
      const which = machines.size === 1 ? "" : ` (${those.map(({ name }) => name).join(", ")})`;
      return `those of ${machine}${which}`;
    });
    const cpus = [...new Set(hosts.map((host) => cpuOf(host).name))];
    return `The policies run with the features of ${inWords(cpus)}; the elementary prices are ${whose.join(" and ")}.`;
  }

  private longest(scenario: string): number {
    return Math.max(0, ...this.items.filter((i) => i.scenario.name === scenario).map((i) => this.resultOf(i).events));
  }

  /** Policies that execute no TLBI on an occasion of the scenario, on any CPU that they are compared on. */
  private withoutTlbi(scenario: Scenario): WithoutTlbi[] {
    const possible = hypervisorOf(scenario).possibleOccasions(scenario);
    return this.comparison.policies.flatMap((policy) => {
      const cpus = this.items
        .filter((item) => item.scenario === scenario && item.policy === policy)
        .map((item) => item.job.cpu);
      const never = (...occasions: Occasion[]): boolean =>
        cpus.length > 0 &&
        possible.includes(occasions[0]!) &&
        cpus.every((cpu) => occasions.every((o) => !hasTlbi(policyOn(policy, cpu).code[o])));
      return [
        ...(never("revoke", "batch-end") ? [{ policy: policy.name, occasion: "revoke" as const }] : []),
        ...(never("switch") ? [{ policy: policy.name, occasion: "switch" as const }] : []),
      ];
    });
  }

  /** Why there are VALE2IS in the rows, which no policy needs for a translation. */
  private repeatNotes(rows: readonly CompareRow[]): string[] {
    const { hosts, cpuOf } = this.comparison;
    const repeating = hosts.filter(
      (host) => needs(cpuOf(host), "repeat-tlbi") && rows.some((row) => row.host === host.name && row.tlbi.VALE2IS),
    );
    const titles = new Set(this.comparison.scenarios.map((scenario) => hypervisorOf(scenario).title));
    return [...new Set(repeating.map((host) => cpuOf(host).name))].map(
      (cpu) =>
        `On ${cpu}, TLBIs are repeated for CVE-2025-10263: after a broadcast TLBI and its DSB, ${inWords([...titles])} executes a VALE2IS and another DSB.`,
    );
  }

  /** Which policies did the same in which scenarios, as a sentence each. */
  private sameNotes(): string[] {
    const same = this.comparison.scenarios.flatMap((scenario) => {
      const followers = new Map<string, Set<string>>();
      for (const { policy, like, scenario: of } of this.items)
        if (of === scenario && like !== policy)
          followers.set(like.name, (followers.get(like.name) ?? new Set()).add(policy.name));
      return [...followers].map(([policy, those]) => ({
        scenario: scenario.name,
        text: `${inWords([...those])} ${those.size > 1 ? "do" : "does"} the same as ${policy}.`,
      }));
    });
    return [...groupBy(same, ({ text }) => text)].map(
      ([text, where]) => `In ${inWords(where.map(({ scenario }) => scenario))}, ${text}`,
    );
  }
}

function describedHost(host: Host, cpu: string): HostDescription {
  const { name, title, source, machine, assumptions, prices } = host;
  const lines = Object.values(prices).map(
    ({ key, unit, value, low, high, source: from, meaning, calibratedOn }): PriceLine => ({
      key,
      unit,
      value,
      low,
      high,
      source: from,
      meaning,
      ...(calibratedOn === undefined ? {} : { calibratedOn }),
    }),
  );
  const whose = machine === undefined ? {} : { machine };
  return { name, title, source, cpu, ...whose, nested: isNested(host), assumptions, prices: lines };
}

/** "a, b and c" */
const inWords = (names: readonly string[]): string => names.join(", ").replace(/, ([^,]*)$/, " and $1");

function hasTlbi(program: Sequence): boolean {
  return program.some((s) => {
    if (s.kind === "if") return hasTlbi(s.body) || hasTlbi(s.otherwise);
    return s.kind === "for" || s.kind === "with-owner" ? hasTlbi(s.body) : s.kind === "tlbi";
  });
}

/** Roughly how long a job takes. */
const weight = ({ scenario, policies }: Job): number => hypervisorOf(scenario).workOf(scenario) * (1 + policies.length);

/** The items of each key, keys in order of first use. */
function groupBy<T>(items: Iterable<T>, key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const of = key(item);
    const group = groups.get(of);
    if (group) group.push(item);
    else groups.set(of, [item]);
  }
  return groups;
}

/** A list in as few pieces of at most `most` as it takes, all of nearly the same length. */
function chunks<T>(list: readonly T[], most: number): T[][] {
  const pieces = Math.ceil(list.length / most);
  return Array.from({ length: pieces }, (_, i) =>
    list.slice(Math.floor((i * list.length) / pieces), Math.floor(((i + 1) * list.length) / pieces)),
  );
}

/** Does a whole comparison, one job after the other. */
export function compare(comparison: Comparison): CompareResult {
  const plan = new Plan(comparison);
  for (const job of plan.jobs) plan.done(job, countJob(job));
  return plan.result();
}
