/** `shootdown compare`: every scenario under every policy on every host, as tables, as JSON and as an HTML report. */
import { setMaxListeners } from "node:events";
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { Piscina } from "piscina";
import { hostNames, loadHost, loadPolicy, loadScenario, policyNames, scenarioNames } from "../catalog/index.js";
import { type CompareResult, type Comparison, Plan, type PricedCapture } from "../compare/index.js";
import { InputError } from "../input/index.js";
import type { JobAnswer } from "./compare-worker.js";
import { collect, cpuOn, cpuOption, ipaBitsOption, repeatOption, withRepeat } from "./options.js";
import { outputWidth, printJson, writeWhole } from "./output.js";
import { interruptible, Progress } from "./progress.js";

interface CompareOptions {
  readonly policy?: readonly string[];
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly cpu?: string;
  readonly repeatTlbi?: boolean;
  readonly json?: boolean;
  readonly report?: string;
}

export function register(program: Command): void {
  program
    .command("compare")
    .description("what each way of flushing does and costs: scenarios under policies on hosts")
    .argument("[scenario...]", "built-in scenarios or .toml files (default: all built in)")
    .option(
      "-p, --policy <policy>",
      "a built-in policy or a .toml file; may be repeated (default: all built in)",
      collect,
    )
    .option("--host <host>", "a built-in host or a .toml file; may be repeated (default: all built in)", collect)
    .addOption(ipaBitsOption([40, 44, 48]))
    .addOption(cpuOption())
    .addOption(repeatOption())
    .option("--json", "print JSON")
    .option("--report <file>", "also write one self-contained HTML file")
    .action(async (scenarios: string[], options: CompareOptions) => {
      // What is built in takes long enough that the threads may load meanwhile, and cannot be refused.
      const builtIn = scenarios.length === 0 && options.policy === undefined && options.host === undefined;
      const early = builtIn ? startThreads(availableParallelism()) : undefined;
      const result = await interruptible((signal) => inParallel(comparisonOf(scenarios, options), signal, early));
      if (options.report !== undefined) {
        const { renderReport } = await import("../report/index.js");
        // Recorded runs belong to the whole report, not to a question about one scenario.
        const captures = scenarios.length > 0 ? [] : await capturesOn(options);
        writeWhole(options.report, await renderReport(result, captures));
      }
      if (options.json) printJson(result);
      else {
        const { compareTables } = await import("../report/index.js");
        process.stdout.write(compareTables(result, outputWidth()));
        if (options.report !== undefined) process.stdout.write(`\nThe report stands in ${options.report}\n`);
      }
    });
}

async function capturesOn(options: CompareOptions): Promise<PricedCapture[]> {
  const { hosts, ipaBits } = comparisonOf([], options);
  const { priceCaptures } = await import("./captures.js");
  return interruptible((signal) => priceCaptures(hosts, ipaBits, signal));
}

function comparisonOf(scenarios: readonly string[], options: CompareOptions): Comparison {
  const all = <T extends { readonly name: string }>(
    what: string,
    names: readonly string[],
    load: (name: string) => T,
  ): T[] => {
    const loaded = [...new Set(names)].map(load);
    const twice = loaded.find((one, i) => loaded.findIndex((other) => other.name === one.name) < i);
    if (twice) throw new InputError(`two ${what} are named '${twice.name}': their rows could not be told apart`);
    return loaded;
  };
  return {
    scenarios: all("scenarios", scenarios.length > 0 ? scenarios : scenarioNames(), loadScenario),
    policies: all("policies", options.policy ?? policyNames(), loadPolicy),
    hosts: all("hosts", options.host ?? hostNames(), loadHost).map((host) => withRepeat(host, options.repeatTlbi)),
    ipaBits: options.ipaBits,
    cpuOf: (host) => cpuOn(host, options.cpu),
  };
}

function startThreads(threads: number): Piscina {
  const filename = new URL("./compare-worker.js", import.meta.url).href;
  return new Piscina({ filename, minThreads: threads, maxThreads: threads });
}

/** Does the jobs in as many threads as there are cores; a single job too, so that Ctrl-C is heard meanwhile. */
async function inParallel(comparison: Comparison, signal: AbortSignal, early?: Piscina): Promise<CompareResult> {
  const plan = new Plan(comparison);
  if (plan.jobs.length === 0) return plan.result();
  const threads = Math.min(availableParallelism(), plan.jobs.length);
  const pool = early ?? startThreads(threads);
  setMaxListeners(threads + 1, signal);
  const progress = new Progress("simulations");
  const waiting = plan.jobs.values();
  let refused: string | undefined;
  let done = 0;
  // Each thread gets a first job and answers it, also after a refusal: Node.js may crash when a loading thread is stopped.
  const runJobs = async (): Promise<void> => {
    for (const job of waiting) {
      if (refused !== undefined) return;
      const answer = (await pool.run(job, { signal })) as JobAnswer;
      if ("refused" in answer) refused = answer.refused;
      else plan.done(job, answer.results);
      await progress.update(++done, plan.jobs.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: threads }, runJobs));
    if (refused !== undefined) throw new InputError(refused);
    return plan.result();
  } finally {
    progress.stop();
    pool.on("error", () => {}); // a worker may answer while it is being stopped: nobody waits for that any more
    await pool.destroy();
  }
}
