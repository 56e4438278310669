/** A comparison on all cores: simulations and proofs side by side. */
import { type CompareResult, type Comparison, type Job, Plan, questionsOf, withVerdicts } from "../compare/index.js";
import { InputError } from "../input/index.js";
import { Inquiry } from "../prove/index.js";
import type { JobAnswer } from "./compare-worker.js";
import { DEFAULT_LIMITS, decide, PROVE_WORKER } from "./decide.js";
import { Threads } from "./pool.js";
import type { Verdicts } from "./verdicts.js";

/** The file that simulates. */
const SIMULATE_WORKER = "./compare-worker.js";

/** Threads for a comparison, which load while it is read; with `proved`, also for its verdicts. */
export const comparingThreads = (proved: boolean): Threads =>
  new Threads([SIMULATE_WORKER, ...(proved ? [PROVE_WORKER] : [])], "parts of the comparison");

/** Simulates, and proves if asked, in as many threads as there are cores; or in some that are there already. */
export async function compareInThreads(
  comparison: Comparison,
  proved: boolean,
  signal: AbortSignal,
  early?: Threads,
  kept?: Verdicts,
): Promise<CompareResult> {
  const threads = early ?? comparingThreads(proved);
  try {
    const plan = new Plan(comparison);
    const simulated = threads.answers<Job, JobAnswer>(SIMULATE_WORKER, plan.jobs, signal, (answer, job) => {
      if ("refused" in answer) throw new InputError(answer.refused);
      plan.done(job, answer.results);
    });
    const inquiry = new Inquiry(proved ? questionsOf(comparison) : [], false);
    const [, verdicts] = await Promise.all([
      simulated,
      decide(inquiry, { ...DEFAULT_LIMITS, verdicts: kept }, threads, signal),
    ]);
    return proved ? withVerdicts(plan.result(), comparison, verdicts) : plan.result();
  } finally {
    await threads.end();
  }
}
