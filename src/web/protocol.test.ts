import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../input/index.js";
import { Pool, serve, WorkError, type WorkerLike } from "./protocol.js";

const done: string[] = [];
const WORKS = {
  say: (text: string) => {
    done.push(text);
    return `said ${text}`;
  },
  steps: async (n: number, pause: () => Promise<void>) => {
    for (let i = 0; i < n; i++) {
      const begun = performance.now();
      while (performance.now() - begun < 20);
      await pause();
    }
    return `${n} steps`;
  },
  wait: (milliseconds: number) => sleep(milliseconds, "waited", { ref: false }),
  refuse: () => {
    throw new InputError("mine.toml:3: expected otherwise");
  },
  fail: () => {
    throw new TypeError("a fault");
  },
};

/** A pool of workers in this thread; what they are sent is copied, as between threads. */
function poolOf(size: number) {
  const made: { ended: boolean }[] = [];
  const make = (): WorkerLike => {
    const state = { ended: false };
    made.push(state);
    const outer: WorkerLike = {
      onmessage: null,
      onerror: null,
      postMessage: (message) => queueMicrotask(() => inner.onmessage?.({ data: structuredClone(message) })),
      terminate: () => {
        state.ended = true;
      },
    };
    const inner: Parameters<typeof serve>[0] = {
      onmessage: null,
      postMessage: (message) =>
        queueMicrotask(() => state.ended || outer.onmessage?.({ data: structuredClone(message) })),
    };
    serve(inner, WORKS);
    return outer;
  };
  return { pool: new Pool<typeof WORKS>(make, size), made };
}

test("calls are answered, in their order or ahead of it, by no more workers than asked for", async () => {
  const { pool, made } = poolOf(1);
  done.length = 0;
  const answers = [pool.ask("say", "a"), pool.ask("say", "b"), pool.ask("say", "c", { ahead: true })];
  assert.deepEqual(await Promise.all(answers), ["said a", "said b", "said c"]);
  assert.deepEqual(done, ["a", "c", "b"]);
  assert.equal(made.length, 1);
});

test("an error keeps its words, and whether it is a fault of the program", async () => {
  const { pool } = poolOf(1);
  const own = async (what: "refuse" | "fail"): Promise<[string, boolean]> => {
    const error = await pool.ask(what, undefined as never).catch((one: unknown) => one);
    assert.ok(error instanceof WorkError);
    return [error.message, error.own];
  };
  assert.deepEqual(await own("refuse"), ["mine.toml:3: expected otherwise", false]);
  assert.deepEqual(await own("fail"), ["a fault", true]);
});

test("what nobody waits for is not begun; what is under way for nobody ends with its worker, and others go on", async () => {
  const { pool, made } = poolOf(1);
  done.length = 0;
  const end = new AbortController();
  const long = pool.ask("wait", 100_000, { signal: end.signal });
  const queued = pool.ask("say", "never", { signal: end.signal });
  const other = pool.ask("say", "other");
  end.abort();
  await assert.rejects(long, /abort/);
  await assert.rejects(queued, /abort/);
  assert.equal(await other, "said other");
  assert.deepEqual(done, ["other"]);
  assert.deepEqual(made, [{ ended: true }, { ended: false }]);
  await assert.rejects(pool.ask("say", "late", { signal: end.signal }), /abort/);
});

test("a work that pauses ends when nobody waits for it, and its worker stays", async () => {
  const { pool, made } = poolOf(1);
  const end = new AbortController();
  const long = pool.ask("steps", 10_000, { signal: end.signal });
  const other = pool.ask("steps", 2);
  end.abort();
  await assert.rejects(long, /abort/);
  assert.equal(await other, "2 steps");
  assert.deepEqual(made, [{ ended: false }]);
});

test("what is asked again goes to the worker that did it first, whoever else is idle", async () => {
  const { pool, made } = poolOf(3);
  await pool.ask("say", "a", { of: "one" });
  await Promise.all(["b", "c"].map((text) => pool.ask("say", text, { of: "one" })));
  assert.equal(made.length, 1);
  await Promise.all(["d", "e"].map((text) => pool.ask("say", text, { of: text })));
  assert.equal(made.length, 2);
  await Promise.all(["d", "e", "one"].map((text) => pool.ask("say", text, { of: text })));
  assert.equal(made.length, 2);
});

test("a worker that cannot be started is said to be a fault, not waited for", async () => {
  const broken = (): WorkerLike => {
    const worker: WorkerLike = {
      onmessage: null,
      onerror: null,
      postMessage: () => queueMicrotask(() => worker.onerror?.({ message: "not found" })),
      terminate: () => {},
    };
    return worker;
  };
  await assert.rejects(new Pool<typeof WORKS>(broken, 1).ask("say", "a"), /not found/);
});
