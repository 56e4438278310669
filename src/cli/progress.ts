/** Progress on a terminal (standard error), and the wish to stop. */
import type { SingleBar } from "cli-progress";

/** A bar, shown after half a second on a terminal and never on a pipe. */
export class Progress {
  private bar: SingleBar | undefined;
  private readonly begun = performance.now();

  /** `what` names the units: "jobs", "events". */
  constructor(private readonly what: string) {}

  /** So many of so many; a total of 0 is not known yet. */
  async update(done: number, total: number): Promise<void> {
    if (!process.stderr.isTTY || performance.now() - this.begun < 500) return;
    if (!this.bar) {
      const { SingleBar } = (await import("cli-progress")).default;
      const format = total > 0 ? `{bar} {value} of {total} ${this.what}` : `{value} ${this.what}`;
      this.bar = new SingleBar({ format, clearOnComplete: true, fps: 5 });
      this.bar.start(total, done);
    }
    this.bar.update(done);
  }

  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}

/** Exit status of a process that Ctrl-C ended. */
export const INTERRUPTED = 130;

/** Thrown where work stops because of Ctrl-C. */
export class Interrupted extends Error {}

/** How long work that was told to stop has for cleaning up, in milliseconds; waiting for input, it would not notice. */
const GRACE = 250;

/** Signals that ask to stop: Ctrl-C, kill, the terminal's end. */
const STOPS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Does work that may be interrupted: the signal is aborted by one of {@link STOPS}; then {@link Interrupted} is thrown. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => {
      controller.abort(new Interrupted("interrupted"));
      setTimeout(() => reject(signal.reason), GRACE);
    };
  });
  for (const name of STOPS) process.once(name, stop);
  try {
    return await Promise.race([work(signal), stopped]);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    for (const name of STOPS) process.off(name, stop);
  }
}
