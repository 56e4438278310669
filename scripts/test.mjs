// Runs the built tests (dist/**/*.test.js, or those whose path contains an argument) with Node's own runner.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

const wanted = process.argv.slice(2);
const files = readdirSync("dist", { recursive: true })
  .map((file) => join("dist", String(file)))
  .filter((file) => file.endsWith(".test.js") && (wanted.length === 0 || wanted.some((w) => file.includes(w))))
  .sort();
if (files.length === 0) {
  console.error(`no test file under dist matches ${wanted.join(" ")}`);
  process.exit(1);
}
const run = spawnSync(process.execPath, ["--test", "--test-concurrency=2", ...files], { stdio: "inherit" });
process.exit(run.status ?? 1);
