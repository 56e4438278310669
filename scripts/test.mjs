// Runs the built tests (dist/**/*.test.js, or those whose path contains an argument) with Node's own runner, and says in a last
// line what was skipped. --quick leaves out what boots, browses, installs, or proves and simulates at length.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const SETUP = "scripts/setup-debian.sh --yes";

/** Files (the ends of their names) of more than a second of CPU time or so, and those that need more than Node. */
const SLOW = [
  ...["build", "docs", "schema", "fuzz"],
  ...["binary/directmap", "capture/recording", "capture/toolstack", "capture/vitals"],
  ...["catalog/policies", "catalog/simulations"],
  ...["check/policies", "check/prover", "cli/check"],
  ...[
    "cli/capture",
    "cli/capture.e2e",
    "cli/capture-4.17.e2e",
    "cli/cli",
    "cli/diff",
    "cli/edge",
    "cli/forms",
    "cli/held",
  ],
  ...["cli/inject", "cli/integrity", "cli/litmus", "cli/package", "cli/process", "cli/prove"],
  ...[
    "cli/show",
    "cli/completion",
    "cli/sweep",
    "cli/terminal",
    "jobs/pool",
    "cli/minimize",
    "cli/synthesize",
    "synth/search",
  ],
  ...["inject/damage", "inject/execute"],
  ...["compare/compare", "compare/executed", "compare/phases", "compare/sweep", "compare/whole-stack", "xen/recorded"],
  ...["agreement", "prove/herd/convert", "litmus-folder", "bounds", "metamorphic", "model-page"],
  ...["occasion/protocol", "occasion/scenario", "reductions", "sample", "sign-off"],
  ...["html/browser", "html/compare", "report/real", "report/verdict", "report/format", "report/proof"],
  ...["web/browser", "web/works"],
  ...["trace/damage", "trace/duckdb", "trace/file", "trace/form", "parquet/hybrid", "trace/views"],
].map((name) => `/${name}.test.js`);

const quick = process.argv.includes("--quick");
const wanted = process.argv.slice(2).filter((word) => word !== "--quick");
const all = readdirSync("dist", { recursive: true })
  .map((file) => join("dist", String(file)))
  .filter((file) => file.endsWith(".test.js") && (wanted.length === 0 || wanted.some((w) => file.includes(w))))
  .sort();
const gone = SLOW.filter((end) => !all.some((file) => file.endsWith(end)));
if (wanted.length === 0 && gone.length > 0) {
  console.error(`scripts/test.mjs names test files that are gone: ${gone.join(", ")}`);
  process.exit(1);
}
const files = quick ? all.filter((file) => !SLOW.some((end) => file.endsWith(end))) : all;
if (files.length === 0) {
  console.error(`no test file under dist matches ${wanted.join(" ")}`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "shootdown-tests-"));

/**
 * Each file costs a process, which loads and compiles most of the product: quick files of one room share one. Of those of the
 * command line every one has its own, for they change the working folder.
 */
function together(files) {
  const rooms = new Map();
  for (const file of files) rooms.set(roomOf(file), [...(rooms.get(roomOf(file)) ?? []), file]);
  return [...rooms].flatMap(([room, those]) => {
    if (room === "" || those.length === 1) return those;
    const batch = join(folder, `${room}.mjs`);
    writeFileSync(batch, those.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`).join(""));
    return [batch];
  });
}

/** The room of a quick test; "" for one that has a process of its own. */
function roomOf(file) {
  const [, room, rest] = file.split("/");
  return rest === undefined || room === "cli" || SLOW.some((end) => file.endsWith(end)) ? "" : room;
}
const skips = join(folder, "skips.json");
// Nothing hangs on what the user's own cache folder holds.
process.env.SHOOTDOWN_VERDICTS = join(folder, "verdicts");
// As Node.js chooses by itself, up to 20; and what was skipped beside it.
const reporters = [[process.stdout.isTTY ? "spec" : "tap", "stdout"], [new URL("./skips.mjs", import.meta.url).href, skips]]; // biome-ignore format: one row
const run = spawnSync(
  process.execPath,
  [
    ...["--test", "--test-concurrency=2"],
    ...reporters.flatMap(([name, to]) => [`--test-reporter=${name}`, `--test-reporter-destination=${to}`]),
    ...together(files),
  ],
  { stdio: "inherit" },
);
if (quick) console.log(`quick: ${all.length - files.length} of ${all.length} files were left out; npm test runs them`);
console.log(skipped(readFileSync(skips, "utf8")));
rmSync(folder, { recursive: true });
process.exit(run.status ?? 1);

/** One line: how many tests were skipped, why, and what sets up what they need. */
function skipped(text) {
  const reasons = text === "" ? [] : JSON.parse(text);
  if (reasons.length === 0) return "skipped: nothing";
  const distinct = [...new Set(reasons)].map((reason) => reason.replace(/^(SKIPPED|NOT TESTED): /, ""));
  const how = distinct.some((reason) => reason.includes("setup-debian")) ? `; to set up what is missing: ${SETUP}` : "";
  return `skipped: ${reasons.length} tests (${distinct.join("; ")})${how}`;
}
