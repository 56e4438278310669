// Runs the built tests (dist/**/*.test.js, or those whose path contains an argument) by Node's own runner, and says at the end what
// failed, each with the beginning of why, and in a last line what was skipped. --quick leaves out what boots, browses, installs, or proves and simulates at length.
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { spec, tap } from "node:test/reporters";
import { pathToFileURL } from "node:url";

const SETUP = "scripts/setup-debian.sh --yes";

/**
 * Files (the ends of their names) of ten seconds or more: they begin first, so that none is left over at the end; those that wait
 * long for others (a QEMU, a browser) among those that do not.
 */
const LONG = [
  "cli/nested.e2e",
  "docs",
  "web/browser",
  "cli/capture.e2e",
  "cli/capture-4.17.e2e",
  "reductions",
  "cli/capture",
  "litmus-folder",
  "cli/queue.e2e",
  "occasion/scenario",
  "cli/package",
  "sign-off",
  "cli/edge",
  "agreement",
  "schema",
  "cli/process",
  "html/browser",
  "compare/executed",
  "metamorphic",
  "trace/damage",
  "occasion/protocol",
  "cli/prove",
].map((name) => `/${name}.test.js`);

/** Others of more than a second or so, and those that need more than Node. */
const SLOW = [
  "check/mutation",
  "cli/losses",
  "cli/prove-code",
  "cli/prove-trace",
  "compare/lift",
  "prove/errata",
  "prove/granule",
  "prove/public",
  "prove/traced",
  "searches",
  "synth/minimize",
  "trace/digest",
  "build",
  "fuzz",
  "binary/directmap",
  "capture/recording",
  "capture/toolstack",
  "capture/vitals",
  "catalog/policies",
  "catalog/simulations",
  "check/policies",
  "check/prover",
  "cli/calibrate",
  "cli/check",
  "cli/cli",
  "cli/diff",
  "cli/forms",
  "cli/held",
  "cli/inject",
  "cli/injected",
  "cli/integrity",
  "inject/builds",
  "inject/damage",
  "inject/execute",
  "cli/litmus",
  "cli/show",
  "cli/completion",
  "cli/sweep",
  "cli/terminal",
  "jobs/nested",
  "jobs/pool",
  "cli/minimize",
  "cli/synthesize",
  "cli/queue.e2e",
  "stack/shipped",
  "stack/whole-stack",
  "synth/search",
  "synth/price",
  "jobs/distinguish-cpus",
  "jobs/scenarios",
  "compare/compare",
  "compare/phases",
  "compare/sweep",
  "compare/whole-stack",
  "xen/recorded",
  "prove/herd/convert",
  "bounds",
  "model-page",
  "sample",
  "html/compare",
  "report/real",
  "report/verdict",
  "report/format",
  "report/proof",
  "web/works",
  "trace/duckdb",
  "trace/file",
  "trace/form",
  "parquet/hybrid",
  "trace/views",
].map((name) => `/${name}.test.js`);

const isLong = (file) => LONG.some((end) => file.endsWith(end));
const isSlow = (file) => SLOW.some((end) => file.endsWith(end));

const quick = process.argv.includes("--quick");
const wanted = process.argv.slice(2).filter((word) => word !== "--quick");
const all = readdirSync("dist", { recursive: true })
  .map((file) => join("dist", String(file)))
  .filter((file) => file.endsWith(".test.js") && (wanted.length === 0 || wanted.some((w) => file.includes(w))))
  .sort();
const gone = [...LONG, ...SLOW].filter((end) => !all.some((file) => file.endsWith(end)));
if (wanted.length === 0 && gone.length > 0) {
  console.error(`scripts/test.mjs names test files that are gone: ${gone.join(", ")}`);
  process.exit(1);
}
const files = quick ? all.filter((file) => !isLong(file) && !isSlow(file)) : all;
if (files.length === 0) {
  console.error(`no test file under dist matches ${wanted.join(" ")}`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "shootdown-tests-"));

/**
 * Each file costs a process, which loads and compiles most of the product: files of one room that are not long share one, but for
 * those that change the working folder.
 */
function together(files) {
  const shared = new Map();
  for (const file of files) shared.set(processOf(file), [...(shared.get(processOf(file)) ?? []), file]);
  return [...shared].map(([name, those]) => {
    if (those.length === 1) return those[0];
    const batch = join(folder, `${name}.mjs`);
    writeFileSync(batch, those.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`).join(""));
    return batch;
  });
}

/** The process of a test: its room's, or its own. */
function processOf(file) {
  const [, room, rest] = file.split("/");
  if (rest === undefined || isLong(file) || readFileSync(file, "utf8").includes("process.chdir(")) return file;
  return isSlow(file) ? `${room}-slow` : room;
}

const order = (file) =>
  isLong(file) ? LONG.findIndex((end) => file.endsWith(end)) : LONG.length + (isSlow(file) ? 0 : 1);

// Nothing hangs on what the user's own cache folder holds.
process.env.SHOOTDOWN_VERDICTS = join(folder, "verdicts");
process.env.SHOOTDOWN_COUNTS = join(folder, "counts");
const skips = [];
const events = run({ files: together(files.sort((a, b) => order(a) - order(b))), concurrency: 2 });
events.on("test:pass", ({ name, skip }) => {
  if (skip !== undefined && skip !== false) skips.push(typeof skip === "string" && skip !== "" ? skip : name);
});
const failures = [];
events.on("test:fail", ({ name, todo, file, details }) => {
  if (todo !== undefined && todo !== false) return;
  process.exitCode = 1;
  failures.push(
    `failed: ${name} (${file ?? "no file"}, after ${Math.round(details.duration_ms)} ms)\n${why(details.error)}`,
  );
});
const report = process.stdout.isTTY ? new spec() : tap;
const written = events.compose(report);
written.pipe(process.stdout, { end: false });
await once(written, "end");
if (quick) console.log(`quick: ${all.length - files.length} of ${all.length} files were left out; npm test runs them`);
// Once more, and last: of a long output often only the end is kept.
for (const failure of failures) console.log(failure);
console.log(skipped(skips));
rmSync(folder, { recursive: true });

/** The beginning of a failure's words, indented. */
function why(error) {
  const cause = error?.cause ?? error;
  const text = String(cause?.stack ?? cause);
  return text
    .split("\n")
    .slice(0, 30)
    .map((line) => `  ${line.slice(0, 300)}`)
    .join("\n");
}

/** One line: how many tests were skipped, why, and what sets up what they need. */
function skipped(reasons) {
  if (reasons.length === 0) return "skipped: nothing";
  const distinct = [...new Set(reasons)].map((reason) => reason.replace(/^(SKIPPED|NOT TESTED): /, ""));
  const how = distinct.some((reason) => reason.includes("setup-debian")) ? `; to set up what is missing: ${SETUP}` : "";
  return `skipped: ${reasons.length} tests (${distinct.join("; ")})${how}`;
}
