/** What a worker does with a policy: reads it, proves it, tells one of its stories, compares what it costs. */
import { builtInCpu, builtInHost, builtInPolicy, builtInScenario, usualHosts } from "../../builtin/index.js";
import { type CompareResult, compare, priceOccasions } from "../../compare/index.js";
import { InputError } from "../../input/index.js";
import { type Policy, parsePolicy } from "../../policy/index.js";
import {
  explore,
  type Finding,
  Inquiry,
  type Limits,
  type Moment,
  PROVED,
  type ProvedOccasion,
  Question,
  type SignOff,
  taskProgram,
} from "../../prove/index.js";
import type { PricedOccasions } from "../../report/page.js";
import { type Choices, errataOf, limitsOf, settingOf, supposedCpu } from "../choices.js";
import { decided } from "./decided.js";

/** Characters of a text, as of one that the command line reads. */
const MOST_TEXT = 2 ** 20;

/** A policy's text, and what errors call it. */
export interface PolicyText {
  readonly text: string;
  readonly file: string;
}

/** What of a policy the page shows and its reports name. */
export type PolicyFacts = Pick<Policy, "name" | "title" | "source" | "places" | "requires" | "vmidPer" | "due">;

/** The policy that was read last: a worker is asked about one again and again, and the prover knows its scenarios by the policy. */
let last: (PolicyText & { readonly policy: Policy }) | undefined;

/** Reads a policy; its base is one that is built in. Throws an InputError with file, line and reason. */
export function readPolicy({ text, file }: PolicyText): Policy {
  if (text.length > MOST_TEXT)
    throw new InputError(`the text has ${text.length} characters, expected a policy of at most ${MOST_TEXT}`);
  if (last?.text !== text || last.file !== file) last = { text, file, policy: parsePolicy(text, file, builtInPolicy) };
  return last.policy;
}

/** Reads a policy, and says what it is. */
export function policyFacts(asked: PolicyText): PolicyFacts {
  const { name, title, source, places, requires, vmidPer, due } = readPolicy(asked);
  return { name, title, source, places, requires, vmidPer, due };
}

/** How a proof is asked for. */
interface Asking {
  readonly choices: Choices;
  readonly limits: Limits;
}

/** What to prove: an occasion on some CPUs. */
interface ProveAsked extends PolicyText, Asking {
  readonly occasion: ProvedOccasion;
  readonly cpus: readonly string[];
}

const questionOf = (policy: Policy, occasion: ProvedOccasion, cpu: string, choices: Choices): Question =>
  new Question(policy, occasion, supposedCpu(builtInCpu(cpu), choices), settingOf(choices), errataOf(choices));

/** The verdicts, a row for each CPU, with stories. `pause` rejects when nobody wants them any more. */
export async function prove(
  { occasion, cpus, limits, choices, ...text }: ProveAsked,
  pause: () => Promise<void> = async () => {},
): Promise<SignOff[]> {
  const policy = readPolicy(text);
  const inquiry = new Inquiry(
    cpus.map((cpu) => questionOf(policy, occasion, cpu, choices)),
    true,
  );
  const within = limitsOf(limits, choices);
  for (let tasks = inquiry.next(); tasks.size > 0; tasks = inquiry.next())
    for (const [key, task] of tasks) {
      inquiry.found(key, decided(task, within));
      await pause();
    }
  return inquiry.results();
}

/** Which story: of a scenario that fails, by its name. */
interface StoryAsked extends PolicyText, Asking {
  readonly occasion: ProvedOccasion;
  readonly cpu: string;
  readonly scenario: string;
}

/** One scenario's verdict, and where it fails what PEs may hold at each time of the story. */
export interface Told {
  readonly result: SignOff;
  readonly moments: readonly Moment[];
}

/** Tells how a scenario fails. Throws an InputError where the policy has no scenario of that name. */
export function story({ occasion, cpu, scenario, limits, choices, ...text }: StoryAsked): Told {
  const question = questionOf(readPolicy(text), occasion, cpu, choices);
  const at = question.tasks.findIndex(({ name }) => name === scenario);
  const task = question.tasks[at];
  if (task === undefined)
    throw new InputError(
      `no scenario of ${occasion} is named '${scenario}', expected one of ${question.tasks.map(({ name }) => name).join(", ")}`,
    ); // prettier
  const { moments = [], ...decision } = explore(taskProgram(task), {
    ...task.cpu,
    ...limitsOf(limits, choices),
    moments: true,
  });
  const finding: Finding = { ...decision, milliseconds: 0 };
  const result = question.conclude(question.tasks.map((_, i) => (i === at ? finding : undefined)));
  return { result, moments };
}

/** What to compare: policies in a scenario, on hosts. */
interface CompareAsked {
  readonly policies: readonly PolicyText[];
  readonly scenario: string;
  readonly cpu: string;
  readonly hosts?: readonly string[];
  readonly ipaBits: readonly number[];
}

/** The comparison; a policy that needs what the CPU lacks is left out, and a note says so. */
export function comparePolicies({
  policies,
  scenario,
  cpu,
  hosts = usualHosts(),
  ipaBits,
}: CompareAsked): CompareResult {
  const profile = builtInCpu(cpu);
  return compare({
    scenarios: [builtInScenario(scenario)],
    policies: policies.map(({ text, file }) => parsePolicy(text, file, builtInPolicy)),
    hosts: hosts.map(builtInHost),
    ipaBits,
    cpuOf: () => profile,
  });
}

/** What each occasion of a policy is priced for, by itself. */
interface OccasionsAsked extends PolicyText {
  readonly cpu: string;
  readonly pages: number;
  readonly touched: number;
  readonly hosts?: readonly string[];
  readonly ipaBits: readonly number[];
}

/** What each occasion costs by itself, as `shootdown price POLICY` has it. */
export function occasionPrices({
  cpu,
  hosts = usualHosts(),
  ipaBits,
  pages,
  touched,
  ...text
}: OccasionsAsked): PricedOccasions {
  const policy = readPolicy(text);
  const about = { pages, touched };
  const occasions = Object.keys(PROVED) as ProvedOccasion[];
  const asked = { policy, cpu: builtInCpu(cpu), occasions, hosts: hosts.map(builtInHost), ipaBits, ...about };
  return { policy: policy.name, cpu, ...about, ...priceOccasions(asked) };
}
