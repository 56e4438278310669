/** Progress on a terminal (standard error), and the wish to stop. */
import { isStream } from "../files/index.js";
import { visibleLine } from "../input/index.js";
import { io } from "./io.js";

/** How long work goes on before a line tells of it, and between two versions of the line, in milliseconds. */
const PATIENCE = 500;
const BETWEEN = 200;
const ERASE = "\r\x1b[K";

/**
 * One line at the bottom of a terminal, written over and over and erased in the end; nothing on a pipe or a terminal that
 * cannot erase. All is done at once and in this thread: a line that comes later than the end of the work cannot be.
 */
export class ProgressLine {
  private static shown: ProgressLine | undefined;
  private readonly able = io().stderr.isTTY && io().env.TERM !== "dumb";
  private last: number;

  /** `patience`: milliseconds before anything is shown. */
  constructor(patience = PATIENCE) {
    this.last = performance.now() + patience - BETWEEN;
  }

  /** Shows a text of one line, cut to the terminal, unless another has just been shown; it is made only when needed. */
  show(text: () => string): void {
    const now = performance.now();
    if (!this.able || now - this.last < BETWEEN) return;
    this.last = now;
    ProgressLine.shown = this;
    // The last column stays free: a terminal may begin a new line when it is filled.
    say(`${ERASE}${visibleLine(text()).slice(0, Math.max(0, (io().stderr.columns || 80) - 1))}`);
  }

  stop(): void {
    if (ProgressLine.shown === this) ProgressLine.erase();
  }

  /** Makes room for what is printed on the same terminal. */
  static erase(): void {
    if (ProgressLine.shown === undefined) return;
    ProgressLine.shown = undefined;
    say(ERASE);
  }
}

/** To a terminal that may be gone. */
function say(text: string): void {
  try {
    io().stderr.flash(text);
  } catch {} // nobody can be told
}

/** How far work is: a line after half a second on a terminal, nothing on a pipe. */
export class Progress {
  private readonly line = new ProgressLine();

  /** `what` names the units: "jobs", "events"; `text` says it all where a count is not enough. */
  constructor(
    private readonly what: string,
    private readonly text?: () => string,
  ) {}

  /** So many of so many; a total of 0 is not known yet. */
  update(done: number, total: number): void {
    const count = (n: number): string => n.toLocaleString("en");
    this.line.show(
      this.text ??
        (() => (total > 0 ? `${count(done)} of ${count(total)} ${this.what}` : `${count(done)} ${this.what}`)),
    );
  }

  stop(): void {
    this.line.stop();
  }
}

/** Exit status of a process that was asked to stop. */
export const INTERRUPTED = 130;

/** Thrown where work stops because of Ctrl-C. */
export class Interrupted extends Error {}

/** How long work that was told to stop has for cleaning up, in milliseconds; waiting for something, it would not notice. */
const GRACE = 3000;

/** Signals that ask to stop: Ctrl-C, kill, the terminal's end. */
const STOPS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Does work that may be interrupted: the signal is aborted by one of {@link STOPS}; then {@link Interrupted} is thrown. A second
 * one ends the process at once. What a user names is read before: where that waits (for the writer of a named pipe) nothing
 * here would hear a signal, but uncaught it ends the process.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  let late: NodeJS.Timeout | undefined;
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => {
      for (const name of STOPS) process.off(name, stop);
      controller.abort(new Interrupted("interrupted"));
      late = setTimeout(() => reject(signal.reason), GRACE);
    };
  });
  for (const name of STOPS) process.on(name, stop);
  try {
    const result = await Promise.race([work(signal), stopped]);
    await turn(); // a signal that came while this thread was busy to the end
    signal.throwIfAborted();
    return result;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(late);
    for (const name of STOPS) process.off(name, stop);
  }
}

/** One turn of the event loop: signals are heard in it. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Does work that writes to `output`, and may be interrupted. Where a reader may keep it waiting (a pipe), nothing in this
 * process would hear a signal, and there is nothing to clean up: there no signal is caught, so that each ends the process.
 */
export const interruptibleInto = <T>(output: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
  isStream(output) ? work(new AbortController().signal) : interruptible(work);
