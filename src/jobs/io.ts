/** What a command talks to: the process that it is, or whoever calls `run` (a test, another program). */
import { writeSync } from "node:fs";
import type { Readable } from "node:stream";
import { isatty } from "node:tty";
import { writeAll } from "../files/index.js";

/** Where words go. */
interface Output {
  readonly isTTY: boolean;
  /** of a terminal that says so */
  readonly columns: number | undefined;
  /** Writes all of it; throws what the system says. */
  write(bytes: Uint8Array): void;
  /** Writes what is taken at once, to a terminal that may be gone; throws what the system says. */
  flash(text: string): void;
}

/** All that a command has of the world but its files, which are named from the working folder of the process. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** what "-" stands for where a trace is read; asked for where it is needed, for it is opened by that */
  readonly stdin: () => Readable & { readonly isTTY?: boolean };
  /** what "-" stands for where a text is read: all bytes of standard input; without it, those of the process */
  readonly stdinWhole?: () => Uint8Array;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** most worker threads; with 0 jobs are done in this one, and a signal is heard only between two */
  readonly threads: number;
}

/** A descriptor of this process. */
class Descriptor implements Output {
  constructor(
    private readonly fd: number,
    private readonly stream: () => { readonly columns?: number },
  ) {}

  get isTTY(): boolean {
    return isatty(this.fd);
  }

  get columns(): number | undefined {
    return this.isTTY ? this.stream().columns : undefined;
  }

  write(bytes: Uint8Array): void {
    writeAll(this.fd, bytes);
  }

  flash(text: string): void {
    writeSync(this.fd, text);
  }
}

/** The process's own. */
export const PROCESS: Io = {
  stdout: new Descriptor(1, () => process.stdout),
  stderr: new Descriptor(2, () => process.stderr),
  stdin: () => process.stdin,
  env: process.env,
  threads: Number.POSITIVE_INFINITY,
};

let current: { readonly io: Io; readonly argv: readonly string[] } | undefined;

/** What the command that runs talks to; the process, where none does. */
export const io = (): Io => current?.io ?? PROCESS;

/** The words of the command that runs. */
export const argv = (): readonly string[] => current?.argv ?? [];

/** Does a command's work. One at a time: what a command reads and writes is kept for the whole process too. */
export async function talkingTo<T>(to: Io, words: readonly string[], work: () => Promise<T>): Promise<T> {
  if (current !== undefined) throw new Error("a command runs already in this process, expected one at a time");
  current = { io: to, argv: words };
  try {
    return await work();
  } finally {
    current = undefined;
  }
}
