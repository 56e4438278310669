/** The command for tests: in this process, as `run` does it; or, where the process is what is tested, in one of its own. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Io, SHELVES } from "../jobs/index.js";
import { run } from "./run.js";

/** The file that is the command. */
export const MAIN = fileURLToPath(new URL("../command/main.js", import.meta.url));

/** The environment of a command in a process of its own: without what would change what it prints. */
export const { NODE_OPTIONS: _options, COLUMNS: _columns, ...ENV } = process.env;

/** How a command has ended. */
export interface Done {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** What a command has written, in order: to which descriptor (1 or 2), what. */
export type Written = readonly (readonly [fd: 1 | 2, text: string])[];

/** What a test may give to a command. */
export interface Given {
  /** what COLUMNS says */
  readonly columns?: number;
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** standard output is a terminal */
  readonly terminal?: boolean;
}

type Writes = Io["stdout"];

/** A pipe that takes everything; or a terminal that does not say how wide it is. */
class Pipe implements Writes {
  readonly columns = undefined;

  constructor(
    private readonly pieces: [1 | 2, Uint8Array][],
    private readonly fd: 1 | 2,
    readonly isTTY = false,
  ) {}

  write(bytes: Uint8Array): void {
    this.pieces.push([this.fd, bytes]);
  }

  flash(): void {
    throw new Error("progress on a pipe");
  }

  text(): string {
    return Buffer.concat(this.pieces.flatMap(([fd, bytes]) => (fd === this.fd ? [bytes] : []))).toString();
  }
}

/** Runs a command in this process and its working folder, with pipes on all sides; jobs for threads are done in this one. */
export async function shootdown(
  args: readonly string[],
  { columns, stdin = "", env: given = {}, terminal = false }: Given = {},
): Promise<Done & { readonly written: Written }> {
  const pieces: [1 | 2, Uint8Array][] = [];
  const [stdout, stderr] = [new Pipe(pieces, 1, terminal), new Pipe(pieces, 2)];
  const bytes = Buffer.from(stdin);
  const input = { stdin: (): Readable => Readable.from([bytes]), stdinWhole: (): Uint8Array => bytes };
  const env = { ...KEPT, ...given, ...(columns === undefined ? {} : { COLUMNS: String(columns) }) };
  const status = await run(args, { stdout, stderr, ...input, env, threads: 0 });
  const written = pieces.map(([fd, bytes]) => [fd, Buffer.from(bytes).toString()] as const);
  return { status, out: stdout.text(), err: stderr.text(), written };
}

/** What one command has found need not be found by the next, where the tests have a place for it. */
const KEPT = Object.fromEntries(
  Object.values(SHELVES).flatMap(({ variable }) => {
    const folder = process.env[variable];
    return folder === undefined ? [] : [[variable, folder]];
  }),
);

/** Longest that a command may take, in milliseconds: far more than any does, for nothing is judged by the clock. */
export const PATIENCE = 900_000;

/** Runs a command in a process of its own. */
export function spawned(args: readonly string[], stdin = ""): Done {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    ...{ env: ENV, encoding: "utf8", input: stdin, timeout: PATIENCE, maxBuffer: 1 << 28 },
  });
  return { status, out: stdout, err: stderr };
}

/**
 * Resolves when a command hears the signals that ask it to stop. SIGHUP is the last of them, and Node.js does not catch it by
 * itself: its bit in SigCgt says so, see proc_pid_status(5).
 */
export async function listening({ pid }: ChildProcess): Promise<void> {
  const caught = (): bigint => {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)![1]}`);
  };
  while ((caught() & 1n) === 0n) await setTimeout(20);
}
