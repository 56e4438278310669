/** What of a policy is needed: each of its instructions taken out, or made weaker, and the policy judged again as `prove` does. */
import { type CpuProfile, needs } from "../arch/index.js";
import { missingFeature, type Occasion, type Policy, specialise } from "../policy/index.js";
import {
  type Finding,
  PROVED,
  type ProvedOccasion,
  Question,
  type Setting,
  type SignOff,
  type Task,
} from "../prove/index.js";
import { edited, instructionsOf, linesRun, type Placed } from "./edit.js";
import { atLeast, type Instruction, instructionsOn } from "./instruction.js";
import { Judge, type Refutation } from "./judge.js";

/** What an instruction is: without it a scenario fails; nothing fails; a weaker one does; nothing runs it; or nobody knows. */
export type Need = "needed" | "superfluous" | "stronger" | "not-run" | "unknown";

/** An instruction and what was found of it, all others left as they are. Plain data. */
export interface Accounted {
  readonly occasion: Occasion;
  readonly line: number;
  readonly code: string;
  readonly need: Need;
  /** CPUs that run it, and those on which it is needed */
  readonly runOn: readonly string[];
  readonly neededOn: readonly string[];
  /** the weakest forms that are sound in its place, on all CPUs that run it */
  readonly weakest: readonly string[];
  /** what goes wrong without it */
  readonly story?: SignOff;
  /** why it is not known */
  readonly reason?: string;
}

/** What is asked of a policy. */
export interface Minimized {
  readonly occasions: readonly ProvedOccasion[];
  readonly cpus: readonly CpuProfile[];
  readonly setting: Setting;
}

/** What was found of the code of one occasion. Plain data. */
export interface Minimal {
  readonly occasion: Occasion;
  /** proofs in which the code runs */
  readonly proofs: readonly ProvedOccasion[];
  /** CPUs on which the policy is sound there; elsewhere there is nothing to keep */
  readonly cpus: readonly string[];
  /** CPUs left out, with why */
  readonly leftOut: readonly { readonly cpu: string; readonly why: string }[];
  readonly instructions: readonly Accounted[];
  /** the policy when one instruction after the other is taken out or made as weak as it can be */
  readonly result: Policy;
  /** the steps to it, in words */
  readonly steps: readonly string[];
  readonly judged: number;
  readonly scenarios: number;
}

/** Looks at the code of one occasion. `told`: each instruction as it is done. */
export function minimizeOccasion(
  policy: Policy,
  occasion: Occasion,
  asked: Minimized,
  decide: (task: Task) => Finding,
  told: () => void = () => {},
): Minimal {
  return new Minimizing(policy, occasion, asked, decide).all(told);
}

/** Occasions of a policy that have code, for which any of the proofs is asked about. */
export const minimizedOccasions = (policy: Policy): Occasion[] =>
  (Object.keys(policy.code) as Occasion[]).filter((occasion) => policy.code[occasion].length > 0);

class Minimizing {
  private readonly judges = new Map<string, Judge>();
  private readonly proofs: readonly ProvedOccasion[];
  private readonly usable: readonly CpuProfile[];
  private readonly leftOut: { cpu: string; why: string }[] = [];

  constructor(
    private readonly policy: Policy,
    private readonly occasion: Occasion,
    private readonly asked: Minimized,
    private readonly decide: (task: Task) => Finding,
  ) {
    this.proofs = this.proofsOf();
    this.usable = asked.cpus.filter((cpu) => {
      const why = this.whyNot(cpu);
      if (why !== undefined) this.leftOut.push({ cpu: cpu.name, why });
      return why === undefined;
    });
  }

  /** The proofs whose scenarios change when the code goes. */
  private proofsOf(): ProvedOccasion[] {
    const { policy, occasion } = this;
    const without = { ...policy, code: { ...policy.code, [occasion]: [] } };
    const { cpus, setting } = this.asked;
    const texts = (of: Policy, proof: ProvedOccasion, cpu: CpuProfile): string =>
      new Question(of, proof, cpu, setting).tasks.map(({ scenario }) => scenario).join();
    return this.asked.occasions.filter((proof) =>
      cpus.some((cpu) => PROVED[proof].of === occasion || texts(policy, proof, cpu) !== texts(without, proof, cpu)),
    );
  }

  private judgeOn(cpu: CpuProfile): Judge {
    const known =
      this.judges.get(cpu.name) ??
      new Judge({ occasions: this.proofs, cpus: [cpu], setting: this.asked.setting }, this.decide);
    this.judges.set(cpu.name, known);
    return known;
  }

  private whyNot(cpu: CpuProfile): string | undefined {
    const missing = missingFeature(this.policy, cpu);
    if (missing !== undefined) return `requires ${missing}`;
    const judgement = this.judgeOn(cpu).judge(this.policy);
    if (judgement.verdict === "sound") return undefined;
    return judgement.verdict === "unknown" ? `unknown: ${judgement.reason}` : `unsound: ${judgement.by.scenario}`;
  }

  all(told: () => void): Minimal {
    const { policy, occasion, proofs } = this;
    const own = this.usable.length === 0 || proofs.length === 0 ? [] : instructionsOf(policy, occasion);
    const instructions = own.map((one) => {
      const accounted = this.account(one);
      told();
      return accounted;
    });
    const { result, steps } = this.shrunk(own, instructions);
    const sum = (of: (judge: Judge) => number): number =>
      [...this.judges.values()].reduce((n, judge) => n + of(judge), 0);
    return {
      ...{ occasion, proofs, instructions, result, steps, leftOut: this.leftOut },
      cpus: this.usable.map(({ name }) => name),
      judged: sum(({ counts }) => counts.policies),
      scenarios: sum(({ counts }) => counts.scenarios),
    };
  }

  /** CPUs of those in use that run an instruction. */
  private runners({ occasion, line }: Placed, policy = this.policy): CpuProfile[] {
    return this.usable.filter((cpu) => linesRun(specialise(policy.code[occasion], cpu)).has(line));
  }

  private account(one: Placed): Accounted {
    const { occasion, line, code } = one;
    const runners = this.runners(one);
    const base = { occasion, line, code, runOn: runners.map(({ name }) => name) };
    if (runners.length === 0) return { ...base, need: "not-run", neededOn: [], weakest: [] };
    const without = edited(this.policy, one);
    const found = runners.map((cpu) => ({ cpu, judgement: this.judgeOn(cpu).judge(without) }));
    const refuted = found.flatMap(({ cpu, judgement }) =>
      judgement.verdict === "refuted" ? [{ cpu, by: judgement.by }] : [],
    );
    const open = found.find(({ judgement }) => judgement.verdict === "unknown")?.judgement;
    const neededOn = refuted.map(({ cpu }) => cpu.name);
    const reason = open?.verdict === "unknown" ? { reason: open.reason } : {};
    const [first] = refuted;
    if (first === undefined)
      return { ...base, need: open === undefined ? "superfluous" : "unknown", neededOn, weakest: [], ...reason };
    const story = this.storyOf(without, first.cpu, first.by);
    const weakest = this.weakestFor(this.policy, one, runners).map(({ code: weak }) => weak);
    return { ...base, need: weakest.length > 0 ? "stronger" : "needed", neededOn, weakest, story };
  }

  /** What goes wrong, as `prove` tells it. */
  private storyOf(without: Policy, cpu: CpuProfile, by: Refutation): SignOff {
    const question = new Question(without, by.occasion, cpu, this.asked.setting);
    return question.conclude(question.tasks.map((task) => (task.name === by.scenario ? this.decide(task) : undefined)));
  }

  /** The weakest instructions that hold in place of one, none of which is stronger than another. */
  private weakestFor(policy: Policy, one: Placed, runners: readonly CpuProfile[]): Instruction[] {
    const all = instructionsOn(runners);
    const self = all.find(
      ({ code, over }) => code === one.code && (one.over === undefined || over === one.over || over === "zero"),
    );
    if (self === undefined) return [];
    const repeat = runners.some((cpu) => needs(cpu, "repeat-tlbi"));
    const fits = ({ over }: Instruction): boolean =>
      one.over === undefined || over === undefined || over === "zero" || over === one.over;
    const under = (a: Instruction): Instruction[] =>
      all.filter((b) => b !== a && atLeast(a, b, repeat) && !atLeast(b, a, repeat));
    const weaker = under(self)
      .filter(fits)
      .sort((a, b) => under(a).length - under(b).length);
    const found: Instruction[] = [];
    for (const other of weaker) {
      if (found.some((weak) => atLeast(other, weak, repeat))) continue;
      if (this.holds(edited(policy, one, other), runners)) found.push(other);
    }
    return found;
  }

  private holds(policy: Policy, cpus: readonly CpuProfile[]): boolean {
    return cpus.every((cpu) => this.judgeOn(cpu).judge(policy).verdict === "sound");
  }

  /** One instruction after the other taken out, or made as weak as it can be, what was done before kept. */
  private shrunk(own: readonly Placed[], accounted: readonly Accounted[]): { result: Policy; steps: string[] } {
    let result = this.policy;
    const steps: string[] = [];
    own.forEach((one, i) => {
      const { need, code, line } = accounted[i]!;
      const runners = this.runners(one, result);
      if (runners.length === 0 || need === "unknown" || need === "needed") return;
      const without = edited(result, one);
      if (need === "superfluous" && this.holds(without, runners)) {
        result = without;
        steps.push(`line ${line}: ${code} goes`);
        return;
      }
      const [weak] = this.weakestFor(result, one, runners);
      if (weak === undefined) return;
      result = edited(result, one, weak);
      steps.push(
        `line ${line}: ${code} becomes ${weak.code}${weak.over && weak.over !== "zero" ? ` for ${weak.over}` : ""}`,
      );
    });
    return { result, steps };
  }
}
