// Speed and memory of the main job. Run by `npm run bench`; figures are for the machine that it runs on.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuProfile } from "../dist/arch/index.js";
import { builtInText, hostNames, loadHost, loadPolicy, loadScenario } from "../dist/catalog/index.js";
import { hostSinks, PhasePrices, runJob } from "../dist/compare/index.js";
import { isNested } from "../dist/host/index.js";
import { decideTask, Question } from "../dist/prove/index.js";
import { readTrace } from "../dist/trace/file.js";
import { EventBuffer, NdjsonTrace } from "../dist/trace/index.js";
import { simulate } from "../dist/xen/index.js";

const MAIN = new URL("../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "shootdown-bench-"));
const line = (what, figure) => console.log(`${what.padEnd(74)} ${figure}`);
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;
const rate = (events, milliseconds) => `${(events / milliseconds / 1000).toFixed(1)} M events/s`;

/** The best of a few runs, in milliseconds. */
function best(runs, work) {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) {
    const begun = performance.now();
    work();
    least = Math.min(least, performance.now() - begun);
  }
  return least;
}

/** Runs the command line in a process of its own: its time and its largest resident memory. */
function command(...args) {
  const watch = `process.on("exit", () => process.stderr.write(String(process.resourceUsage().maxRSS)));`;
  const begun = performance.now();
  const run = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(watch)}`, MAIN, ...args],
    {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    },
  );
  if (run.status !== 0) throw new Error(`shootdown ${args.join(" ")}: ${run.stderr}`);
  return { milliseconds: performance.now() - begun, megabytes: `${Math.round(Number(run.stderr) / 1024)} MB` };
}

try {
  const scenario = loadScenario("create-domu-ramdisk");
  const policy = loadPolicy("xen-today");
  const cpu = cpuProfile("neoverse-v2");
  const hosts = hostNames().map(loadHost);
  const ipaBits = [40, 44, 48];

  const whole = command("compare");
  line("compare: all built in, start-up included", `${seconds(whole.milliseconds)}, ${whole.megabytes}`);

  const proved = command("prove", "--json");
  line(
    "prove: all built-in policies on all CPUs, start-up included",
    `${seconds(proved.milliseconds)}, ${proved.megabytes}`,
  );
  const question = new Question(loadPolicy("kvm-ipa"), "batch", cpu, { fb: true });
  let states = 0;
  const proving = best(3, () => {
    states = 0;
    for (const task of question.tasks) states += decideTask(task, { maxStates: 1e9, timeoutMs: 0 }).states;
  });
  line(
    `  ${question.tasks.length} scenarios of one policy, on one thread`,
    `${seconds(proving)}, ${(states / proving / 1000).toFixed(2)} M states/s`,
  );

  const job = { scenario, policies: [policy], cpu, hosts, ipaBits };
  line(
    "222,815 removals, simulated and priced with shadow tables, 10 hosts and sizes",
    seconds(best(3, () => runJob(job))),
  );

  const blocks = [];
  let names;
  const keep = {
    events(buffer, of) {
      const block = new EventBuffer(buffer.length);
      for (const [column, values] of Object.entries(block))
        if (ArrayBuffer.isView(values)) values.set(buffer[column].subarray(0, values.length));
      block.length = buffer.length;
      blocks.push(block);
      names = of;
    },
  };
  const [events] = simulate(scenario, cpu, [{ policy, sinks: [keep] }]).events;
  const feed = (sink) => {
    for (const block of blocks) sink.events(block, names);
  };
  for (const [name, list] of [
    ["bare metal", hosts.filter((host) => !isNested(host))],
    ["KVM nested, three hosts at three sizes", hosts.filter(isNested)],
  ]) {
    const time = best(3, () => {
      for (const sink of hostSinks(list, ipaBits, scenario.machine.pcpus).sinks) feed(sink);
    });
    line(`pricing ${(events / 1e6).toFixed(1)} M events in memory: ${name}`, rate(events, time));
  }
  line(
    "  the same phase by phase, all hosts",
    rate(
      events,
      best(3, () => feed(new PhasePrices(hosts, [48], 4))),
    ),
  );
  const piece = [];
  const lines = best(3, () => {
    piece.length = 0;
    const sink = new NdjsonTrace((bytes) => void piece.push(Buffer.from(bytes)), "bench");
    for (const block of blocks.slice(0, 100)) sink.events(block, names);
    sink.finish();
  });
  const some = blocks.slice(0, 100).reduce((sum, { length }) => sum + length, 0);
  line(`writing ${(some / 1e6).toFixed(1)} M events as NDJSON, in memory`, rate(some, lines));
  const ndjson = join(folder, "some.ndjson");
  writeFileSync(ndjson, Buffer.concat(piece));
  const begun = performance.now();
  await readTrace(ndjson, []);
  line("reading them again", rate(some, performance.now() - begun));
  piece.length = 0;
  blocks.length = 0;

  const long = join(folder, "long.toml");
  writeFileSync(
    long,
    `lives = 3\n${builtInText("scenarios", "create-domu-ramdisk").replace("create-domu-ramdisk", "long")}`,
  );
  const trace = join(folder, "long.parquet");
  const written = command("simulate", long, "--policy", "xen-today", "-o", trace, "--json");
  const shown = command("show", trace, "--json");
  const total = simulate(loadScenario(long), cpu, [{ policy, sinks: [{ events() {} }] }]).events[0];
  line(
    `simulate ${(total / 1e6).toFixed(1)} M events into Parquet (${Math.round(statSync(trace).size / 2 ** 20)} MiB)`,
    `${seconds(written.milliseconds)}, ${rate(total, written.milliseconds)}, ${written.megabytes}`,
  );
  line("show that file", `${seconds(shown.milliseconds)}, ${rate(total, shown.milliseconds)}, ${shown.megabytes}`);
  const same = command("diff", trace, trace, "--json");
  line(
    "diff that file with itself on every host",
    `${seconds(same.milliseconds)}, ${rate(2 * total, same.milliseconds)}, ${same.megabytes}`,
  );
  for (const host of ["bare-metal", "kvm-nested-7.2"]) {
    const priced = command("price", trace, "--host", host, "--json");
    line(
      `price that file on ${host}`,
      `${seconds(priced.milliseconds)}, ${rate(total, priced.milliseconds)}, ${priced.megabytes}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
