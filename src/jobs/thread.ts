/** The inside of a worker thread of the pool: does jobs by the files that it was started with, one at a time. */
import { parentPort, workerData } from "node:worker_threads";
import { loadWorks, type Outcome, type Sent } from "./works.js";

/** What a thread says: that it has loaded its files, or what came of a job. */
export type Said = { readonly loaded: true } | Outcome;

const port = parentPort!;
const say = (said: Said): void => port.postMessage(said);

const work = await loadWorks(workerData as readonly string[]);
port.on("message", (sent: Sent) => say(work(sent)));
say({ loaded: true });
