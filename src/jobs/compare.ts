/** A comparison on all cores: simulations and proofs side by side, and neither done twice. */
import {
  type CompareResult,
  type Comparison,
  type Counted,
  countedBy,
  type Job,
  Plan,
  questionsOf,
  withVerdicts,
} from "../compare/index.js";
import { InputError } from "../input/index.js";
import { Inquiry } from "../prove/index.js";
import type { JobAnswer } from "./compare-worker.js";
import { DEFAULT_LIMITS, decide, PROVE_WORKER } from "./decide.js";
import { Lazily } from "./hands.js";
import { holdsSome, keepAnswer, recall, type Shelf, userShelf } from "./kept.js";
import { plain } from "./plain.js";
import { Threads } from "./pool.js";

/** The file that simulates. */
const SIMULATE_WORKER = "./compare-worker.js";

/** Threads for a comparison; with `proved`, also for its verdicts. */
const comparingThreads = (proved: boolean): Lazily =>
  new Lazily(() => new Threads([SIMULATE_WORKER, ...(proved ? [PROVE_WORKER] : [])], "parts of the comparison"));

/** The same, which load while the comparison is read, unless it may be that nothing is left for them to do. */
export function earlyThreads(proved: boolean, { counts, verdicts }: KeptFor): Lazily {
  const threads = comparingThreads(proved);
  if (!(counts && holdsSome(counts)) || (proved && !(verdicts && holdsSome(verdicts)))) threads.get();
  return threads;
}

/** Where what was found is kept; absent: nowhere. */
export interface KeptFor {
  readonly verdicts: Shelf | undefined;
  readonly counts: Shelf | undefined;
}

/** The user's own, if they are to be used. */
export const keptFor = (cache: boolean): KeptFor => ({
  verdicts: cache ? userShelf("verdicts") : undefined,
  counts: cache ? userShelf("counts") : undefined,
});

/** Simulates, and proves if asked, in as many threads as there are cores; or in some that are there already. */
export async function compareInThreads(
  comparison: Comparison,
  proved: boolean,
  signal: AbortSignal,
  kept: KeptFor,
  early?: Lazily,
): Promise<CompareResult> {
  const threads = early ?? comparingThreads(proved);
  try {
    const plan = new Plan(comparison);
    const inquiry = new Inquiry(proved ? questionsOf(comparison) : [], false);
    const [, verdicts] = await Promise.all([
      simulated(plan, threads, signal, kept.counts),
      decide(inquiry, { ...DEFAULT_LIMITS, verdicts: kept.verdicts }, signal, threads),
    ]);
    return proved ? withVerdicts(plan.result(), comparison, verdicts) : plan.result();
  } finally {
    await threads.end();
  }
}

/** Simulates what nobody has kept: of a job, the policies that are missing. */
async function simulated(plan: Plan, hands: Lazily, signal: AbortSignal, shelf: Shelf | undefined): Promise<void> {
  const partial = plan.jobs.map((job) => {
    const questions = job.policies.map((policy) => JSON.stringify(plain(countedBy(job, policy))));
    const known = questions.map((question) => shelf && (recall(shelf, question) as Counted | undefined));
    return { job, questions, known, rest: { ...job, policies: job.policies.filter((_, i) => known[i] === undefined) } };
  });
  const asked = new Map<Job, (typeof partial)[number]>();
  for (const part of partial) {
    if (part.rest.policies.length === 0) plan.done(part.job, part.known as Counted[]);
    else asked.set(part.rest, part);
  }
  if (asked.size === 0) return;
  await hands.get().answers<Job, JobAnswer>(SIMULATE_WORKER, [...asked.keys()], signal, (answer, rest) => {
    if ("refused" in answer) throw new InputError(answer.refused);
    const { job, questions, known } = asked.get(rest)!;
    const fresh = [...answer.counted];
    const counted = known.map((one, i) => {
      if (one !== undefined) return one;
      const counts = fresh.shift()!;
      if (shelf !== undefined) keepAnswer(shelf, questions[i]!, counts);
      return counts;
    });
    plan.done(job, counted);
  });
}
