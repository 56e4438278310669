/** Work on all cores: jobs side by side in worker threads, with progress on a terminal and an end on Ctrl-C. */
import { setMaxListeners } from "node:events";
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { Progress } from "./progress.js";

/**
 * Answers of `worker` (a file of this folder with a default export) to jobs, in their order. A single job goes to a thread
 * too, so that Ctrl-C is heard meanwhile. `what` names the jobs to who waits.
 */
export async function inThreads<Job, Answer>(
  worker: string,
  jobs: readonly Job[],
  what: string,
  signal: AbortSignal,
): Promise<Answer[]> {
  // biome-ignore format: one row
  const threads = Math.max(1, Math.min(availableParallelism(), jobs.length));
  const pool = new Piscina({ filename: new URL(worker, import.meta.url).href, minThreads: threads, maxThreads: threads }); // biome-ignore format: one row
  setMaxListeners(threads + 1, signal);
  const progress = new Progress(what);
  const answers: Answer[] = [];
  const waiting = jobs.entries();
  let done = 0;
  const work = async (): Promise<void> => {
    for (const [index, job] of waiting) {
      answers[index] = (await pool.run(job, { signal })) as Answer;
      await progress.update(++done, jobs.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: threads }, work));
    return answers;
  } finally {
    progress.stop();
    pool.on("error", () => {}); // a worker may answer while it is being stopped: nobody waits for that any more
    await pool.destroy();
  }
}
