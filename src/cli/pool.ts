/** Work on all cores: jobs side by side in worker threads, with progress on a terminal and an end on Ctrl-C. */
import { setMaxListeners } from "node:events";
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { Progress } from "./progress.js";

const pathOf = (worker: string): string => new URL(worker, import.meta.url).href;

/** As many threads as there are cores, or as there are jobs; they load `worker` (a file of this folder) at once. */
export class Threads {
  private readonly pool: Piscina;
  private readonly count: number;
  private readonly progress: Progress;
  private readonly loops: Promise<void>[] = [];
  private readonly counts = { done: 0, all: 0 };
  private failure: { readonly error: unknown } | undefined;

  /** `what` names the jobs to who waits. */
  constructor(worker: string, what: string, most = Number.POSITIVE_INFINITY) {
    this.count = Math.max(1, Math.min(availableParallelism(), most));
    this.pool = new Piscina({ filename: pathOf(worker), minThreads: this.count, maxThreads: this.count });
    this.progress = new Progress(what);
  }

  /**
   * Answers of `worker` (a default export) to jobs, in their order; `done` hears each as it comes. Several calls may go on
   * side by side. When one fails, or a `done` throws, none begins another job.
   */
  async answers<Job, Answer>(
    worker: string,
    jobs: readonly Job[],
    signal: AbortSignal,
    done: (answer: Answer, job: Job) => void = () => {},
  ): Promise<Answer[]> {
    setMaxListeners(4 * this.count + 1, signal);
    this.counts.all += jobs.length;
    const filename = pathOf(worker);
    const answers: Answer[] = [];
    const waiting = jobs.entries();
    const loop = async (): Promise<void> => {
      for (const [index, job] of waiting) {
        if (this.failure !== undefined) return;
        try {
          answers[index] = (await this.pool.run(job, { filename, signal })) as Answer;
          done(answers[index]!, job);
          await this.progress.update(++this.counts.done, this.counts.all);
        } catch (error) {
          this.failure ??= { error };
        }
      }
    };
    const loops = Array.from({ length: this.count }, loop);
    this.loops.push(...loops);
    await Promise.all(loops);
    if (this.failure !== undefined) throw this.failure.error;
    return answers;
  }

  /** Ends the threads. First each answers what it is at: Node.js may crash when a thread that is still loading is stopped. */
  async end(): Promise<void> {
    this.progress.stop();
    await Promise.all(this.loops);
    this.pool.on("error", () => {}); // a worker may answer while it is being stopped: nobody waits for that any more
    await this.pool.destroy();
  }
}

/** Answers of `worker` to jobs, in their order. A single job goes to a thread too, so that Ctrl-C is heard meanwhile. */
export async function inThreads<Job, Answer>(
  worker: string,
  jobs: readonly Job[],
  what: string,
  signal: AbortSignal,
): Promise<Answer[]> {
  if (jobs.length === 0) return [];
  const threads = new Threads(worker, what, jobs.length);
  try {
    return await threads.answers(worker, jobs, signal);
  } finally {
    await threads.end();
  }
}
