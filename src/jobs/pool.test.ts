/** The pool of worker threads: answers, and every way in which a thread or a job may end. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { InputError } from "../input/index.js";
import { doneBy } from "./hands.js";
import { PROCESS, talkingTo } from "./io.js";
import type { FixtureJob } from "./jobs.fixture.js";
import { Threads } from "./pool.js";

const WORKER = "./jobs.fixture.js";
const never = new AbortController().signal;
const ask = (...jobs: FixtureJob[]): Promise<number[]> => doneBy(undefined, WORKER, jobs, "jobs", never);

test("answers come in the order of the jobs, of calls side by side too", async () => {
  const jobs = Array.from({ length: 200 }, (_, i) => i);
  const doubled = jobs.map((job) => 2 * job);
  assert.deepEqual(await ask(...jobs), doubled);
  const threads = new Threads([WORKER], "jobs");
  try {
    const heard: number[] = [];
    const all = await Promise.all([
      threads.answers(WORKER, jobs, never, (answer: number) => heard.push(answer)),
      threads.answers(WORKER, jobs.slice(0, 7), never),
    ]);
    assert.deepEqual(all, [doubled, doubled.slice(0, 7)]);
    assert.deepEqual(
      heard.sort((a, b) => a - b),
      doubled,
    );
  } finally {
    await threads.end();
  }
});

test("an error in a job is that error, and no job begins after it", async () => {
  await assert.rejects(ask("wrong", ...Array.from({ length: 100 }, () => 1)), (error) => {
    assert.ok(error instanceof RangeError);
    assert.match(error.message, /of the worker's own/);
    return true;
  });
});

test("a thread that dies, or cannot load, is one sentence, and none is started in its place", async () => {
  await assert.rejects(ask(1, "exit", 2), (error) => {
    assert.ok(error instanceof InputError);
    assert.match(error.message, /^a worker thread died \(exit status 7\): /);
    return true;
  });
  await assert.rejects(
    doneBy(undefined, "./no-such-file.js", [1, 2], "jobs", never),
    /^InputError: a worker thread died \(Cannot find/,
  );
});

test("a thread that has no memory left says what to do", () => {
  const program = `
    import { doneBy } from ${JSON.stringify(new URL("./hands.js", import.meta.url).href)};
    await doneBy(undefined, "./jobs.fixture.js", ["memory", 1], "jobs", new AbortController().signal)
      .catch((error) => { console.log(error.message); });`;
  const { status, stdout } = spawnSync(
    process.execPath,
    ["--max-old-space-size=64", "--input-type=module", "-e", program],
    { encoding: "utf8" },
  );
  assert.equal(status, 0);
  assert.match(stdout, /^a worker thread ran out of memory: ask for less .*max-old-space-size.*\n$/);
});

test("a signal ends the work, whatever the threads do", async () => {
  const controller = new AbortController();
  const work = doneBy(undefined, WORKER, ["forever", "forever", "forever"] as FixtureJob[], "jobs", controller.signal);
  controller.abort(new Error("stopped"));
  await assert.rejects(work, /stopped/);
});

/** Does work as a command that may have no threads. */
const alone = <T>(work: () => Promise<T>): Promise<T> => talkingTo({ ...PROCESS, threads: 0 }, [], work);

test("without threads the same files do the same jobs here, and errors are the same", async () => {
  assert.deepEqual(await alone(() => ask(3, 1, 2)), [6, 2, 4]);
  await assert.rejects(
    alone(() => ask(1, "wrong", 2)),
    /^RangeError: a fault of the worker's own$/,
  );
  await assert.rejects(
    alone(() => doneBy(undefined, "./no-such-file.js", [1], "jobs", never)),
    /^InputError: a worker thread died \(Cannot find/,
  );
});

test("a second command at the same time is refused: what one reads and writes is kept for the process", async () => {
  await assert.rejects(
    alone(() => alone(async () => 1)),
    /a command runs already in this process/,
  );
  assert.equal(await alone(async () => 1), 1, "and the first one's end makes room");
});
