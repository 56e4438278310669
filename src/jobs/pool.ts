/** Work on all cores: jobs side by side in worker threads, with progress on a terminal and an end on Ctrl-C. */
import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { InputError } from "../input/index.js";
import { AnswersInOrder } from "./answers.js";
import { io } from "./io.js";
import type { Said } from "./thread.js";
import { loadWorks, type Outcome, type Sent } from "./works.js";

const pathOf = (worker: string): string => new URL(worker, import.meta.url).href;

/** A job that waits for a thread or is being done. */
interface Task extends Sent {
  readonly answered: (answer: unknown) => void;
  readonly failed: (error: unknown) => void;
}

/** Who does tasks: loading, idle, at a task, or dead. */
abstract class Hand {
  task: Task | undefined;
  idle = false;

  /** `free` is called whenever it has nothing to do. */
  constructor(private readonly free: () => void) {}

  begin(task: Task): void {
    this.idle = false;
    this.task = task;
    const { file, job } = task;
    this.send({ file, job });
  }

  abstract stop(): Promise<void>;

  protected abstract send(sent: Sent): void;

  /** To be called with what came of the task, or when it has loaded. */
  protected heard(said: Said): void {
    const { task } = this;
    this.task = undefined;
    this.idle = true;
    if ("answer" in said) task!.answered(said.answer);
    else if ("error" in said) task!.failed(said.error);
    this.free();
  }
}

/** A worker thread. */
class Thread extends Hand {
  /** resolves when it can be stopped: Node.js may crash when a thread that is still loading is */
  private readonly settled: Promise<void>;
  private readonly worker: Worker;

  /** `died` is called when it ends before it is told to. */
  constructor(files: readonly string[], free: () => void, died: (error: unknown) => void) {
    super(free);
    this.worker = new Worker(new URL("./thread.js", import.meta.url), { workerData: files, execArgv: [] });
    this.settled = new Promise((resolve) => {
      this.worker.on("message", (said: Said) => {
        resolve();
        this.heard(said);
      });
      this.worker.on("error", (error) => {
        resolve();
        died(error);
      });
      this.worker.on("exit", (status) => {
        resolve();
        died(new Error(`exit status ${status}`));
      });
    });
  }

  protected send(sent: Sent): void {
    this.worker.postMessage(sent);
  }

  async stop(): Promise<void> {
    await this.settled;
    await this.worker.terminate();
  }
}

/** This thread, where no other is to be had; jobs and answers are copied, as on their way between threads. */
class Here extends Hand {
  private readonly work: Promise<(sent: Sent) => Outcome>;

  constructor(
    files: readonly string[],
    free: () => void,
    private readonly died: (error: unknown) => void,
  ) {
    // biome-ignore format: one row
    super(free);
    this.work = loadWorks(files);
    this.work.then(() => this.heard({ loaded: true }), died);
  }

  protected send(sent: Sent): void {
    this.does(structuredClone(sent)).then((outcome) => this.heard(outcome), this.died);
  }

  /** A turn of the event loop before each job lets others hear of the one before, and of signals. */
  private async does(sent: Sent): Promise<Outcome> {
    const work = await this.work;
    await setImmediate();
    return structuredClone(work(sent));
  }

  async stop(): Promise<void> {}
}

/**
 * As many threads as there are cores, or as there are jobs, or as the command may have; they load the workers (files of this
 * folder) at once.
 */
export class Threads extends AnswersInOrder {
  private readonly threads: readonly Hand[];
  private readonly waiting: Task[] = [];
  private ended = false;

  /** `what` names the jobs to who waits; or `text` says how far they are. */
  constructor(workers: readonly string[], what: string, most = Number.POSITIVE_INFINITY, text?: () => string) {
    super(what, text);
    const files = workers.map(pathOf);
    const allowed = io().threads;
    const OneHand = allowed === 0 ? Here : Thread;
    this.threads = Array.from(
      { length: Math.max(1, Math.min(availableParallelism(), most, allowed)) },
      () => new OneHand(files, () => this.assign(), (error) => this.died(error)), // biome-ignore format: one row
    );
  }

  /** Ends the threads, each once it has loaded. */
  async end(): Promise<void> {
    this.ended = true;
    this.progress.stop();
    await Promise.all(this.threads.map((thread) => thread.stop()));
  }

  protected override answer(worker: string, job: unknown): Promise<unknown> {
    return new Promise((answered, failed) => {
      if (this.failure) failed(this.failure.error);
      else this.waiting.push({ file: pathOf(worker), job, answered, failed });
      this.assign();
    });
  }

  private assign(): void {
    for (const thread of this.threads) {
      if (this.waiting.length === 0) return;
      if (thread.idle) thread.begin(this.waiting.shift()!);
    }
  }

  protected override fail(error: unknown): void {
    this.failure ??= { error };
    const tasks = [...this.waiting.splice(0), ...this.threads.flatMap(({ task }) => task ?? [])];
    for (const { failed } of tasks) failed(this.failure.error);
  }

  /** None is started in its place: what it died of would happen again. */
  private died(error: unknown): void {
    if (!this.ended) this.fail(deathOf(error));
  }
}

/** Why a thread died, and what a user can do. */
function deathOf(error: unknown): InputError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ERR_WORKER_OUT_OF_MEMORY")
    return new InputError(
      "a worker thread ran out of memory: ask for less (a smaller --max-states, fewer or smaller inputs), or allow more, as by NODE_OPTIONS=--max-old-space-size=8192 (MiB)",
    );
  return new InputError(`a worker thread died (${message}): is the installation whole, and is there memory for it?`);
}
