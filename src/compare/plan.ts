/** A whole comparison, cut into jobs that may run side by side; policies that do the same work are simulated once. */
import type { CpuProfile } from "../arch/index.js";
import type { Host } from "../host/index.js";
import { missingFeature, type Occasion, type Policy } from "../policy/index.js";
import type { Scenario } from "../xen/index.js";
import { checksOf } from "./checks.js";
import { type Job, type JobResult, runJob, sameTrace } from "./job.js";
import type { CompareResult, CompareRow } from "./result.js";

/** What is compared. Every list keeps its order in the result. */
export interface Comparison {
  readonly scenarios: readonly Scenario[];
  readonly policies: readonly Policy[];
  readonly hosts: readonly Host[];
  readonly ipaBits: readonly number[];
  /** the CPU that the hypervisor under study sees on a host */
  readonly cpuOf: (host: Host) => CpuProfile;
}

interface Item {
  readonly job: Job;
  state: "waiting" | "running" | "done";
  result?: JobResult;
  /** the policy whose trace this one's is, when it was not simulated itself */
  sameAs?: Policy;
}

/** Hands out jobs and puts their results together. Pure: who runs the jobs, and where, is the caller's affair. */
export class Plan {
  private readonly items: Item[] = [];
  private readonly notes: string[] = [];

  constructor(private readonly comparison: Comparison) {
    const { scenarios, policies, hosts, ipaBits, cpuOf } = comparison;
    const cpus = new Map<string, { cpu: CpuProfile; hosts: Host[] }>();
    for (const host of hosts) {
      const cpu = cpuOf(host);
      const group = cpus.get(cpu.name) ?? { cpu, hosts: [] };
      group.hosts.push(host);
      cpus.set(cpu.name, group);
    }
    for (const group of cpus.values())
      for (const policy of policies) {
        const missing = missingFeature(policy, group.cpu);
        if (missing) this.notes.push(`${policy.name} is left out on ${group.cpu.name}: it requires ${missing}.`);
        else
          for (const scenario of scenarios)
            this.items.push({ job: { scenario, policy, ipaBits, ...group }, state: "waiting" });
      }
    // The longest first, so that the last ones to finish are short.
    this.items.sort((a, b) => weight(b.job.scenario) - weight(a.job.scenario));
  }

  /** Jobs in all, and done so far. */
  get progress(): { readonly done: number; readonly total: number } {
    return { done: this.items.filter((item) => item.state === "done").length, total: this.items.length };
  }

  /**
   * The next job to run; "wait" when the rest may turn out to need no run, once one that runs now has finished; undefined
   * when none is left.
   */
  next(): Job | "wait" | undefined {
    const waiting = this.items.filter((item) => item.state === "waiting");
    if (waiting.length === 0) return undefined;
    const running = this.items.filter((item) => item.state === "running");
    const free = waiting.find((item) => !running.some((other) => mayBeSame(item.job, other.job)));
    if (free === undefined) return "wait";
    free.state = "running";
    return free.job;
  }

  /** A job has ended; policies that give the same trace are done with it. */
  done(job: Job, result: JobResult): void {
    for (const item of this.items) {
      if (item.job === job) {
        item.state = "done";
        item.result = result;
      } else if (item.state === "waiting" && sameFrame(item.job, job)) {
        if (!sameTrace(job.policy, result.occasions, item.job.policy, job.cpu)) continue;
        item.state = "done";
        item.sameAs = job.policy;
        item.result = { ...result, rows: result.rows.map((row) => ({ ...row, policy: item.job.policy.name })) };
      }
    }
  }

  /** The result; every job must be done. */
  result(): CompareResult {
    const { scenarios, policies, hosts, cpuOf } = this.comparison;
    const of = (scenario: string, policy: string, host: string): CompareRow[] =>
      this.items
        .filter(({ job }) => job.scenario.name === scenario && job.policy.name === policy)
        .flatMap(({ result }) => result!.rows.filter((row) => row.host === host));
    const rows = scenarios.flatMap((s) => policies.flatMap((p) => hosts.flatMap((h) => of(s.name, p.name, h.name))));
    return {
      rows,
      checks: checksOf(rows, hosts),
      scenarios: scenarios.map(({ name, title, source }) => ({ name, title, source, events: this.longest(name) })),
      policies: policies.map(({ name, title, source }) => ({ name, title, source })),
      hosts: hosts.map(({ name, title, source, kvm, assumptions, prices }) => ({
        name,
        title,
        source,
        nested: kvm !== undefined,
        assumptions,
        prices: Object.entries(prices).map(([key, { unit, value, low, high, source: from }]) => ({
          key,
          unit,
          value,
          low,
          high,
          source: from,
        })),
      })),
      cpu: [...new Set(hosts.map((host) => cpuOf(host).name))].join(", "),
      notes: [...this.notes, ...this.sameNotes()],
    };
  }

  private longest(scenario: string): number {
    return Math.max(0, ...this.items.filter((i) => i.job.scenario.name === scenario).map((i) => i.result!.events));
  }

  /** Which policies did the same in which scenario, as a sentence each. */
  private sameNotes(): string[] {
    return this.comparison.scenarios.flatMap((scenario) => {
      const followers = new Map<string, string[]>();
      for (const { job, sameAs } of this.items)
        if (sameAs && job.scenario.name === scenario.name) {
          const list = followers.get(sameAs.name) ?? [];
          if (!list.includes(job.policy.name)) list.push(job.policy.name);
          followers.set(sameAs.name, list);
        }
      return [...followers].map(
        ([policy, same]) =>
          `In ${scenario.name}, ${same.join(", ")} ${same.length > 1 ? "do" : "does"} the same as ${policy}.`,
      );
    });
  }
}

/** Roughly how long a scenario takes, for the order of work: pages copied and pages touched. */
function weight(scenario: Scenario): number {
  const segments = scenario.domu.flatMap((d) => d.segment.map((s) => 15 * s.pages));
  const slots = scenario.run["time-us"] / scenario.run["slice-us"];
  const touched = Math.max(...scenario.domu.map((d) => d["working-set"] + d["shared-set"]));
  return scenario.lives * (segments.reduce((a, b) => a + b, 0) + slots * scenario.machine.pcpus * touched);
}

const sameFrame = (a: Job, b: Job): boolean => a.scenario === b.scenario && a.cpu === b.cpu;

/** True when the first may turn out to give the second's trace: they agree on some occasion that may be the only one. */
function mayBeSame(a: Job, b: Job): boolean {
  const agree = (...occasions: Occasion[]): boolean => sameTrace(a.policy, occasions, b.policy, a.cpu);
  return sameFrame(a, b) && (agree("revoke") || agree("switch"));
}

/** Does a whole comparison, one job after the other. */
export function compare(comparison: Comparison): CompareResult {
  const plan = new Plan(comparison);
  for (let job = plan.next(); job !== undefined; job = plan.next()) {
    if (job === "wait") throw new Error("nothing runs, so nothing can be waited for");
    plan.done(job, runJob(job));
  }
  return plan.result();
}
