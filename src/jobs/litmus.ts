/** Litmus tests, decided side by side. */
import type { LitmusFile } from "../catalog/index.js";
import { readText } from "../files/index.js";
import { InputError } from "../input/index.js";
import { doneBy } from "./hands.js";
import type { LitmusAnswer, LitmusJob } from "./litmus-worker.js";
import { interruptible } from "./progress.js";

/** Decides litmus tests on all cores, or by the workers of a queue; a file that cannot be read is an answer too. Throws an Interrupted after Ctrl-C. */
export async function decideLitmus(
  files: readonly LitmusFile[],
  options: LitmusJob["options"],
  finals = false,
  queue?: string,
): Promise<LitmusAnswer[]> {
  const jobs: LitmusJob[] = [];
  const unread = new Map<string, LitmusAnswer>();
  for (const test of files)
    try {
      jobs.push({ file: test.file, text: readText(test.path, test.file, "a litmus test"), options, finals });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      unread.set(test.path, { refused: error.message });
    }
  const decided = await interruptible((signal) =>
    doneBy<LitmusJob, LitmusAnswer>(queue, "./litmus-worker.js", jobs, "tests", signal),
  );
  const answers = decided.values();
  return files.map((test) => unread.get(test.path) ?? answers.next().value!);
}
