/** Who does jobs side by side, and what threads and queues have in common: answers in their order, and one end for all. */
import { Progress } from "./progress.js";

/** Who does jobs side by side. */
export interface Hands {
  /**
   * Answers of `worker` (a default export of a file of this folder) to jobs, in their order; `done` hears each as it comes. Several calls
   * may go on side by side. When a job fails, or a `done` throws, or who does them dies, all calls reject and no other job begins.
   */
  answers<Job, Answer>(
    worker: string,
    jobs: readonly Job[],
    signal: AbortSignal,
    done?: (answer: Answer, job: Job) => void,
  ): Promise<Answer[]>;
  /** Lets them go. */
  end(): Promise<void>;
}

/** {@link Hands} by whoever answers a job: how far they are is shown, and the first failure is everybody's. */
export abstract class AnswersInOrder implements Hands {
  protected readonly progress: Progress;
  protected readonly counts = { done: 0, all: 0 };
  protected failure: { readonly error: unknown } | undefined;

  /** `what` names the jobs to who waits; or `text` says how far they are. */
  constructor(what: string, text?: () => string) {
    this.progress = new Progress(what, text);
  }

  async answers<Job, Answer>(
    worker: string,
    jobs: readonly Job[],
    signal: AbortSignal,
    done: (answer: Answer, job: Job) => void = () => {},
  ): Promise<Answer[]> {
    const stop = (): void => this.fail(signal.reason);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    this.counts.all += jobs.length;
    try {
      return await Promise.all(
        jobs.map(async (job) => {
          const answer = (await this.answer(worker, job)) as Answer;
          done(answer, job);
          this.progress.update(++this.counts.done, this.counts.all);
          return answer;
        }),
      );
    } catch (error) {
      this.fail(error);
      throw this.failure!.error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  abstract end(): Promise<void>;

  /** What a worker file makes of a job. */
  protected abstract answer(worker: string, job: unknown): Promise<unknown>;

  /** Nobody waits for anything any more: sets `failure`, unless it is set, and rejects what is open with it. */
  protected abstract fail(error: unknown): void;
}
