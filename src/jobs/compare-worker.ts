/** Does the jobs of a comparison in a worker thread. */
import { type Counted, countJob, type Job } from "../compare/index.js";
import { InputError } from "../input/index.js";

/** What a worker answers: errors lose their class on the way between threads, so that of the user's input is a value. */
export type JobAnswer = { readonly counted: Counted[] } | { readonly refused: string };

/** Does one job. */
export default function work(job: Job): JobAnswer {
  try {
    return { counted: countJob(job) };
  } catch (error) {
    if (error instanceof InputError) return { refused: error.message };
    throw error;
  }
}
