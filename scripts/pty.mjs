// Runs commands on a terminal of their own, again and again: none may hang, each must end with its status and erase its
// progress line. `node scripts/pty.mjs [RUNS]` (of each command; 50 unless said). Needs script(1) of util-linux.
import { spawn } from "node:child_process";

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const MAIN = `${ROOT}/dist/command/main.js`;
const RUNS = Number(process.argv[2] ?? 50);
/** Far more than any of these needs, in milliseconds. */
const HANGS = 120_000;

const COMMANDS = [
  "litmus",
  "compare vcpu-switch",
  "compare vcpu-switch -p xen-today --host bare-metal",
  "prove xen-today --cpu neoverse-v2",
  `price "${ROOT}/traces/xen-4.20-create-ramdisk.parquet"`,
];

/** One run in a terminal of some width: its status (undefined: it hung) and all that it printed. */
function run(command, columns) {
  const child = spawn(
    "script",
    ["-qec", `stty cols ${columns}; "${process.execPath}" "${MAIN}" ${command}`, "/dev/null"],
    { stdio: ["ignore", "pipe", "inherit"], detached: true },
  );
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  let hung = false;
  const limit = setTimeout(() => {
    hung = true;
    process.kill(-child.pid, "SIGKILL");
  }, HANGS);
  return new Promise((resolve) =>
    child.on("close", (status) => {
      clearTimeout(limit);
      resolve({ status: hung ? undefined : status, said });
    }),
  );
}

let wrong = 0;
for (const command of COMMANDS) {
  const counts = { runs: 0, shown: 0, wrong: 0 };
  for (let i = 0; i < RUNS; i++) {
    const columns = [80, 200, 24, 0][i % 4];
    const { status, said } = await run(command, columns);
    const lines = said.split("\r\x1b[K").slice(1);
    counts.runs++;
    if (lines.length > 0) counts.shown++;
    const widest = Math.max(0, ...lines.slice(0, -1).map((line) => line.length));
    const faults = [
      ...(status === 0 ? [] : [status === undefined ? "hung" : `status ${status}`]),
      ...(lines.slice(0, -1).some((line) => line.includes("\n")) ? ["something was printed into the line"] : []),
      ...(columns > 0 && widest >= columns ? [`a line of ${widest} in ${columns} columns`] : []),
    ];
    if (faults.length === 0) continue;
    counts.wrong++;
    console.log(`${command}: ${faults.join("; ")}`);
  }
  wrong += counts.wrong;
  console.log(`${command}: ${counts.runs} runs, ${counts.shown} with a progress line, ${counts.wrong} wrong`);
}
process.exit(wrong > 0 ? 1 : 0);
