/** Puts questions to the prover in worker threads: what `prove` and `compare` share. */
import { DEFAULT_MAX_STATES, type Finding, Inquiry, type Limits, type Question, type SignOff } from "../prove/index.js";
import { handsOf, Lazily } from "./hands.js";
import { holdsSome } from "./kept.js";
import type { ProveJob } from "./prove-worker.js";
import { type Bounds, recalled } from "./verdicts.js";

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

/** Who decides; they come to be only where something is not kept. */
const deciders = ({ queue }: Bounds): Lazily => new Lazily(() => handsOf(queue, [PROVE_WORKER], "parts of the proof"));

/** Decides all that an inquiry wants decided, by `hands` that may be others' too, or by its own. */
export async function decide(
  inquiry: Inquiry,
  limits: Bounds,
  signal: AbortSignal,
  hands?: Lazily,
): Promise<SignOff[]> {
  const own = hands ?? deciders(limits);
  try {
    return await decideBy(inquiry, limits, signal, own);
  } finally {
    if (hands === undefined) await own.end();
  }
}

async function decideBy(inquiry: Inquiry, limits: Bounds, signal: AbortSignal, hands: Lazily): Promise<SignOff[]> {
  for (let all = [...inquiry.next()]; all.length > 0; all = [...inquiry.next()]) {
    const tasks = all.filter(([key, task]) => {
      // A queue looks by itself, and tells how much was kept.
      const kept = limits.queue === undefined ? recalled(task, limits) : undefined;
      if (kept !== undefined) inquiry.found(key, kept);
      return kept === undefined;
    });
    if (tasks.length === 0) continue;
    const jobs: KeyedJob[] = [];
    for (let i = 0; i < tasks.length; i += CHUNK) {
      const chunk = tasks.slice(i, i + CHUNK);
      jobs.push({ keys: chunk.map(([key]) => key), job: { tasks: chunk.map(([, task]) => task), limits } });
    }
    const answers = await hands.get().answers<ProveJob, Finding[]>(PROVE_WORKER, jobs.map(({ job }) => job), signal); // biome-ignore format: one row
    answers.forEach((findings, i) => {
      findings.forEach((finding, k) => {
        inquiry.found(jobs[i]!.keys[k]!, finding);
      });
    });
  }
  return inquiry.results();
}

/** Asks, and decides with stories on all cores; the questions are made while the threads load, which they do where nothing is kept. */
export async function proveInThreads(
  ask: () => Question[],
  limits: Bounds,
  signal: AbortSignal,
): Promise<{ readonly questions: readonly Question[]; readonly results: SignOff[] }> {
  const hands = deciders(limits);
  if (limits.verdicts === undefined || !holdsSome(limits.verdicts)) hands.get();
  try {
    const questions = ask();
    return { questions, results: await decide(new Inquiry(questions, true), limits, signal, hands) };
  } finally {
    await hands.end();
  }
}
