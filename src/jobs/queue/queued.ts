/** Jobs done by the workers of a queue: the same answers as threads give, by whoever takes them. */
import { randomBytes } from "node:crypto";
import { InputError } from "../../input/index.js";
import type { Learnt } from "../../synth/index.js";
import { AnswersInOrder } from "../answers.js";
import { buildName } from "../build.js";
import { io } from "../io.js";
import { queueAddress } from "./address.js";
import { isPassing, type JobData, Link, QUEUE, within } from "./link.js";
import { answered, type Part, partsOf, sha256 } from "./payload.js";
import { Pump } from "./pump.js";

/** Most jobs of one command on the queue at a time: enough for a thousand workers, and no more than a server's memory has place for. */
const WINDOW = 4096;
/** Jobs that are handed over in one go. */
const BATCH = 200;
/** Milliseconds between two looks at jobs of which nothing was heard. */
const LOOK = 3_000;
/** Milliseconds after which it is said that there are no workers, and after which they are not waited for any more. */
const LONELY = 5_000;
const ABANDONED = 600_000;
/** What becomes of jobs: tried so often, a second apart; answers are kept for a day, for who asks again. */
const OPTIONS = {
  attempts: 3,
  backoff: { type: "fixed", delay: 1000 },
  removeOnComplete: { age: 86_400, count: 20_000 },
  removeOnFail: { age: 3_600 },
} as const;
/** Seconds for which what a search has learnt is kept. */
const KEPT = 86_400;

interface Waiting {
  readonly part: Part;
  readonly answered: ((answer: unknown) => void)[];
  readonly failed: ((error: unknown) => void)[];
}

/** What a look at a job finds. */
type State =
  | { readonly state: "missing" | "open" }
  | { readonly state: "failed"; readonly reason: string }
  | { readonly state: "done"; readonly answer: unknown };

/** A command's side of a queue. */
export class Queued extends AnswersInOrder {
  /** jobs whose verdicts this machine's cache had: nothing of them went over the queue */
  private recalled = 0;
  private readonly waiting: (readonly [key: string, one: Waiting])[] = [];
  private readonly flying = new Map<string, Waiting>();
  /** by search: what has been told to its workers */
  private readonly told = new Map<string, number>();
  private readonly nonce = randomBytes(8).toString("hex");
  private desk: Promise<Desk> | undefined;
  private readonly pump = new Pump(
    () => this.handOver(),
    () => this.failure === undefined && this.waiting.length > 0 && this.place() > 0,
    (error) => this.fail(error),
  );

  /** `what` names the jobs to who waits; or `text` says how far they are. */
  constructor(
    private readonly url: string,
    private readonly what: string,
    text?: () => string,
  ) {
    super(what, text);
  }

  protected override async answer(worker: string, job: unknown): Promise<unknown> {
    const { parts, join } = partsOf(worker, job);
    const answer = join(await Promise.all(parts.map((part) => this.partAnswer(part))));
    if (parts.every(({ known }) => known !== undefined)) this.recalled++;
    return answer;
  }

  private partAnswer(part: Part): unknown {
    if (part.known !== undefined) return part.known;
    return new Promise((answered, failed) => {
      if (this.failure) return failed(this.failure.error);
      const key = this.keyOf(part);
      const same = this.flying.get(key);
      if (same !== undefined) {
        same.answered.push(answered);
        same.failed.push(failed);
        return;
      }
      const one: Waiting = { part, answered: [answered], failed: [failed] };
      this.flying.set(key, one);
      this.waiting.push([key, one]);
      this.pump.wake();
    });
  }

  /** Equal for what is the same job for the same build, so that it is decided once; where nothing is to be kept, this command's own. */
  private keyOf({ kind, data }: Part): string {
    const { limits } = data as { limits?: { cache?: boolean } };
    const own = limits?.cache === false ? this.nonce : "";
    return `j${sha256(`${buildName()}\n${own}\n${kind}\n${JSON.stringify(data)}`)}`;
  }

  /** How many more jobs may be on the queue. */
  private place(): number {
    return WINDOW - (this.flying.size - this.waiting.length);
  }

  /** Hands over as many as there is place for. */
  private async handOver(): Promise<void> {
    this.desk ??= Desk.open(this.url, this);
    await this.desk;
    await new Promise(setImmediate); // all that is asked for in one turn goes together
    while (this.waiting.length > 0 && this.place() > 0 && !this.failure) {
      const batch = this.waiting.splice(0, Math.min(BATCH, this.place()));
      await this.share(batch.map(([, one]) => one.part));
      await this.look(batch);
    }
  }

  /** Looks at jobs: takes answers, and adds those that are not there. */
  async look(list: readonly (readonly [string, Waiting])[]): Promise<void> {
    const desk = await this.desk!;
    const states = await desk.states(list.map(([key]) => key));
    const missing: Parameters<Desk["add"]>[0][number][] = [];
    const open = list.flatMap(([key, one], i) =>
      this.flying.get(key) === one ? [{ key, one, state: states[i]! }] : [],
    );
    for (const { key, one, state } of open) {
      if (state.state === "done") this.heard(key, state.answer);
      else if (state.state === "missing") missing.push({ key, part: one.part });
      else if (state.state === "failed") {
        // Of an earlier command: what failed then may not fail now. What fails of this one's is told by an event.
        await desk.remove(key);
        missing.push({ key, part: one.part });
      }
    }
    await desk.add(missing);
  }

  /** All of which nothing was heard. */
  async lookAgain(): Promise<void> {
    const handed = new Set(this.waiting.map(([key]) => key));
    const list = [...this.flying].filter(([key]) => !handed.has(key));
    for (let i = 0; i < list.length; i += BATCH) await this.look(list.slice(i, i + BATCH));
  }

  /** Tells workers what searches have learnt. */
  private async share(parts: readonly Part[]): Promise<void> {
    const desk = await this.desk!;
    for (const search of new Set(parts.flatMap(({ search }) => search ?? []))) {
      const from = this.told.get(search.id);
      this.told.set(search.id, search.learnt.length);
      if (from === undefined) await desk.store(search.id, search.shared);
      await desk.tell(search.id, search.learnt.slice(from ?? 0));
    }
  }

  /** An answer came. */
  heard(key: string, plainAnswer: unknown): void {
    const one = this.flying.get(key);
    if (one === undefined) return;
    let answer: unknown;
    try {
      answer = answered(one.part, plainAnswer);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.flying.delete(key);
    if (!one.part.heard(answer)) void this.desk!.then((desk) => within(desk.remove(key)));
    for (const resolve of one.answered) resolve(answer);
    // What it has taught is known when those who waited have heard it.
    if (one.part.search) setImmediate(() => void this.share([one.part]).catch((error) => this.fail(error)));
    this.pump.wake();
  }

  failed(key: string, reason: string): void {
    if (!this.flying.has(key)) return;
    const why = /stalled more than/.test(reason)
      ? "a job was given up: each of four workers that took it ended in the midst of it, or was not heard of any more"
      : reason;
    this.fail(new InputError(why));
  }

  override fail(error: unknown): void {
    this.failure ??= { error: error instanceof InputError ? this.soFar(error) : error };
    for (const { failed } of this.flying.values()) for (const one of failed) one(this.failure.error);
  }

  private soFar({ message }: InputError): InputError {
    const [done, all, recalled] = [this.counts.done - this.recalled, this.counts.all, this.recalled].map((n) =>
      n.toLocaleString("en"),
    );
    const cached = this.recalled > 0 ? `, beside ${recalled} that this machine's cache had` : "";
    return new InputError(`${message} (${done} of ${all} ${this.what} were done${cached})`);
  }

  /** Takes back what nobody has begun, and leaves the queue. */
  async end(): Promise<void> {
    this.progress.stop();
    this.failure ??= { error: new Error("the work has ended") };
    const desk = await this.desk?.catch(() => undefined);
    await desk?.close([...this.flying.keys()]);
  }
}

/** What a command has on a queue. */
class Desk {
  private readonly look: NodeJS.Timeout;
  private readonly lonely: NodeJS.Timeout;
  private alone = 0;

  private constructor(
    private readonly link: Link,
    private readonly queue: ReturnType<Link["queue"]>,
    private readonly events: Awaited<ReturnType<Link["events"]>>,
    of: Queued,
  ) {
    link.broken.catch((error) => of.fail(error));
    events.on("completed", ({ jobId, returnvalue }) => of.heard(jobId, returnvalue));
    events.on("failed", ({ jobId, failedReason }) => of.failed(jobId, failedReason));
    const passing = (error: unknown): void => link.end(link.unusable(error));
    let looking = false;
    this.look = setInterval(() => {
      if (looking) return;
      looking = true;
      of.lookAgain()
        .catch(passing)
        .finally(() => {
          looking = false;
        });
    }, LOOK);
    this.lonely = setInterval(() => this.count(of), LONELY);
  }

  static async open(url: string, of: Queued): Promise<Desk> {
    const link = await Link.open(queueAddress(url), "command");
    try {
      return new Desk(link, link.queue(), await link.events(), of);
    } catch (error) {
      await link.close();
      throw link.unusable(error);
    }
  }

  private count(of: Queued): void {
    if (this.link.workers > 0) {
      this.alone = 0;
      return;
    }
    const { url } = this.link.address;
    if (this.alone === 0)
      io().stderr.write(
        Buffer.from(`shootdown: no worker is on the queue at ${url}: start one with shootdown worker --queue ${url}\n`),
      );
    this.alone += LONELY;
    if (this.alone >= ABANDONED)
      of.fail(new InputError(`no worker came to the queue at ${url} within ${ABANDONED / 1000} s`));
  }

  async states(keys: readonly string[]): Promise<State[]> {
    const pipeline = this.link.redis.pipeline();
    for (const key of keys)
      pipeline.hmget(`bull:${QUEUE}:${key}`, "timestamp", "finishedOn", "failedReason", "returnvalue");
    const found = (await pipeline.exec()) ?? [];
    return found.map(([error, values]): State => {
      // What the server's end has interrupted is seen at the next look.
      if (error && isPassing(error)) return { state: "open" };
      if (error) throw this.link.unusable(error);
      const [timestamp, finishedOn, reason, answer] = values as (string | null)[];
      if (timestamp === null) return { state: "missing" };
      if (finishedOn === null) return { state: "open" };
      return typeof answer === "string"
        ? { state: "done", answer: JSON.parse(answer) }
        : { state: "failed", reason: reason ?? "" };
    });
  }

  async add(list: readonly { readonly key: string; readonly part: Part }[]): Promise<void> {
    if (list.length === 0) return;
    const build = buildName();
    try {
      await this.queue.addBulk(
        list.map(({ key, part: { kind, data } }) => ({
          name: kind,
          data: { build, kind, data } satisfies JobData,
          opts: { jobId: key, ...OPTIONS },
        })),
      );
    } catch (error) {
      // What the server's end has interrupted is missing at the next look.
      if (!isPassing(error)) throw this.link.unusable(error);
    }
  }

  async remove(key: string): Promise<void> {
    await this.queue.remove(key);
  }

  /** What all pieces of a search share. */
  async store(id: string, shared: unknown): Promise<void> {
    try {
      await this.link.redis.set(searchKey(id), JSON.stringify(shared), "EX", KEPT);
    } catch (error) {
      throw this.link.unusable(error);
    }
  }

  async tell(id: string, learnt: readonly Learnt[]): Promise<void> {
    if (learnt.length === 0) return;
    try {
      await this.link.redis.rpush(learntKey(id), ...learnt.map((one) => JSON.stringify(one)));
      await this.link.redis.expire(learntKey(id), KEPT);
    } catch (error) {
      throw this.link.unusable(error);
    }
  }

  /** `left`: jobs of which the answer is not wanted any more; what a worker is at goes on. */
  async close(left: readonly string[]): Promise<void> {
    clearInterval(this.look);
    clearInterval(this.lonely);
    if (this.link.redis.status === "ready") await within(Promise.allSettled(left.map((key) => this.queue.remove(key))));
    await within(this.events.close());
    await within(this.queue.close());
    await this.link.close();
  }
}

/** Where a search is stored, and what it has learnt. */
export const searchKey = (id: string): string => `${QUEUE}:search:${id}`;
export const learntKey = (id: string): string => `${QUEUE}:learnt:${id}`;
