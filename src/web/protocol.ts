/**
 * What the page and its workers say to each other: a call by name and number, and an answer to it. All of it is this file; what
 * can be asked is the table of works (`work/index.ts`).
 */

/** What a worker can do, by name. What goes in and what comes out is plain data. */
// biome-ignore lint/suspicious/noExplicitAny: what a work is asked is its own affair
type Works = Readonly<Record<string, (asked: any) => unknown>>;

interface Call {
  readonly id: number;
  readonly what: string;
  readonly asked: unknown;
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

/** Answers the calls that come in, one after the other. */
export function serve(port: Port, works: Works): void {
  let last: Promise<void> = Promise.resolve();
  port.onmessage = ({ data }) => {
    last = last.then(() => answer(data as Call));
  };
  const answer = async ({ id, what, asked }: Call): Promise<void> => {
    try {
      port.postMessage({ id, value: await works[what]!(asked) } satisfies Answer);
    } catch (error) {
      // Errors lose their class on the way.
      const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
      port.postMessage({ id, error: message, own: name !== "InputError" } satisfies Answer);
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
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Hand {
  readonly worker: WorkerLike;
  doing: Waiting | undefined;
  /** ends the worker, where what it does is not wanted any more and takes too long */
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** A call that nobody waits for any more may take so many milliseconds until its worker is replaced: starting one costs about as much. */
const GRACE = 200;

/** Workers that share a queue. */
export class Pool<W extends Works> {
  private readonly hands: Hand[] = [];
  private readonly queue: Waiting[] = [];
  private id = 0;

  constructor(
    private readonly make: () => WorkerLike,
    private readonly size: number,
  ) {}

  /**
   * Asks for a work; `ahead`: before all that waits. Rejects with a {@link WorkError} for what it throws, and with the signal's
   * reason when that is aborted: what waits is then not done, and what is under way ended soon.
   */
  ask<K extends keyof W & string>(
    what: K,
    asked: Parameters<W[K]>[0],
    { signal, ahead = false }: { signal?: AbortSignal | undefined; ahead?: boolean } = {},
  ): Promise<Awaited<ReturnType<W[K]>>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const call = { id: ++this.id, what, asked };
      const waiting: Waiting = { call, signal, resolve: resolve as (value: unknown) => void, reject };
      signal?.addEventListener("abort", () => this.drop(waiting), { once: true });
      if (ahead) this.queue.unshift(waiting);
      else this.queue.push(waiting);
      this.next();
    });
  }

  private next(): void {
    while (this.queue.length > 0) {
      const hand = this.hands.find(({ doing }) => doing === undefined) ?? this.another();
      if (hand === undefined) return;
      const waiting = this.queue.shift()!;
      hand.doing = waiting;
      hand.worker.postMessage(waiting.call);
    }
  }

  private another(): Hand | undefined {
    if (this.hands.length >= this.size) return undefined;
    const hand: Hand = { worker: this.make(), doing: undefined, timer: undefined };
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
