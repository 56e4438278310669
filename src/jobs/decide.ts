/** Puts questions to the prover in worker threads: what `prove` and `compare` share. */
import { DEFAULT_MAX_STATES, type Finding, Inquiry, type Limits, type Question, type SignOff } from "../prove/index.js";
import type { Hands } from "./answers.js";
import { handsOf } from "./hands.js";
import type { ProveJob } from "./prove-worker.js";
import type { Bounds } from "./verdicts.js";

/** The file that decides. */
export const PROVE_WORKER = "./prove-worker.js";
/** Bounds for each scenario, unless a user says otherwise. */
export const DEFAULT_LIMITS: Limits = { maxStates: DEFAULT_MAX_STATES, timeoutMs: 60_000 };
/** Scenarios that one thread decides at a time: fewer would be talk between threads, more would leave one idle at the end. */
const CHUNK = 4;

/** A job, and the keys of its tasks. */
interface KeyedJob {
  readonly keys: readonly string[];
  readonly job: ProveJob;
}

/** Decides all that an inquiry wants decided. */
export async function decide(
  inquiry: Inquiry,
  limits: Bounds,
  threads: Hands,
  signal: AbortSignal,
): Promise<SignOff[]> {
  for (let tasks = [...inquiry.next()]; tasks.length > 0; tasks = [...inquiry.next()]) {
    const jobs: KeyedJob[] = [];
    for (let i = 0; i < tasks.length; i += CHUNK) {
      const chunk = tasks.slice(i, i + CHUNK);
      jobs.push({ keys: chunk.map(([key]) => key), job: { tasks: chunk.map(([, task]) => task), limits } });
    }
    const answers = await threads.answers<ProveJob, Finding[]>(PROVE_WORKER, jobs.map(({ job }) => job), signal); // biome-ignore format: one row
    answers.forEach((findings, i) => {
      findings.forEach((finding, k) => {
        inquiry.found(jobs[i]!.keys[k]!, finding);
      });
    });
  }
  return inquiry.results();
}

/** Asks, and decides with stories on all cores; the questions are made while the threads load. */
export async function proveInThreads(
  ask: () => Question[],
  limits: Bounds,
  signal: AbortSignal,
): Promise<{ readonly questions: readonly Question[]; readonly results: SignOff[] }> {
  const threads = handsOf(limits.queue, [PROVE_WORKER], "parts of the proof");
  try {
    const questions = ask();
    return { questions, results: await decide(new Inquiry(questions, true), limits, threads, signal) };
  } finally {
    await threads.end();
  }
}
