/** `shootdown worker --queue redis://HOST:PORT`: decides what commands on any machine have put on a queue. */
import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import { buildName, interruptible, serveQueue } from "../jobs/index.js";
import { workerText } from "../report/index.js";
import { type LimitOptions, limitsOf, noCacheOption, numberUpTo, queueOption, withLimits } from "./options.js";
import { print } from "./output.js";

interface WorkerOptions extends LimitOptions {
  readonly queue: string;
  readonly jobs: number;
  readonly lease: number;
}

export function register(program: Command): void {
  const command = program
    .command("worker")
    .description("decide what prove, litmus, minimize, synthesize and distinguish have put on a queue, until stopped")
    .addOption(queueOption("take jobs from this Redis or Valkey, redis://HOST:PORT or rediss://").makeOptionMandatory())
    .addOption(
      new Option("--jobs <n>", "jobs side by side")
        .default(availableParallelism(), "as many as there are cores")
        .argParser(numberUpTo(1024)),
    )
    .addOption(
      new Option("--lease <seconds>", "jobs of a worker that is not heard of for so long go to others")
        .default(30)
        .argParser(numberUpTo(3600)),
    );
  withLimits(command, "a job's scenario may not ask for more: over it").addOption(noCacheOption()).action(run);
}

async function run(options: WorkerOptions): Promise<void> {
  const { queue, jobs, lease } = options;
  const { maxStates, timeoutMs, verdicts } = limitsOf(options);
  const asked = { queue, jobs, lease, most: { maxStates, timeoutMs, verdicts } };
  await interruptible((signal) => serveQueue(asked, signal, () => print(workerText(buildName(), queue, jobs))));
}
