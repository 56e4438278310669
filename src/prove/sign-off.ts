/**
 * The sign-off of a policy: for an occasion and a CPU, every scenario that the policy must survive, decided. Pure; who decides
 * the scenarios, and in which thread, is the caller's affair.
 */
import { type CpuProfile, type Erratum, type Feature, GRANULE_NAME, SYMPTOM_WORDS } from "../arch/index.js";
import { InputError } from "../input/index.js";
import { missingFeature, OCCASIONS, openOn, type Policy, specialise, waysOf, withoutCode } from "../policy/index.js";
import { type Cpu, proverCpu } from "./cpu.js";
import { type Decision, explore } from "./explore.js";
import { parseLitmus } from "./litmus/index.js";
import {
  litmusText,
  originsOf,
  PROVED,
  type ProvedOccasion,
  programOf,
  type Scenario,
  type Setting,
  unknownIn,
  withoutOrigins,
} from "./occasion/index.js";
import { type Program, Unsupported } from "./program.js";
import type { Rule } from "./rules.js";
import { type Culprit, culpritsOf, type TracedStep, tracedSteps } from "./traced.js";
import type { Breach } from "./violations.js";

/** One scenario to decide, and the CPU. Plain data. */
export interface Task {
  readonly name: string;
  /** the {@link Scenario} as JSON: equal for equal ones, and small where threads send it to each other */
  readonly scenario: string;
  readonly cpu: Cpu;
}

const scenarioOf = (task: Task): Scenario => JSON.parse(task.scenario);

const taskText = (task: Task): string => litmusText(scenarioOf(task));

/** A task as the prover takes it. Throws an InputError, with the line of its text as a litmus test, where the code is too long. */
export function taskProgram(task: Task): Program {
  try {
    return programOf(scenarioOf(task));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return parseLitmus(taskText(task), task.name).program;
  }
}

/** A scenario for people. */
interface Told {
  readonly name: string;
  readonly title: string;
  /** who is who: "pCPU 0, Xen; the owner is current" */
  readonly cast: readonly string[];
  /** what the bad state means */
  readonly meaning: string;
  /** as a litmus test */
  readonly text: string;
}

function told(scenario: Scenario): Told {
  const { name, title, pcpus, meaning } = scenario;
  return { name, title, cast: pcpus.map((pcpu) => pcpu.title), meaning, text: litmusText(scenario) };
}

/** What was found of a task. `milliseconds` are this machine's. */
export interface Finding extends Omit<Decision, "remark"> {
  readonly milliseconds: number;
}

/**
 * `unsound` also where break-before-make is violated; `not-applicable`: the policy requires what the CPU lacks;
 * `not-stated`: it does not say what it executes on the occasion;
 * `unknown`: a bound was reached first, or its code needs what the hypervisor does not know then.
 */
export type Verdict = "sound" | "unsound" | "unknown" | "not-applicable" | "not-stated";

/** The verdict on a policy for an occasion on a CPU. */
export interface SignOff {
  readonly policy: string;
  readonly occasion: ProvedOccasion;
  readonly cpu: string;
  readonly verdict: Verdict;
  /** scenarios decided; timelines, states and milliseconds are sums over them */
  readonly scenarios: number;
  readonly timelines: number;
  readonly states: number;
  readonly milliseconds: number;
  /** why it is unknown, not applicable or not stated */
  readonly reason?: string;
  /** features that the policy asks for and of which it is unknown whether the CPU has them: it was looked at both ways */
  readonly bothWays?: readonly Feature[];
  /** scenarios in which the bad state is allowed */
  readonly unsound?: readonly string[];
  /** break-before-make is violated, and in no scenario does the bad state come about otherwise */
  readonly breach?: Breach;
  /** the scenario that the witness tells */
  readonly scenario?: Told;
  readonly witness?: readonly TracedStep[];
  /** the lines of the policy that let it happen, in their order; empty where something is missing instead */
  readonly culprits?: readonly Culprit[];
}

/** All that was asked and found: what tables and reports are made from. */
export interface Proof {
  readonly results: readonly SignOff[];
  readonly policies: readonly Pick<Policy, "name" | "title" | "source" | "places">[];
  readonly cpus: readonly { readonly name: string; readonly title: string }[];
  readonly assumptions: readonly string[];
  /** the errata that were asked about, and the CPUs that are not known to have them: it was asked as if they had */
  readonly errata?: readonly { readonly erratum: Erratum; readonly supposed: readonly string[] }[];
}

/** A task without its CPU, and its scenario with the lines of the policy that its instructions come from. */
interface Unplaced extends Omit<Task, "cpu"> {
  readonly traced: Scenario;
}
/** Scenarios of a policy, by all that they depend on besides: CPUs that run the same code have the same ones. */
const made = new WeakMap<Policy, Map<string, readonly Unplaced[]>>();

function scenariosOf(policy: Policy, occasion: ProvedOccasion, cpu: CpuProfile, setting: Setting): readonly Unplaced[] {
  const known = made.get(policy) ?? new Map<string, readonly Unplaced[]>();
  made.set(policy, known);
  const code = Object.values(policy.code).map((program) => specialise(program, cpu));
  const key = JSON.stringify([occasion, setting, [...cpu.symptoms].sort(), code]);
  const list =
    known.get(key) ??
    PROVED[occasion].scenarios(policy, cpu, setting).map((traced) => ({
      ...{ name: traced.name, traced },
      scenario: JSON.stringify(withoutOrigins(traced)),
    }));
  known.set(key, list);
  return list;
}

/** The verdict where nothing need be decided. */
function clearVerdict(
  policy: Policy,
  occasion: ProvedOccasion,
  cpu: CpuProfile,
): Pick<SignOff, "verdict" | "reason"> | undefined {
  const missing = missingFeature(policy, cpu);
  if (missing) return { verdict: "not-applicable", reason: `requires ${missing}, which the CPU does not have` };
  const { of } = PROVED[occasion];
  if (withoutCode(of) === "not stated" && !policy.own.includes(of))
    return { verdict: "not-stated", reason: `does not say what it executes when ${OCCASIONS[of].when} ([${of}])` };
  return undefined;
}

/** A scenario on a CPU. */
interface Placed extends Unplaced {
  readonly cpu: Cpu;
}

/** The scenarios; or that nothing is known, where the code needs what nobody knows on the occasion. */
function scenariosFor(
  policy: Policy,
  occasion: ProvedOccasion,
  ways: readonly CpuProfile[],
  open: readonly Feature[],
  { fb, granule = 12 }: Setting,
): readonly Placed[] | Pick<SignOff, "verdict" | "reason"> {
  const { granule: written = granule } = policy;
  if (written > granule) {
    const [larger, smaller] = [written, granule].map((bits) => GRANULE_NAME[bits]);
    return {
      verdict: "unknown",
      reason: `its operands are of ${larger} (granule), and none is made for tables of ${smaller}`,
    };
  }
  const setting = { fb: fb && policy.fb, ...(granule !== 12 && { granule }) };
  try {
    return eachWay(ways, open, (way) => scenariosOf(policy, occasion, way, setting));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { verdict: "unknown", reason: error.message };
  }
}

/** Scenarios on the CPU each way that it may be; what differs between these is in their names. */
function eachWay(
  ways: readonly CpuProfile[],
  open: readonly Feature[],
  scenariosOn: (way: CpuProfile) => readonly Unplaced[],
): Placed[] {
  const different = new Map<string, Placed>();
  for (const way of ways) {
    const cpu = proverCpu(way);
    const which = open.map((feature) => (way.features.has(feature) ? `+${feature}` : `-${feature}`)).join("");
    for (const one of scenariosOn(way)) {
      const key = `${one.scenario} ${JSON.stringify(cpu)}`;
      if (different.has(key)) continue;
      const name = `${one.name}${which}`;
      const traced = { ...one.traced, name };
      const told = which === "" ? one : { name, traced, scenario: JSON.stringify(withoutOrigins(traced)) };
      different.set(key, { ...told, cpu });
    }
  }
  return [...different.values()];
}

/** A policy for an occasion on a CPU: what to decide, and then what follows. `about`: errata that it is asked about. */
export class Question {
  readonly tasks: readonly Task[];
  private readonly traced: readonly Scenario[];
  /** without any scenario the verdict is clear */
  private readonly clear: Pick<SignOff, "verdict" | "reason"> | undefined;
  private readonly open: readonly Feature[];
  /** why it cannot be sound, whatever the scenarios say */
  private readonly doubt: string | undefined;

  constructor(
    readonly policy: Policy,
    readonly occasion: ProvedOccasion,
    readonly cpu: CpuProfile,
    setting: Setting,
    about: readonly Erratum[] = [],
  ) {
    this.open = openOn(policy, cpu);
    const ways = waysOf(policy, cpu).filter((way) => missingFeature(policy, way) === undefined);
    const perhaps = policy.requires.find((feature) => cpu.unknown.has(feature));
    const outside = about.find((erratum) => erratum.outside !== undefined);
    this.doubt =
      outside !== undefined
        ? `erratum ${outside.number} is outside of the model: ${outside.outside}`
        : perhaps !== undefined
          ? `requires ${perhaps}, and whether the CPU has it is unknown`
          : undefined;
    const made =
      clearVerdict(policy, occasion, ways[0] ?? cpu) ?? scenariosFor(policy, occasion, ways, this.open, setting);
    this.clear = "verdict" in made ? made : undefined;
    const own = "verdict" in made ? [] : made;
    this.tasks = own.map(({ name, scenario, cpu: facts }) => ({ name, scenario, cpu: facts }));
    this.traced = own.map(({ traced }) => traced);
  }

  /**
   * The scenarios as litmus tests in the form of the isla tool, with the policy's lines in remarks; without those in which the
   * policy says that its code is unknown.
   */
  texts(): readonly { readonly name: string; readonly text: string }[] {
    const known = this.traced.filter((scenario) => unknownIn(scenario) === undefined);
    return known.map((scenario) => ({ name: scenario.name, text: litmusText(scenario) }));
  }

  /** The verdict out of the findings of {@link tasks}, in their order; undefined = not decided, as one bad state is enough. */
  conclude(findings: readonly (Finding | undefined)[]): SignOff {
    const { policy, occasion, cpu, clear, doubt, open: bothWays } = this;
    const sum = (of: (finding: Finding) => number): number => findings.reduce((total, f) => total + (f ? of(f) : 0), 0);
    const bad = findings.flatMap((finding, i) => (finding?.verdict === "allowed" ? [i] : []));
    const open = findings.findIndex((finding) => finding?.verdict === "unknown" || finding?.verdict === "unsupported");
    const lengthOf = (i: number): number => findings[i]!.witness!.length;
    // What comes about without an amalgam of two entries tells more.
    const ordinary = bad.filter((i) => findings[i]!.breach === undefined);
    const shortest = (ordinary.length > 0 ? ordinary : bad).reduce<number | undefined>(
      (best, i) => (best === undefined || lengthOf(i) < lengthOf(best) ? i : best),
      undefined,
    );
    const base = {
      policy: policy.name,
      occasion,
      cpu: cpu.name,
      verdict: bad.length > 0 ? "unsound" : open >= 0 || doubt !== undefined ? "unknown" : "sound",
      scenarios: findings.filter((finding) => finding !== undefined).length,
      timelines: sum((f) => f.timelines),
      states: sum((f) => f.states),
      milliseconds: sum((f) => f.milliseconds),
      ...(bothWays.length > 0 && !clear && { bothWays }),
    } as const;
    if (shortest !== undefined) {
      const traced = this.traced[shortest]!;
      const { breach } = findings[shortest]!;
      const witness = tracedSteps(findings[shortest]!.witness!, policy, originsOf(traced));
      return {
        ...base,
        ...(breach && { breach }),
        unsound: bad.map((i) => this.tasks[i]!.name),
        scenario: told(traced),
        witness,
        culprits: culpritsOf(witness),
      };
    }
    if (clear) return { ...base, ...clear };
    if (open >= 0) return { ...base, reason: `${this.tasks[open]!.name}: ${this.reasonOf(open, findings[open]!)}` };
    return doubt === undefined ? base : { ...base, reason: doubt };
  }

  /** Why a scenario is not decided. */
  private reasonOf(i: number, { reason = "" }: Finding): string {
    const [, place] = /\/\/ (.*)$/.exec(unknownIn(this.traced[i]!) ?? "") ?? [];
    return place === undefined ? reason : `${UNKNOWN} (${place})`;
  }
}

const UNKNOWN = "what the policy executes there is unknown, as it says";

/** Questions together: every different scenario is decided once, whoever asks for it. */
export class Inquiry {
  private readonly findings = new Map<string, Finding>();
  /** the questions, and keys of their tasks: equal for equal ones, as many policies share code, and CPUs what counts of them */
  private readonly asking: readonly { readonly question: Question; readonly keys: readonly string[] }[];
  /** what {@link next} asked for last */
  private asked = new Map<string, Task>();
  /** findings of what is forbidden, by the scenario */
  private readonly forbidden = new Map<string, readonly { readonly task: Task; readonly finding: Finding }[]>();

  /** `thorough`: decide also what cannot change a verdict any more, as one scenario has failed. */
  constructor(
    questions: readonly Question[],
    private readonly thorough: boolean,
  ) {
    const numbers = new Map<string, number>();
    const keyOf = ({ scenario, cpu }: Task): string => {
      const number = numbers.get(scenario) ?? numbers.size;
      numbers.set(scenario, number);
      return `${number} ${JSON.stringify(cpu)}`;
    };
    this.asking = questions.map((question) => ({ question, keys: question.tasks.map(keyOf) }));
  }

  /** What to decide next, by key; empty when all is decided. */
  next(): Map<string, Task> {
    for (;;) {
      const wanted = this.wanted();
      const followed = [...wanted].filter(([key, task]) => this.follows(key, task));
      if (followed.length > 0) continue;
      // What is asked of a weaker CPU now may answer for the others.
      const alike = new Map<string, Task[]>();
      for (const task of wanted.values()) alike.set(task.scenario, [...(alike.get(task.scenario) ?? []), task]);
      const first = [...wanted].filter(([, task]) => !alike.get(task.scenario)!.some((other) => isWeaker(other, task)));
      this.asked = new Map(first);
      return this.asked;
    }
  }

  /** All that is not decided and could be of use. */
  private wanted(): Map<string, Task> {
    const tasks = new Map<string, Task>();
    for (const { question, keys } of this.asking) {
      const own = question.tasks;
      const found = keys.map((key) => this.findings.get(key));
      if (!this.thorough && found.some((finding) => finding?.verdict === "allowed")) continue;
      const most = this.thorough || found[0] !== undefined ? own.length : 1;
      for (let i = 0; i < Math.min(most, own.length); i++) if (!found[i]) tasks.set(keys[i]!, own[i]!);
    }
    return tasks;
  }

  /** Takes over what is forbidden on a weaker CPU; true when there was such a finding. */
  private follows(key: string, task: Task): boolean {
    const weaker = (this.forbidden.get(task.scenario) ?? []).find((other) => isWeaker(other.task, task));
    if (weaker) this.findings.set(key, { ...weaker.finding, milliseconds: 0 });
    return weaker !== undefined;
  }

  /** The answer to one of {@link next}'s tasks. */
  found(key: string, finding: Finding): void {
    this.findings.set(key, finding);
    if (finding.verdict !== "forbidden") return;
    const task = this.asked.get(key)!;
    const list = this.forbidden.get(task.scenario) ?? [];
    this.forbidden.set(task.scenario, [...list, { task, finding }]);
  }

  /** The verdicts, one for each question. */
  results(): SignOff[] {
    return this.asking.map(({ question, keys }) => question.conclude(keys.map((key) => this.findings.get(key))));
  }
}

/** Answers questions, one scenario after the other. */
export function signOff(questions: readonly Question[], limits: Limits): SignOff[] {
  const inquiry = new Inquiry(questions, true);
  for (let tasks = inquiry.next(); tasks.size > 0; tasks = inquiry.next())
    for (const [key, task] of tasks) inquiry.found(key, decideTask(task, limits));
  return inquiry.results();
}

/** Over these, the verdict on a scenario is unknown. */
export interface Limits {
  readonly maxStates: number;
  readonly timeoutMs: number;
  /** rules that the model leaves out, as an assumption is not made */
  readonly without?: ReadonlySet<Rule>;
}

/**
 * True for the same scenario on a CPU that may do all that the other's CPU may, and more: features only take freedom away,
 * errata give some. What is forbidden there is forbidden here.
 */
function isWeaker(one: Task, other: Task): boolean {
  return one.scenario === other.scenario && mayAll(one.cpu, other.cpu) && !mayAll(other.cpu, one.cpu);
}

const mayAll = (a: Cpu, b: Cpu): boolean =>
  a.ets2 <= b.ets2 &&
  a.nTlbpa <= b.nTlbpa &&
  a.bbm <= b.bbm &&
  SYMPTOM_WORDS.every((word) => a.symptoms[word] >= b.symptoms[word]);

/** Decides one task. A scenario that the prover does not take, as the policy is too long, is unsupported. */
export function decideTask(task: Task, limits: Limits): Finding {
  const begun = performance.now();
  const decision = decisionOn(task, limits);
  return { ...decision, milliseconds: performance.now() - begun };
}

function decisionOn(task: Task, limits: Limits): Decision {
  if (unknownIn(scenarioOf(task)) !== undefined)
    return { verdict: "unsupported", reason: UNKNOWN, states: 0, timelines: 0 };
  try {
    return explore(taskProgram(task), { ...task.cpu, ...limits });
  } catch (error) {
    if (!(error instanceof InputError || error instanceof Unsupported)) throw error;
    return { verdict: "unsupported", reason: error.message.replace(`${task.name}:`, "line "), states: 0, timelines: 0 };
  }
}
