import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { builtInCpu, builtInPolicy } from "../../builtin/index.js";
import { Question } from "../../prove/index.js";
import type { ProveJob } from "../prove-worker.js";
import { type Bounds, decided } from "../verdicts.js";
import { WORKER_FILES } from "./payload.js";
import { Queued } from "./queued.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-queued-"));
after(() => rmSync(folder, { recursive: true }));

/** A port at which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

test("of a queue that cannot be reached it is said what was done, and what the cache had all along", async () => {
  const limits: Bounds = { maxStates: 1e6, timeoutMs: 60_000, verdicts: { folder, rules: "a" } };
  const { tasks } = new Question(builtInPolicy("switch-no-flush"), "switch", builtInCpu("arch-minimal"), { fb: true });
  decided(tasks[0]!, limits);
  const queued = new Queued(`redis://127.0.0.1:${await deadPort()}`, "parts");
  const jobs = tasks.slice(0, 3).map((task): ProveJob => ({ tasks: [task], limits }));
  const heard: unknown[] = [];
  const asked = queued.answers(WORKER_FILES[0]!, jobs, new AbortController().signal, (answer) => heard.push(answer));
  await assert.rejects(
    asked,
    /cannot be used: .*ECONNREFUSED.* \(0 of 3 parts were done, beside 1 that this machine's cache had\)$/,
  );
  assert.equal(heard.length, 1);
  await queued.end();
});
