/** `shootdown compare`: every scenario under every policy on every host, as tables, as JSON and as an HTML report. */
import type { Command } from "commander";
import { hostNames, loadHost, loadPolicy, loadScenario, policyNames, scenarioNames } from "../catalog/index.js";
import {
  type CompareResult,
  type Comparison,
  type Job,
  Plan,
  type PricedCapture,
  questionsOf,
  withVerdicts,
} from "../compare/index.js";
import { writeWhole } from "../files/index.js";
import { InputError, visibleLine } from "../input/index.js";
import { Inquiry } from "../prove/index.js";
import type { JobAnswer } from "./compare-worker.js";
import { DEFAULT_LIMITS, decide, PROVE_WORKER } from "./decide.js";
import { collect, cpuOn, cpuOption, ipaBitsOption, loadAll, repeatOption, withRepeat } from "./options.js";
import { outputWidth, print, printJson } from "./output.js";
import { Threads } from "./pool.js";
import { interruptible, interruptibleInto } from "./progress.js";

/** The file that simulates, and what its jobs and those of the prover are to who waits. */
const SIMULATE_WORKER = "./compare-worker.js";
const WHAT = "parts of the comparison";
const workersFor = (proved: boolean): string[] => [SIMULATE_WORKER, ...(proved ? [PROVE_WORKER] : [])];

interface CompareOptions {
  readonly policy?: readonly string[];
  readonly host?: readonly string[];
  readonly ipaBits: readonly number[];
  readonly cpu?: string;
  readonly repeatTlbi?: boolean;
  readonly json?: boolean;
  readonly report?: string;
  readonly prove: boolean;
}

export function register(program: Command): void {
  program
    .command("compare")
    .description("what each way of flushing does and costs, and whether it is safe: scenarios under policies on hosts")
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
    .option("--no-prove", "prices only: do not ask whether the policies are safe")
    .option("--json", "print JSON")
    .option("--report <file>", "also write one self-contained HTML file")
    .action(async (scenarios: string[], options: CompareOptions) => {
      // What is built in takes long enough that the threads may load meanwhile, and cannot be refused.
      const builtIn = scenarios.length === 0 && options.policy === undefined && options.host === undefined;
      const early = builtIn ? new Threads(workersFor(options.prove), WHAT) : undefined;
      const comparison = comparisonOf(scenarios, options);
      const result = await interruptible((signal) => inParallel(comparison, options.prove, signal, early));
      const { report } = options;
      if (report !== undefined) {
        const { renderReport } = await import("../report/index.js");
        // Recorded runs belong to the whole report, not to a question about one scenario.
        const captures = scenarios.length > 0 ? [] : await capturesOn(comparison);
        await interruptibleInto(report, async () => writeWhole(report, await renderReport(result, captures)));
      }
      if (options.json) printJson(result);
      else {
        const { compareTables } = await import("../report/index.js");
        print(compareTables(result, outputWidth()));
        if (report !== undefined) print(`\nThe report stands in ${visibleLine(report)}\n`);
      }
    });
}

async function capturesOn({ hosts, ipaBits }: Comparison): Promise<PricedCapture[]> {
  const { priceCaptures } = await import("./captures.js");
  return interruptible((signal) => priceCaptures(hosts, ipaBits, signal));
}

function comparisonOf(scenarios: readonly string[], options: CompareOptions): Comparison {
  return {
    scenarios: loadAll("scenarios", scenarios.length > 0 ? scenarios : scenarioNames(), loadScenario),
    policies: loadAll("policies", options.policy ?? policyNames(), loadPolicy),
    hosts: loadAll("hosts", options.host ?? hostNames(), loadHost).map((host) => withRepeat(host, options.repeatTlbi)),
    ipaBits: options.ipaBits,
    cpuOf: (host) => cpuOn(host, options.cpu),
  };
}

/** Simulates and proves in as many threads as there are cores. */
async function inParallel(
  comparison: Comparison,
  proved: boolean,
  signal: AbortSignal,
  early?: Threads,
): Promise<CompareResult> {
  const threads = early ?? new Threads(workersFor(proved), WHAT);
  try {
    const plan = new Plan(comparison);
    const simulated = threads.answers<Job, JobAnswer>(SIMULATE_WORKER, plan.jobs, signal, (answer, job) => {
      if ("refused" in answer) throw new InputError(answer.refused);
      plan.done(job, answer.results);
    });
    const inquiry = new Inquiry(proved ? questionsOf(comparison) : [], false);
    const [, verdicts] = await Promise.all([simulated, decide(inquiry, DEFAULT_LIMITS, threads, signal)]);
    return proved ? withVerdicts(plan.result(), comparison, verdicts) : plan.result();
  } finally {
    await threads.end();
  }
}
