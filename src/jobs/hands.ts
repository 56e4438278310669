/** Who does a command's jobs. */
import type { Hands } from "./answers.js";
import { Threads } from "./pool.js";
import { Queued } from "./queue/queued.js";

/** The workers of a queue, or threads of this machine; `what` and `text` as {@link Threads} has them, `most` for threads. */
export const handsOf = (
  queue: string | undefined,
  workers: readonly string[],
  what: string,
  most = Number.POSITIVE_INFINITY,
  text?: () => string,
): Hands => (queue === undefined ? new Threads(workers, what, most, text) : new Queued(queue, what, text));

/** Answers of `worker` to jobs, in their order. A single job goes to a thread too, so that Ctrl-C is heard meanwhile. */
export async function doneBy<Job, Answer>(
  queue: string | undefined,
  worker: string,
  jobs: readonly Job[],
  what: string,
  signal: AbortSignal,
): Promise<Answer[]> {
  if (jobs.length === 0) return [];
  const hands = handsOf(queue, [worker], what, jobs.length);
  try {
    return await hands.answers(worker, jobs, signal);
  } finally {
    await hands.end();
  }
}

/** Hands that are there once somebody asks for them. */
export class Lazily {
  private hands: Hands | undefined;

  constructor(private readonly make: () => Hands) {}

  readonly get = (): Hands => {
    this.hands ??= this.make();
    return this.hands;
  };

  /** Lets them go, if there are any. */
  async end(): Promise<void> {
    await this.hands?.end();
  }
}
