/** Is what is compared safe? Each policy is put to the prover, for the occasions that the scenarios have and on the CPUs in use. */
import type { CpuProfile } from "../arch/index.js";
import { hypervisorOf, type Scenario } from "../hypervisor/index.js";
import type { Occasion, Policy } from "../policy/index.js";
import { assumptions, PROVED, type ProvedOccasion, Question, type Setting, type SignOff } from "../prove/index.js";
import type { Comparison } from "./plan.js";
import type { CompareResult, CompareRow, ProvedVerdict } from "./result.js";

/** As Xen sets it. */
const SETTING: Setting = { fb: true };

/**
 * Occasions that a scenario comes to among others, if at all: where a policy has no code of its own for them, what it executes is
 * what it executes on those, and is asked about there.
 */
const AMONG_OTHERS: readonly Occasion[] = ["block-merged", "vcpu-moved", "fails-midway", "table-freed"];

/** What the prover can be asked of a policy's occasion. */
const provedOf = (occasion: Occasion): ProvedOccasion[] =>
  (Object.keys(PROVED) as ProvedOccasion[]).filter((name) => PROVED[name].of === occasion);

/**
 * Occasions of a scenario that nobody can ask the prover about yet. Where one comes up, a policy is not known to be sound,
 * whatever its other occasions are.
 */
function unprovedOccasions(scenario: Scenario): Occasion[] {
  return hypervisorOf(scenario)
    .possibleOccasions(scenario)
    .filter((occasion) => provedOf(occasion).length === 0);
}

/** The occasions of a scenario under a policy that the prover knows; a policy that has batches must survive those too. */
function provedOccasions(scenario: Scenario, policy: Policy): ProvedOccasion[] {
  return hypervisorOf(scenario)
    .possibleOccasions(scenario)
    .filter((occasion) => !AMONG_OTHERS.includes(occasion) || policy.own.includes(occasion))
    .flatMap((occasion) => (occasion === "batch-end" && !policy.batch ? [] : provedOf(occasion)));
}

/**
 * What to ask of the prover: every policy on every CPU in use, for the occasions of any scenario. One that cannot run on a CPU
 * costs nothing to ask about: the answer is `not-applicable`.
 */
export function questionsOf({ scenarios, policies, hosts, cpuOf }: Comparison): Question[] {
  const cpus = new Map<string, CpuProfile>(hosts.map((host) => [cpuOf(host).name, cpuOf(host)]));
  return policies.flatMap((policy) => {
    const occasions = new Set(scenarios.flatMap((scenario) => provedOccasions(scenario, policy)));
    return [...cpus.values()].flatMap((cpu) =>
      [...occasions].map((occasion) => new Question(policy, occasion, cpu, SETTING)),
    );
  });
}

/** The result with the verdicts in its rows: the answers to {@link questionsOf}. */
export function withVerdicts(
  result: CompareResult,
  { scenarios, policies, hosts, cpuOf }: Comparison,
  answers: readonly SignOff[],
): CompareResult {
  const rows = result.rows.map((row): CompareRow => {
    const scenario = scenarios.find(({ name }) => name === row.scenario)!;
    const policy = policies.find(({ name }) => name === row.policy)!;
    const cpu = cpuOf(hosts.find(({ name }) => name === row.host)!).name;
    const occasions = provedOccasions(scenario, policy);
    const own = answers.filter((a) => a.policy === policy.name && a.cpu === cpu && occasions.includes(a.occasion));
    const unsound = own.filter(({ verdict }) => verdict === "unsound").map(({ occasion }) => occasion);
    const known =
      own.length > 0 &&
      own.every(({ verdict }) => verdict !== "unknown" && verdict !== "not-stated") &&
      unprovedOccasions(scenario).length === 0;
    return { ...row, verdict: unsound.length > 0 ? "unsound" : known ? "sound" : "unknown", unsound };
  });
  const results = answers.map(
    ({ policy, occasion, cpu, verdict, reason }): ProvedVerdict => ({
      policy,
      occasion,
      cpu,
      verdict,
      ...(reason === undefined ? {} : { reason }),
    }),
  );
  const open = scenarios.flatMap((scenario) => {
    const occasions = unprovedOccasions(scenario);
    return occasions.length === 0 ? [] : [`${scenario.name} (${occasions.join(", ")})`];
  });
  const notes =
    open.length === 0
      ? []
      : [`Nothing proves these occasions yet, so a policy that is not unsound there is unknown: ${open.join("; ")}.`];
  return { ...result, rows, notes: [...result.notes, ...notes], proof: { results, assumptions: assumptions(SETTING) } };
}
