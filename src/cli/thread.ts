/** The inside of a worker thread of the pool: does jobs by the files that it was started with, one at a time. */
import { parentPort, workerData } from "node:worker_threads";

/** A job on its way to a thread: `file` is one of those that the thread was started with. */
export interface Sent {
  readonly file: string;
  readonly job: unknown;
}

/** What a thread says: that it has loaded its files, or what came of a job. */
export type Said = { readonly loaded: true } | { readonly answer: unknown } | { readonly error: unknown };

const port = parentPort!;
const say = (said: Said): void => port.postMessage(said);

const works = new Map<string, (job: unknown) => unknown>();
for (const file of workerData as readonly string[])
  works.set(file, ((await import(file)) as { default: (job: unknown) => unknown }).default);

port.on("message", ({ file, job }: Sent) => {
  let said: Said;
  try {
    said = { answer: works.get(file)!(job) };
  } catch (error) {
    said = { error };
  }
  say(said);
});
say({ loaded: true });
