/** Two CPUs put to the same sequences: those that are sound on one of them only. */
import { type Policy, parsePolicy } from "../policy/index.js";
import { Inquiry, Question, type SignOff } from "../prove/index.js";
import { policyText, proofsOf, Searcher, type Sequence, type Space, sizeOf, wordsOf } from "../synth/index.js";
import { decide } from "./decide.js";
import { searchInThreads } from "./synthesize.js";
import type { Bounds } from "./verdicts.js";

/** A sequence that is sound on one CPU, and no weaker one is there; and how it fails on the other. */
export interface OnlyOn {
  readonly cpu: string;
  readonly sequence: string;
  readonly policy: Policy;
  /** unsound, or unknown */
  readonly other: SignOff;
}

/** What was found of two CPUs. */
export interface CpusDistinguished {
  readonly space: Space;
  readonly size: number;
  /** sequences that are sound on each of the two; on both; and that were not decided */
  readonly sound: readonly [number, number];
  readonly both: number;
  readonly unknown: number;
  /** those with the shortest story first */
  readonly only: readonly OnlyOn[];
}

/** Searches the space on each of its two CPUs and on both. */
export async function distinguishCpus(space: Space, limits: Bounds, signal: AbortSignal): Promise<CpusDistinguished> {
  const [a, b] = space.cpus as readonly [Space["cpus"][number], Space["cpus"][number]];
  const search = (cpus: Space["cpus"]) => searchInThreads({ ...space, cpus }, limits, [], signal, () => {});
  const found = [await search([a]), await search([b]), await search([a, b])] as const;
  const questions = [a, b].flatMap((cpu, i) => {
    const other = i === 0 ? b : a;
    return weakestOf({ ...space, cpus: [cpu] }, found[i]!.learnt).flatMap((sequence, k) => {
      const policy = policyOf(sequence, space, `sound-on-${i === 0 ? "first" : "second"}-${k + 1}`);
      return proofsOf(space.occasion).map((proof) => ({
        ...{ cpu: cpu.name, sequence: wordsOf(sequence), policy },
        question: new Question(policy, proof, other, space.setting),
      }));
    });
  });
  const asked = questions.map(({ question }) => question);
  const verdicts = await decide(new Inquiry(asked, true), limits, signal);
  const only = questions.flatMap(({ question: _, ...one }, i): OnlyOn[] =>
    verdicts[i]!.verdict === "sound" ? [] : [{ ...one, other: verdicts[i]! }],
  );
  const steps = ({ other }: OnlyOn): number => other.witness?.length ?? Number.POSITIVE_INFINITY;
  return {
    ...{ space, size: sizeOf(space), both: found[2].tally.sound },
    sound: [found[0].tally.sound, found[1].tally.sound],
    unknown: found.reduce((n, { tally }) => n + tally.unknown, 0),
    only: only.sort((x, y) => steps(x) - steps(y)),
  };
}

function weakestOf(space: Space, learnt: Parameters<Searcher["learn"]>[0]): Sequence[] {
  const never = (): never => {
    throw new Error("everything has been decided");
  };
  const searcher = new Searcher(space, never, never);
  searcher.learn(learnt);
  return searcher.weakest();
}

function policyOf(sequence: Sequence, space: Space, name: string): Policy {
  const text = policyText(sequence, space, {
    ...{ name, title: wordsOf(sequence) },
    source: `found by shootdown distinguish --occasion ${space.occasion}; everything else as ${space.base.name}`,
  });
  return parsePolicy(text, `${name}.toml`, () => space.base);
}
