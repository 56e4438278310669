/** Other programs: run to their end, or kept as children that end with this process. */
import { type ChildProcess, spawn } from "node:child_process";

/** What came of running a program to its end. */
export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program; rejects when it cannot be started (the error has the system's `code`) or when the signal is aborted. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<Finished> {
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ["ignore", "pipe", "pipe"],
    // What it prints is read: in English, whatever the user's language.
    env: { ...process.env, LC_ALL: "C.UTF-8", LANGUAGE: "" },
  });
  const release = keep(child, options.signal);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      release();
      if (options.signal?.aborted) reject(options.signal.reason);
      else resolve({ status, stdout, stderr });
    });
  });
}

/**
 * Ties a child to this process: it is killed when the signal is aborted, and when this process exits however that comes.
 * Returns what unties it, to be called when it has ended.
 */
export function keep(child: ChildProcess, signal?: AbortSignal): () => void {
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  signal?.addEventListener("abort", kill, { once: true });
  if (signal?.aborted) kill();
  return () => {
    process.off("exit", kill);
    signal?.removeEventListener("abort", kill);
  };
}
