// Interrupts commands at random moments: each must end soon with status 130 (or of the signal itself, while none is caught: at
// start-up, and where nothing is left to clean up), without a stack trace and without a file that is not whole.
// `node scripts/interrupt.mjs [RUNS] [SEED]` (300 unless said).
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = new URL("../dist/command/main.js", import.meta.url).pathname;
const RUNS = Number(process.argv[2] ?? 300);
let state = Number(process.argv[3] ?? 1);
/** Far more than an end may take, in milliseconds. */
const HANGS = 60_000;

const COMMANDS = [
  "compare --report out.html",
  "compare vcpu-switch -p xen-today --host bare-metal --report out.html",
  "compare create-domu --no-prove",
  "prove --report out.html",
  "prove xen-today --cpu neoverse-v2 --save out",
  "litmus",
  "simulate create-domu-ramdisk -p xen-today -o out.ndjson",
  "simulate create-domu-ramdisk -p xen-today -o out.parquet",
  "price trace.ndjson",
  "show trace.ndjson",
  "diff trace.ndjson trace.ndjson",
];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** mulberry32: a number from 0 to 1. */
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const folder = mkdtempSync(join(tmpdir(), "shootdown-interrupt-"));

function run(args, signal, after) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  const kill = setTimeout(() => child.kill(signal), after);
  const limit = setTimeout(() => child.kill("SIGKILL"), after + HANGS);
  return new Promise((resolve) =>
    child.on("close", (status, by) => {
      clearTimeout(kill);
      clearTimeout(limit);
      resolve({ status, by, said });
    }),
  );
}

/** Files that are there and not whole. */
function broken() {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => {
      if (name.includes(".part")) return true;
      if (name === "out.html") return !readFileSync(join(folder, name), "utf8").endsWith("</html>\n");
      return false;
    });
}

const ends = {};
let wrong = 0;
try {
  await run("simulate create-domu-ramdisk -p xen-today -o trace.ndjson".split(" "), "SIGKILL", 2 ** 30);
  for (let i = 0; i < RUNS; i++) {
    const command = COMMANDS[Math.floor(random() * COMMANDS.length)];
    const signal = SIGNALS[Math.floor(random() * SIGNALS.length)];
    // Half of them while it starts.
    const after = Math.round(random() * (random() < 0.5 ? 600 : 6000));
    const { status, by, said } = await run(command.split(" "), signal, after);
    const end = by ?? status;
    ends[end] = (ends[end] ?? 0) + 1;
    const faults = [
      ...(end === 130 || end === 0 || by === signal ? [] : [`ended with ${end}`]),
      ...(said === "" ? [] : [`said ${said.slice(0, 300)}`]),
      ...broken().map((name) => `left ${name}`),
    ];
    if (faults.length > 0) console.log(`${command}, ${signal} after ${after} ms: ${faults.join("; ")}`);
    if (faults.length > 0) wrong++;
    for (const name of readdirSync(folder))
      if (name !== "trace.ndjson") rmSync(join(folder, name), { recursive: true, force: true });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${RUNS} interrupts, ${wrong} wrong; ends: ${JSON.stringify(ends)} (0: it was done before)`);
process.exit(wrong > 0 ? 1 : 0);
