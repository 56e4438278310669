/**
 * Flips each bit of a trace's file and reads it: a worker's file, for the test runner looks at each promise of its own thread, which
 * takes as long as all of the reading. Answers how many flips were refused, and how many left the trace unchecked.
 */
import assert from "node:assert/strict";
import { parentPort } from "node:worker_threads";
import { InputError } from "../input/index.js";
import { EVENTS, read, WHOLE } from "./damage.testing.js";

/** What came of all flips. */
export interface Flips {
  readonly wrong: number;
  readonly unchecked: number;
}

// Tens of thousands of errors, of whose stacks nobody reads one.
Error.stackTraceLimit = 0;
const { info } = await read(WHOLE);
assert.equal(info.integrity, "checked");
let unchecked = 0;
let wrong = 0;
for (let at = 0; at < WHOLE.length; at++)
  for (let bit = 0; bit < 8; bit++) {
    const damaged = Buffer.from(WHOLE);
    damaged[at] = damaged[at]! ^ (1 << bit);
    let answer: Awaited<ReturnType<typeof read>>;
    try {
      answer = await read(damaged);
    } catch (error) {
      if (!(error instanceof InputError)) assert.fail(`byte ${at}, bit ${bit}: ${error}`);
      wrong++;
      continue;
    }
    assert.deepEqual(answer.events, EVENTS, `byte ${at}, bit ${bit}: another trace`);
    assert.deepEqual(answer.info, { ...info, integrity: "unchecked" }, `byte ${at}, bit ${bit}: not said`);
    unchecked++;
  }
parentPort!.postMessage({ wrong, unchecked } satisfies Flips);
