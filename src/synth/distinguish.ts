/** Where two policies differ: scenarios in which one fails and the other does not, the smallest first. */
import type { Question, SignOff } from "../prove/index.js";

/** A scenario in which one fails and the other does not. */
export interface Distinction {
  readonly occasion: SignOff["occasion"];
  readonly cpu: string;
  readonly scenario: string;
  /** who fails: the first policy, or the second */
  readonly fails: "first" | "second";
  /** how, as `prove` tells it */
  readonly story: SignOff;
}

/** The same question about each of two policies, and the verdicts of all of their scenarios that are not sound. */
interface Asked {
  readonly question: Question;
  /** by the scenario's name: the verdict on that scenario alone */
  readonly failing: ReadonlyMap<string, SignOff>;
}

/** Scenarios of both that only one survives, those with the shortest story first. */
export function distinguish(first: readonly Asked[], second: readonly Asked[]): Distinction[] {
  const found = first.flatMap((one, i) => {
    const other = second[i]!;
    const only = (a: Asked, b: Asked, fails: Distinction["fails"]): Distinction[] =>
      [...a.failing].flatMap(([scenario, story]) =>
        b.failing.has(scenario) || !b.question.tasks.some(({ name }) => name === scenario)
          ? []
          : [{ occasion: story.occasion, cpu: story.cpu, scenario, fails, story }],
      );
    return [...only(one, other, "first"), ...only(other, one, "second")];
  });
  const size = ({ story }: Distinction): number => story.witness?.length ?? 0;
  return found.sort((a, b) => size(a) - size(b));
}
