/** A named pipe that another program writes and we read: nothing of it is ever kept in a file. */
import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { InputError } from "../input/index.js";
import { run } from "./process.js";

export class Pipe {
  private constructor(
    private readonly reader: number,
    private holder: number | undefined,
  ) {}

  /** Makes the pipe at a path; rejects with an InputError where that cannot be. */
  static async make(path: string, signal: AbortSignal): Promise<Pipe> {
    const done = await run("mkfifo", [path], { signal }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new InputError("mkfifo not found: a capture reads QEMU's log through a named pipe and needs coreutils");
    });
    if (done.status !== 0) throw new InputError(`mkfifo cannot make a named pipe: ${done.stderr.trim()}`);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // A writer of our own, so that the pipe does not end before the other program has opened it.
    return new Pipe(reader, openSync(path, constants.O_WRONLY));
  }

  /** Hands on what comes; resolves when the last writer has closed the pipe. */
  read(take: (piece: Buffer) => void): Promise<void> {
    const socket = new Socket({ fd: this.reader, readable: true, writable: false });
    return new Promise((resolve, reject) => {
      socket.on("data", take);
      socket.on("error", reject);
      socket.on("close", () => resolve());
    });
  }

  close(): void {
    if (this.holder !== undefined) closeSync(this.holder);
    this.holder = undefined;
  }
}
