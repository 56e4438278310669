/** What all commands share at their edge: where words go, how wide it is there, and which status is left to give. */
import { fileError, visibleJson, visibleText } from "../input/index.js";
import { io, ProgressLine } from "../jobs/index.js";
import { coloured } from "../report/index.js";
import { UNEXPECTED } from "./options.js";

/** Thrown when all has been said and only the exit status is left to give. */
export class ExitStatus extends Error {
  constructor(readonly status: number) {
    super(`exit status ${status}`);
  }
}

/** Columns of the terminal, if standard output is one that says so; else what COLUMNS says, from `least` on. */
export function terminalWidth(least = 1): number | undefined {
  const { env, stdout } = io();
  const asked = Number(env.COLUMNS);
  return stdout.columns || (Number.isInteger(asked) && asked >= least ? asked : undefined);
}

/** Columns to fill: 80 on a pipe unless COLUMNS says otherwise. */
export const outputWidth = (): number => terminalWidth(20) ?? 80;

/**
 * True where standard output has colours: a terminal that can, unless NO_COLOR says otherwise (no-color.org). FORCE_COLOR goes
 * before both, as in Node.js: any value but 0 is yes.
 */
function hasColours(): boolean {
  const { env, stdout } = io();
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== "0";
  return stdout.isTTY && env.TERM !== "dumb" && !env.NO_COLOR;
}

/** Prints words for people; what names (of users' files) would have a terminal do is made visible before anything is coloured. */
export function print(text: string): void {
  const visible = visibleText(text);
  put(hasColours() ? coloured(visible) : visible);
}

/** Prints JSON that is made already. */
export const printRawJson = (json: string): void => put(visibleJson(json));

/** Prints a JSON value. */
export const printJson = (value: unknown): void => printRawJson(`${JSON.stringify(value, null, 2)}\n`);

/** Prints a file, or what becomes one, as it is; on a terminal, only what is visible of it. */
export const printFile = (text: string): void => put(io().stdout.isTTY ? visibleText(text) : text);

/**
 * Throws an InputError where standard output takes no more (a full disk), and an {@link ExitStatus} of 0 where its reader has
 * seen enough (`| head`).
 */
function put(text: string): void {
  ProgressLine.erase();
  try {
    io().stdout.write(Buffer.from(text));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EPIPE") throw new ExitStatus(0);
    throw fileError("standard output", error, "cannot be written: ");
  }
}

/** Says something beside the output; when nobody can hear it, the status still tells. */
export function say(text: string): void {
  ProgressLine.erase();
  try {
    io().stderr.write(Buffer.from(visibleText(text)));
  } catch {}
}

/** What `--expect sound` comes to: nothing where everything is; else it is said what is not, and the status tells. */
export function expectSound(others: readonly string[]): void {
  for (const other of others) say(`shootdown: expected sound: ${other}\n`);
  if (others.length > 0) throw new ExitStatus(UNEXPECTED);
}

/** For a command that writes a trace to standard output: a reader that has seen enough (`| head`) is no error. */
export async function quietOnBrokenPipe(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}
