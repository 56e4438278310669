/** A worker of a queue: takes jobs, decides them in threads of this machine, and gives back answers. */
import { hostname } from "node:os";
import { InputError } from "../../input/index.js";
import { buildName } from "../build.js";
import { plain } from "../plain.js";
import { Threads } from "../pool.js";
import { queueAddress } from "./address.js";
import { type JobData, Link, QUEUE, type QueueJob, within } from "./link.js";
import { type Most, OpenedSearch, opened, searchOf, WORKER_FILES } from "./payload.js";
import { learntKey, searchKey } from "./queued.js";

/** How a worker works. */
interface WorkerAsked {
  readonly queue: string;
  /** jobs side by side */
  readonly jobs: number;
  /** seconds after which the jobs of a worker that is not heard of go to others */
  readonly lease: number;
  /** bounds: a job that asks for more is refused */
  readonly most: Most;
}

/** Searches that a worker keeps at hand. */
const SEARCHES = 4;
/** Times that a job may be taken over. */
const TAKEN_OVER = 3;

/** Takes jobs until it is told to stop, or the queue is gone: then throws an InputError. `ready` is called when it has joined. */
export async function serveQueue(
  { queue, jobs, lease, most }: WorkerAsked,
  signal: AbortSignal,
  ready: () => void,
): Promise<void> {
  const link = await Link.open(queueAddress(queue), "worker");
  const hands = new WorkerHands(link, most, jobs, signal);
  const worker = link.watched(
    new link.bullmq.Worker<JobData, unknown>(QUEUE, (job, token) => hands.process(job, token), {
      connection: link.redis,
      name: `${hostname()}:${process.pid}`,
      concurrency: jobs,
      lockDuration: 1000 * lease,
      stalledInterval: 1000 * lease,
      maxStalledCount: TAKEN_OVER,
    }),
  );
  try {
    ready();
    await Promise.race([link.broken, aborted(signal)]);
  } finally {
    await within(worker.close(), 2000);
    await hands.end();
    await link.close();
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
  });

/** What does the jobs: a thread for each that may go on at a time, started anew where one has died. */
class WorkerHands {
  private readonly free: (Threads | undefined)[];
  private readonly searches = new Map<string, OpenedSearch>();
  private numbers = 0;
  private readonly counts = { done: 0, now: 0 };

  constructor(
    private readonly link: Link,
    private readonly most: Most,
    jobs: number,
    private readonly signal: AbortSignal,
  ) {
    this.free = Array.from({ length: jobs }, () => undefined);
  }

  /** Does a job of the queue. What cannot be done is thrown as BullMQ wants it: tried again, or never again. */
  async process(job: QueueJob, token: string | undefined): Promise<unknown> {
    const { UnrecoverableError, WaitingError } = this.link.bullmq;
    let asked: ReturnType<typeof opened>;
    try {
      asked = await this.opened(job.data);
    } catch (error) {
      if (error instanceof InputError) throw new UnrecoverableError(error.message);
      throw error;
    }
    const threads = this.free.pop() ?? new Threads(WORKER_FILES, "jobs", 1, () => this.text());
    this.counts.now++;
    try {
      const [answer] = await threads.answers(asked.file, [asked.job], this.signal);
      this.free.push(threads);
      this.counts.done++;
      return plain(answer);
    } catch (error) {
      this.free.push(undefined);
      await threads.end();
      // Told to stop: others may have it at once.
      if (this.signal.aborted) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      // A thread that died may not die elsewhere; a fault is the same everywhere.
      if (error instanceof InputError) throw error;
      throw new UnrecoverableError(`a fault of Shootdown itself in a worker, please report it: ${String(error)}`);
    } finally {
      this.counts.now--;
    }
  }

  private async opened(sent: unknown): Promise<ReturnType<typeof opened>> {
    const { build, kind, data } = (sent ?? {}) as Partial<JobData>;
    if (build !== buildName())
      throw new InputError(
        `a worker of shootdown ${buildName()} was given a job of ${typeof build === "string" ? build.slice(0, 100) : "no build"}: expected the same on both ends`,
      );
    const id = searchOf(kind, data);
    return opened(kind, data, this.most, id === undefined ? undefined : await this.searchOf(id));
  }

  /** A search with what it has learnt until now. */
  private async searchOf(id: string): Promise<OpenedSearch | undefined> {
    const { redis } = this.link;
    let search = this.searches.get(id);
    if (search === undefined) {
      const text = await redis.get(searchKey(id));
      if (text === null) return undefined;
      search = new OpenedSearch(JSON.parse(text), this.most, ++this.numbers);
      this.searches.set(id, search);
      for (const old of [...this.searches.keys()].slice(0, -SEARCHES)) this.searches.delete(old);
    }
    const from = search.taken;
    const learnt = (await redis.lrange(learntKey(id), from, -1)).map((text): unknown => JSON.parse(text));
    // Two jobs may have asked at the same time.
    search.learn(learnt.slice(search.taken - from));
    return search;
  }

  private text(): string {
    const { done, now } = this.counts;
    return `${done.toLocaleString("en")} jobs done, ${now} at work`;
  }

  async end(): Promise<void> {
    await Promise.all(this.free.map((threads) => threads?.end()));
  }
}
