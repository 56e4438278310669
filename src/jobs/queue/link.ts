/**
 * A connection to a queue: BullMQ on Redis or Valkey, loaded only when it is asked for. A queue belongs to one build of the product at a
 * time; whoever is on it says so every few seconds, and hears whether the server has lost what it had.
 */
import { randomBytes } from "node:crypto";
import type { Job, Queue, QueueEvents, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { InputError } from "../../input/index.js";
import { buildName } from "../build.js";
import type { QueueAddress } from "./address.js";

/** Name of the queue: of its keys, "bull:shootdown:wait" is the list of jobs that wait. */
export const QUEUE = "shootdown";
const OWNER = `${QUEUE}:owner`;
const EPOCH = `${QUEUE}:epoch`;
const MEMBERS = `${QUEUE}:members`;

/** Milliseconds between two signs of life, and after which one who gives none is not there any more. */
const BEAT = 2_000;
const ABSENT = 60_000;
/** Milliseconds for the first connection. */
const CONNECT = 10_000;

/**
 * A sign of life. KEYS: owner, epoch, members; ARGV: build, who, absent after, a new epoch. Returns the owner's build, the epoch, whether
 * the queue changed hands, and who is there. Nobody takes a queue from a build that still has somebody on it.
 */
const SIGN = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[3])
local owner = redis.call('GET', KEYS[1])
local taken = ''
if not owner or (owner ~= ARGV[1] and redis.call('ZCARD', KEYS[3]) == 0) then
  taken = owner or ''
  redis.call('SET', KEYS[1], ARGV[1])
  owner = ARGV[1]
end
redis.call('SET', KEYS[2], ARGV[4], 'NX')
if owner == ARGV[1] then redis.call('ZADD', KEYS[3], now, ARGV[2]) end
return {owner, redis.call('GET', KEYS[2]), taken, redis.call('ZRANGE', KEYS[3], 0, -1)}
`;

/** A job as the queue has it. */
export interface JobData {
  readonly build: string;
  readonly kind: string;
  readonly data: unknown;
}
export type QueueJob = Job<JobData, unknown>;

type Bullmq = typeof import("bullmq");

export class Link {
  /** rejects with an InputError when nothing can go on */
  readonly broken: Promise<never>;
  /** workers that gave a sign of life */
  workers = 0;
  private readonly who: string;
  private fail: (error: InputError) => void = () => {};
  private beat: NodeJS.Timeout | undefined;
  private asked = false;
  private silent = 0;
  private epoch: string | undefined;
  /** connections that BullMQ has made of this one, for what waits */
  private readonly copies: Redis[] = [];

  private constructor(
    readonly address: QueueAddress,
    readonly bullmq: Bullmq,
    readonly redis: Redis,
    role: "worker" | "command",
  ) {
    this.who = `${role}:${randomBytes(8).toString("hex")}`;
    this.broken = new Promise((_, reject) => {
      this.fail = reject;
    });
    this.broken.catch(() => {}); // whoever waits for it hears of it
    const copy = redis.duplicate.bind(redis);
    redis.duplicate = (...options) => {
      const made = copy(...options);
      this.copies.push(made);
      return made;
    };
  }

  /** Connects and joins. Throws an InputError where there is no queue, or one of another build. */
  static async open(address: QueueAddress, role: "worker" | "command"): Promise<Link> {
    const [bullmq, { Redis }] = await Promise.all([import("bullmq"), import("ioredis")]);
    const { host, port, db, tls, username, password } = address;
    const redis = new Redis({
      ...{ host, port, db, lazyConnect: true, connectTimeout: CONNECT, maxRetriesPerRequest: null },
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls && { tls: { servername: host } }),
      retryStrategy: (times) => Math.min(50 * times, 1000),
    });
    let last: unknown;
    redis.on("error", (error) => {
      last = error;
    });
    const link = new Link(address, bullmq, redis, role);
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${CONNECT / 1000} s`)), CONNECT);
      });
      await Promise.race([redis.connect().then(() => link.join()), late]);
      return link;
    } catch (error) {
      redis.disconnect();
      throw error instanceof InputError ? error : link.unusable(isClosed(error) ? (last ?? error) : error);
    } finally {
      clearTimeout(timer);
    }
  }

  private async join(): Promise<void> {
    const before = await this.sign();
    if (before !== "" && before !== buildName()) await this.empty();
    this.beat = setInterval(() => this.tick(), Math.min(BEAT, this.address.patience / 4));
  }

  /** Gives a sign of life; returns the build that had the queue before, if it changed hands. */
  private async sign(): Promise<string> {
    const build = buildName();
    const [owner, epoch, before, members] = (await this.redis.eval(
      SIGN,
      3,
      ...[OWNER, EPOCH, MEMBERS, build, this.who, String(ABSENT), randomBytes(8).toString("hex")],
    )) as [string, string, string, string[]];
    if (owner !== build)
      throw new InputError(
        `the queue at ${this.address.url} is used by shootdown ${owner}, and this is shootdown ${build}: expected the same on both ends, or another database, as ${new URL("/1", this.address.url).href}`,
      );
    this.epoch ??= epoch;
    if (epoch !== this.epoch)
      throw new InputError(
        `the queue at ${this.address.url} has lost its data: expected a server that keeps it (appendonly yes)`,
      );
    this.workers = members.filter((who) => who.startsWith("worker:")).length;
    return before;
  }

  /** Time counts only while this process runs: a sign that was not answered by the next tick. */
  private tick(): void {
    if (this.asked) {
      this.silent += Math.min(BEAT, this.address.patience / 4);
      if (this.silent >= this.address.patience)
        this.end(new InputError(`the queue at ${this.address.url} gave no answer for ${this.silent / 1000} s`));
      return;
    }
    this.asked = true;
    this.sign().then(
      () => {
        this.asked = false;
        this.silent = 0;
      },
      (error: unknown) => {
        this.asked = false;
        if (!isPassing(error)) this.end(error instanceof InputError ? error : this.unusable(error));
      },
    );
  }

  /** Removes what another build has left. */
  private async empty(): Promise<void> {
    const queue = this.queue();
    await queue.obliterate({ force: true });
    await queue.close();
  }

  queue(): Queue {
    return this.watched(new this.bullmq.Queue(QUEUE, { connection: this.redis }));
  }

  async events(): Promise<QueueEvents> {
    const [last] = await this.redis.xrevrange(`bull:${QUEUE}:events`, "+", "-", "COUNT", 1);
    const lastEventId = last?.[0] ?? "0-0";
    return this.watched(new this.bullmq.QueueEvents(QUEUE, { connection: this.redis, lastEventId }));
  }

  /** What goes wrong in the background: what passes is left to the signs of life. */
  watched<T extends Queue | QueueEvents | Worker<JobData>>(one: T): T {
    (one as Queue).on("error", (error: unknown) => {
      if (!isPassing(error)) this.end(this.unusable(error));
    });
    return one;
  }

  end(error: InputError): void {
    clearInterval(this.beat);
    this.fail(error);
  }

  /** An error of the server's in words. */
  unusable(error: unknown): InputError {
    const { code, message } = error as NodeJS.ErrnoException;
    const { url } = this.address;
    if (/^OOM/.test(message))
      return new InputError(`the queue at ${url} is full: give its server more memory (maxmemory)`);
    if (/^(NOAUTH|WRONGPASS|ERR AUTH|NOPERM)/.test(message))
      return new InputError(
        `the queue at ${url} lets nobody in without the right name and password (${message}): expected the password in SHOOTDOWN_QUEUE_PASSWORD, the name as rediss://NAME@HOST:PORT`,
      );
    return new InputError(`the queue at ${url} cannot be used: ${message || code}`);
  }

  /** Leaves; a server that does not answer is not waited for. */
  async close(): Promise<void> {
    clearInterval(this.beat);
    const bye = this.redis.status === "ready" ? this.redis.zrem(MEMBERS, this.who) : Promise.resolve();
    await within(bye);
    // BullMQ leaves some that wait for a server which does not come back.
    for (const one of [this.redis, ...this.copies]) one.disconnect();
  }
}

/** Waits for something that may never come, and whose failure is no matter, but not for long. */
export async function within(work: Promise<unknown>, milliseconds = 1000): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}

const isClosed = (error: unknown): boolean => /Connection is closed/.test((error as Error).message);

/** What a server's new start, or its loading of what it had kept, brings with it: to transactions on their way, too. */
export const isPassing = (error: unknown): boolean => {
  const { code, message } = error as NodeJS.ErrnoException;
  return (
    !(error instanceof InputError) &&
    (["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"].includes(
      code ?? "",
    ) ||
      /Connection is closed|aborted due to connection close|^LOADING|^MASTERDOWN|^READONLY|ECONNREFUSED|ECONNRESET/.test(
        message,
      ))
  );
};
