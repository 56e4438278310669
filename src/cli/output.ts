/** What all commands share at their edge: where output goes, how wide it is, and who wants to stop. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { fileReason, InputError } from "../input/index.js";

/** Thrown when all has been said and only the exit status is left to give. */
export class ExitStatus extends Error {
  constructor(readonly status: number) {
    super(`exit status ${status}`);
  }
}

/** Columns of the terminal; 80 on a pipe unless COLUMNS says otherwise. */
export function outputWidth(): number {
  const asked = Number(process.env.COLUMNS);
  return process.stdout.columns ?? (Number.isInteger(asked) && asked >= 20 ? asked : 80);
}

/** Prints a JSON value. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Writes a whole file under a name of its own, then moves it into place: what stands there is never half written. */
export function writeWhole(path: string, text: string): void {
  const partial = `${path}.partial-${process.pid}`;
  try {
    writeFileSync(partial, text);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(path, 0, `cannot be written: ${reason}`);
  }
}

/** A reader that has seen enough (`| head`) is no error. */
export async function quietOnBrokenPipe(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}
