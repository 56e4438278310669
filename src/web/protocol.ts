/**
 * What the page and its workers say to each other: a call by name and number, and an answer to it. All of it is this file; what
 * can be asked is the table of works (`work/index.ts`).
 */

/**
 * What a worker can do, by name. What goes in and what comes out is plain data. A work that takes long calls `pause` now and then: it
 * rejects when nobody wants the work any more, so that the worker stays, with what it remembers.
 */
// biome-ignore lint/suspicious/noExplicitAny: what a work is asked is its own affair
type Works = Readonly<Record<string, (asked: any, pause: () => Promise<void>) => unknown>>;

interface Call {
  readonly id: number;
  readonly what: string;
  readonly asked: unknown;
}

/** The call of that number is not wanted any more. */
interface Drop {
  readonly drop: number;
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  /** `own`: a fault of Shootdown itself, not of what was given to it */
  | { readonly id: number; readonly error: string; readonly own: boolean };

/** What is used of a worker, seen from either side. */
interface Port {
  postMessage(message: unknown): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
}

/** A worker, seen from the page. */
export interface WorkerLike extends Port {
  onerror: ((event: { readonly message?: string }) => void) | null;
  terminate(): void;
}

/** Milliseconds of work between two looks at what came in meanwhile. */
const LOOK = 15;

/** A turn of the event loop: messages that have come are heard. A timer would wait for some milliseconds more. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });

/** Answers the calls that come in, one after the other. */
export function serve(port: Port, works: Works): void {
  let last: Promise<void> = Promise.resolve();
  let looked = performance.now();
  const dropped = new Set<number>();
  port.onmessage = ({ data }) => {
    if ("drop" in (data as Call | Drop)) dropped.add((data as Drop).drop);
    else last = last.then(() => answer(data as Call));
  };
  const answer = async ({ id, what, asked }: Call): Promise<void> => {
    const pause = async (): Promise<void> => {
      if (performance.now() - looked > LOOK) {
        await turn();
        looked = performance.now();
      }
      if (dropped.has(id)) throw new Error("nobody waits for it");
    };
    try {
      port.postMessage({ id, value: await works[what]!(asked, pause) } satisfies Answer);
    } catch (error) {
      // Errors lose their class on the way.
      const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
      port.postMessage({ id, error: message, own: name !== "InputError" } satisfies Answer);
    } finally {
      dropped.delete(id);
    }
  };
}

/** An error that a work threw. */
export class WorkError extends Error {
  constructor(
    message: string,
    /** a fault of Shootdown itself */
    readonly own: boolean,
  ) {
    super(message);
  }
}

interface Waiting {
  readonly call: Call;
  readonly signal: AbortSignal | undefined;
  /** what is asked again with this goes to the worker that did it first; undefined: to any */
  readonly of: string | undefined;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Hand {
  readonly number: number;
  readonly worker: WorkerLike;
  doing: Waiting | undefined;
  /** ends the worker, where what it does is not wanted any more and takes too long */
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** A call that nobody waits for any more may take so many milliseconds until its worker is replaced, with all that it remembers. */
const GRACE = 1000;

/** Workers that share a queue. */
export class Pool<W extends Works> {
  private readonly hands: Hand[] = [];
  private readonly queue: Waiting[] = [];
  /** numbers of the workers that did what is asked again, by its name */
  private readonly whose = new Map<string, number>();
  private id = 0;

  constructor(
    private readonly make: () => WorkerLike,
    private readonly size: number,
  ) {}

  /**
   * Asks for a work; `ahead`: before all that waits; `of`: what is asked with the same again goes to the worker that did it first, which
   * remembers what it has done. Rejects with a {@link WorkError} for what it throws, and with the signal's
   * reason when that is aborted: what waits is then not done, and what is under way ended soon.
   */
  ask<K extends keyof W & string>(
    what: K,
    asked: Parameters<W[K]>[0],
    { signal, ahead = false, of }: { signal?: AbortSignal | undefined; ahead?: boolean; of?: string } = {},
  ): Promise<Awaited<ReturnType<W[K]>>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const call = { id: ++this.id, what, asked };
      const waiting: Waiting = { call, signal, of, resolve: resolve as (value: unknown) => void, reject };
      signal?.addEventListener("abort", () => this.drop(waiting), { once: true });
      if (ahead) this.queue.unshift(waiting);
      else this.queue.push(waiting);
      this.next();
    });
  }

  private next(): void {
    for (let at = 0; at < this.queue.length; ) {
      const { of } = this.queue[at]!;
      const hand = this.free(of === undefined ? undefined : this.whose.get(of));
      if (hand === undefined) at++;
      else {
        const [waiting] = this.queue.splice(at, 1);
        if (of !== undefined) this.whose.set(of, hand.number);
        hand.doing = waiting;
        hand.worker.postMessage(waiting!.call);
      }
    }
  }

  /** A worker that does nothing: that of the number, or any. */
  private free(number: number | undefined): Hand | undefined {
    const idle = this.hands.filter(({ doing }) => doing === undefined);
    if (number === undefined) return idle[0] ?? this.another();
    const own = this.hands.find((hand) => hand.number === number);
    return own === undefined ? this.another(number) : idle.find((hand) => hand === own);
  }

  /** Starts a worker, of that number or of one that is free; undefined where there are as many as there may be. */
  private another(asked?: number): Hand | undefined {
    const numbers = Array.from({ length: this.size }, (_, i) => i);
    const number = asked ?? numbers.find((one) => this.hands.every((hand) => hand.number !== one));
    if (number === undefined) return undefined;
    const hand: Hand = { number, worker: this.make(), doing: undefined, timer: undefined };
    hand.worker.onmessage = ({ data }) => this.answered(hand, data as Answer);
    hand.worker.onerror = ({ message }) => {
      const { doing } = hand;
      this.end(hand);
      doing?.reject(new WorkError(message ?? "a worker cannot be started", true));
      this.next();
    };
    this.hands.push(hand);
    return hand;
  }

  private answered(hand: Hand, answer: Answer): void {
    const { doing } = hand;
    if (doing?.call.id !== answer.id) return;
    clearTimeout(hand.timer);
    hand.doing = undefined;
    if ("error" in answer) doing.reject(new WorkError(answer.error, answer.own));
    else doing.resolve(answer.value);
    this.next();
  }

  private drop(waiting: Waiting): void {
    waiting.reject(waiting.signal?.reason);
    const at = this.queue.indexOf(waiting);
    if (at >= 0) this.queue.splice(at, 1);
    const hand = this.hands.find(({ doing }) => doing === waiting);
    if (hand === undefined) return;
    hand.worker.postMessage({ drop: waiting.call.id } satisfies Drop);
    hand.timer = setTimeout(() => {
      this.end(hand);
      this.next();
    }, GRACE);
  }

  private end(hand: Hand): void {
    clearTimeout(hand.timer);
    hand.worker.terminate();
    hand.doing = undefined;
    const at = this.hands.indexOf(hand);
    if (at >= 0) this.hands.splice(at, 1);
  }
}
