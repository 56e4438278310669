// Speed and memory of the main job. Run by `npm run bench`; figures are for the machine that it runs on.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { barrierIndex, leafLo, sysregIndex, tlbiIndex, vttbr } from "../dist/arch/index.js";
import {
  builtInText,
  hostNames,
  loadCpu,
  loadHost,
  loadPolicy,
  loadScenario,
  traceNames,
} from "../dist/catalog/index.js";
import { Checker } from "../dist/check/index.js";
import { hostSinks, PhasePrices, runJob } from "../dist/compare/index.js";
import { isNested } from "../dist/host/index.js";
import { decideTask, Question } from "../dist/prove/index.js";
import { readTrace } from "../dist/trace/file.js";
import { EventBuffer, NdjsonTrace, Recorder } from "../dist/trace/index.js";
import { simulate } from "../dist/xen/index.js";
import { benchPage } from "./bench-page.mjs";
import { benchQueue } from "./bench-queue.mjs";

const MAIN = new URL("../dist/command/main.js", import.meta.url).pathname;
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

/** What the last command printed. */
let output = "";

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
      // What was kept is the bench's own.
      env: { ...process.env, SHOOTDOWN_VERDICTS: join(folder, "verdicts"), SHOOTDOWN_COUNTS: join(folder, "counts") },
    },
  );
  if (run.status !== 0) throw new Error(`shootdown ${args.join(" ")}: ${run.stderr}`);
  output = run.stdout;
  return { milliseconds: performance.now() - begun, megabytes: `${Math.round(Number(run.stderr) / 1024)} MB` };
}

/** Keeps a trace in memory. */
class Kept {
  blocks = [];
  events(buffer, names) {
    const block = new EventBuffer(buffer.length);
    block.append(buffer, 0, buffer.length);
    this.blocks.push(block);
    this.names = names;
  }
}

/** How fast a check is where `n` pages are mapped, removed and then flushed at once, a million events long. */
function waiting(n) {
  const kept = new Kept();
  const recorder = new Recorder(1, [kept]);
  const root = vttbr(1, 0x100);
  recorder.sysreg(0, sysregIndex("vttbr_el2"), { lo: 0, hi: 0 }, root);
  recorder.context(0, 1, 1);
  const table = (page) => leafLo(page, 3, 0);
  recorder.write(0, 0x100, 2, 0, 0, 0, 0, table(0x101), 0);
  recorder.write(0, 0x101, 2, 1, 0, 0, 0, table(0x102), 0);
  for (let t = 0; t < 8; t++) recorder.write(0, 0x102, 2, 2, t, 0, 0, table(0x200 + t), 0);
  const [dsb, done, flush] = [barrierIndex("dsb ishst"), barrierIndex("dsb ish"), tlbiIndex("vmalls12e1is")];
  const leaf = (page) => leafLo(page, 3, 0x7fc);
  while (recorder.total() < 1e6) {
    for (let i = 0; i < n; i++) recorder.write(0, 0x200 + (i >> 9), 2, 3, i & 511, 0, 0, leaf(0x1000 + i), 0);
    for (let i = 0; i < n; i++) recorder.write(0, 0x200 + (i >> 9), 2, 3, i & 511, leaf(0x1000 + i), 0, 0, 0);
    recorder.barrier(0, dsb);
    recorder.tlbi(0, flush, 0, 0);
    recorder.barrier(0, done);
  }
  recorder.flush();
  const check = () => {
    const checker = new Checker(loadCpu("cortex-a72"));
    for (const block of kept.blocks) checker.events(block, kept.names);
    if (checker.finish().findings.some((one) => one.class === "unsafe")) throw new Error("the trace is safe");
  };
  return rate(recorder.total(), best(3, check));
}

const scenario = loadScenario("create-domu-ramdisk");
const policy = loadPolicy("xen-today");
const cpu = loadCpu("neoverse-v2");
const hosts = hostNames().map(loadHost);
const ipaBits = [40, 44, 48];

/** Proofs, by the command and in process. */
function proofs() {
  const whole = command("compare");
  line("compare: all built in, nothing kept, start-up included", `${seconds(whole.milliseconds)}, ${whole.megabytes}`);
  const again = command("compare");
  line("  the same out of what was kept", `${seconds(again.milliseconds)}, ${again.megabytes}`);

  const proved = command("prove", "--json", "--no-cache");
  line(
    "prove: all built-in policies on all CPUs, start-up included",
    `${seconds(proved.milliseconds)}, ${proved.megabytes}`,
  );
  const captures = traceNames();
  const lifted = command("prove", ...captures, "--json", "--no-cache");
  line(
    `prove: what ${captures.length} recorded traces executed, lifted, on all CPUs, start-up included`,
    `${seconds(lifted.milliseconds)}, ${lifted.megabytes}`,
  );
  const catalogue = new URL("../../shared/herd", import.meta.url).pathname;
  if (existsSync(catalogue)) {
    const { milliseconds } = command("litmus", catalogue, "--json");
    const { summary } = JSON.parse(output);
    const most = `${seconds(summary.milliseconds.most)} at most`;
    line(`litmus: ${summary.tests} tests of herd's catalogue, start-up included`, `${seconds(milliseconds)}, ${most}`);
  } else line("litmus: herd's catalogue, skipped: not in ../shared/herd", "-");
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
}

/** A scenario and its events, in memory. */
async function memory() {
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
  line(
    "check of the same in memory",
    rate(
      events,
      best(3, () => feed(new Checker(cpu))),
    ),
  );
  line("  of 4,096 removals that wait for one flush, again and again", waiting(4096));
  line("  of removals that are flushed one by one", waiting(1));
}

/** A trace of several lives, written and read by commands. */
function files() {
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
  const checked = command("check", trace, "--host", "bare-metal", "--json");
  line(
    "check that file",
    `${seconds(checked.milliseconds)}, ${rate(total, checked.milliseconds)}, ${checked.megabytes}`,
  );
  for (const host of ["bare-metal", "kvm-nested-7.2"]) {
    const priced = command("price", trace, "--host", host, "--json");
    line(
      `price that file on ${host}`,
      `${seconds(priced.milliseconds)}, ${rate(total, priced.milliseconds)}, ${priced.megabytes}`,
    );
  }
}

/** The parts, in their order: all of them, or those named on the command line (`npm run bench -- files`). */
const PARTS = { proofs, memory, files, page: () => benchPage(line), queue: () => benchQueue(line) };

try {
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown !== undefined)
    throw new Error(`no part '${unknown}' of the bench, expected ${Object.keys(PARTS).join(", ")}`);
  for (const [name, part] of Object.entries(PARTS)) if (named.length === 0 || named.includes(name)) await part();
} finally {
  rmSync(folder, { recursive: true });
}
