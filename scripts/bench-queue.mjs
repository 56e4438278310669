// What a queue costs: rows of `npm run bench -- queue`. Server, producer and workers share this machine's cores.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { loadCpu, loadPolicy } from "../dist/catalog/index.js";
import { doneBy } from "../dist/jobs/hands.js";
import { PROVED, proverCpu, Question } from "../dist/prove/index.js";
import { missingServer, withServer } from "./queue-server.mjs";

const MAIN = new URL("../dist/cli/main.js", import.meta.url).pathname;
const never = new AbortController().signal;
/** Jobs in which nothing is decided: each is a litmus test that is none. */
const EMPTY = 3000;
const POLICIES = ["xen-today"];
const CORES = [10, 100, 1000];

/** Prints a row a figure with `line`. */
export async function benchQueue(line) {
  const why = missingServer();
  if (why !== undefined) return line("a queue", `not measured: ${why}`);
  const tasks = tasksOf();
  const cores = availableParallelism();
  const used = process.cpuUsage();
  const embedded = await timed(() => proved(undefined, tasks));
  const { user, system } = process.cpuUsage(used);
  const scenario = (user + system) / 1000 / tasks.length;
  line(`${tasks.length} scenarios, embedded: ${cores} threads`, perSecond(tasks.length, embedded.milliseconds));
  for (const workers of [1, 2]) {
    const { milliseconds } = await onQueue(workers, (url) => timed(() => proved(url, tasks)));
    line(
      `the same by ${workers} worker${workers > 1 ? "s" : ""} of one job each`,
      perSecond(tasks.length, milliseconds),
    );
  }
  const empty = await onQueue(1, async (url) => {
    const client = new Redis(Number(new URL(url).port));
    const before = await serverSeconds(client);
    const { milliseconds } = await timed(() => emptyJobs(url));
    const server = (await serverSeconds(client)) - before;
    client.disconnect();
    return { milliseconds, server };
  });
  const job = (1000 * empty.server) / EMPTY;
  line("a scenario: processor time, the threads' start included", `${scenario.toFixed(2)} ms`);
  line(
    `a job on the queue in which nothing is decided, one worker (${EMPTY})`,
    `${(empty.milliseconds / EMPTY).toFixed(2)} ms`,
  );
  line("  of that the server's own processor time, in one thread", `${job.toFixed(3)} ms`);
  const all = await allScenarios();
  line("on paper: the server has work for, in cores that decide scenarios", Math.round(scenario / job));
  for (const n of CORES) {
    const decide = (all * scenario) / n;
    const limit = all * job;
    const bound = limit > decide ? "the server" : "the cores";
    line(
      `on paper: ${all.toLocaleString("en")} scenarios (all policies, occasions and usual CPUs) on ${n} cores`,
      `${(Math.max(decide, limit) / 1000).toFixed(1)} s, bound by ${bound}`,
    );
  }
}

const perSecond = (n, milliseconds) =>
  `${(milliseconds / 1000).toFixed(2)} s, ${Math.round((1000 * n) / milliseconds)}/s`;

async function timed(work) {
  const begun = performance.now();
  const answer = await work();
  return { answer, milliseconds: performance.now() - begun };
}

/** Scenarios of some policies on a CPU, each once. */
function tasksOf(policies = POLICIES, cpus = ["neoverse-n1"]) {
  const list = policies.flatMap((policy) =>
    Object.keys(PROVED).flatMap((occasion) =>
      cpus.flatMap((cpu) => new Question(loadPolicy(policy), occasion, loadCpu(cpu), { fb: true }).tasks),
    ),
  );
  return [...new Map(list.map((task) => [JSON.stringify([task.scenario, task.cpu]), task])).values()];
}

async function allScenarios() {
  const { policyNames, usualCpus } = await import("../dist/builtin/index.js");
  return tasksOf(policyNames(), usualCpus()).length;
}

async function proved(url, tasks) {
  const limits = { maxStates: 20_000_000, timeoutMs: 60_000 };
  const jobs = Array.from({ length: Math.ceil(tasks.length / 4) }, (_, i) => ({
    tasks: tasks.slice(4 * i, 4 * i + 4),
    limits,
  }));
  return (await doneBy(url, "./prove-worker.js", jobs, "parts", never)).flat();
}

function emptyJobs(url) {
  const options = { ...proverCpu(loadCpu("arch-minimal")), maxStates: 1000, timeoutMs: 1000, without: new Set() };
  const jobs = Array.from({ length: EMPTY }, (_, i) => ({ file: "none.toml", text: `none = ${i}`, options }));
  return doneBy(url, "./litmus-worker.js", jobs, "tests", never);
}

/** Processor time that the server has used, in seconds. */
async function serverSeconds(client) {
  const text = await client.info("cpu");
  return [.../^used_cpu_(?:sys|user):([\d.]+)/gm[Symbol.matchAll](text)].reduce((sum, [, n]) => sum + Number(n), 0);
}

/** Does work with a new server and so many workers of one job each, which have joined. */
async function onQueue(workers, work) {
  const folder = mkdtempSync(join(tmpdir(), "shootdown-bench-queue-"));
  const started = [];
  try {
    return await withServer(folder, async (url) => {
      for (let i = 0; i < workers; i++) {
        const args = [MAIN, "worker", "--queue", url, "--jobs", "1", "--no-cache"];
        const worker = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
        started.push(worker);
        await once(worker.stdout, "data");
      }
      return await work(url);
    });
  } finally {
    for (const worker of started) worker.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}
