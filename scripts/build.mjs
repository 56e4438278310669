// Compiles into a folder beside dist, then moves file by file what has changed, and removes what no source makes any more. A
// build that runs meanwhile never finds a file missing or half written, nor does a command, but for parts of it that it has not
// loaded yet; after an error dist is as it was.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";

const ROOT = new URL("..", import.meta.url).pathname;
const DIST = join(ROOT, "dist");
const BESIDE = join(ROOT, `dist.${process.pid}`);
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

/** Files, and then folders (the inner ones first), below a folder, by their names from there. */
function below(folder) {
  const all = existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String).sort().reverse() : [];
  const isFolder = (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory() ?? false;
  return { files: all.filter((name) => !isFolder(name)), folders: all.filter(isFolder) };
}

const same = (a, b) => existsSync(b) && readFileSync(a).equals(readFileSync(b));

/** Folders of builds that were killed. */
function removeLeftovers() {
  for (const name of readdirSync(ROOT)) {
    const pid = /^dist\.(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(ROOT, name), { recursive: true, force: true });
  }
}

/** Folders of files that are built in as texts, and where the module of them goes, whose types the sources have. */
const SHELVES = ["policies", "hosts", "cpus", "scenarios"];
const TEXTS = "builtin/texts";

/** Makes the module of texts, so that a program has what is built in without files. */
function writeTexts() {
  const types = join(ROOT, "src", `${TEXTS}.d.ts`);
  if (!existsSync(types)) return;
  const textsOf = (shelf) =>
    readdirSync(join(ROOT, shelf))
      .filter((file) => file.endsWith(".toml"))
      .sort()
      .map((file) => [file.replace(/\.toml$/, ""), readFileSync(join(ROOT, shelf, file), "utf8")]);
  const all = Object.fromEntries(SHELVES.map((shelf) => [shelf, Object.fromEntries(textsOf(shelf))]));
  writeFileSync(join(BESIDE, `${TEXTS}.js`), `export const TEXTS = ${JSON.stringify(all, null, 2)};\n`);
  copyFileSync(types, join(BESIDE, `${TEXTS}.d.ts`));
}

/**
 * Binds what the command and its worker threads load into few files: some 500 modules, one by one, took a second of CPU at each
 * start, and again in each thread. They stand as deep as the modules, which find the project's other folders from there.
 */
async function writeCommand() {
  if (!existsSync(join(BESIDE, "cli/main.js"))) return;
  const threads = readdirSync(join(BESIDE, "jobs")).filter((file) => /^thread\.js$|-worker\.js$/.test(file));
  const input = Object.fromEntries(threads.map((file) => [file.replace(/\.js$/, ""), join(BESIDE, "jobs", file)]));
  const bundle = await rolldown({
    ...{ input: { main: join(BESIDE, "cli/main.js"), ...input }, platform: "node", external: /^[^./]/ },
    onLog(level, { message }) {
      if (level !== "debug" && level !== "info") throw new Error(message);
    },
  });
  await bundle.write({ dir: join(BESIDE, "command"), format: "esm" });
}

function moveIntoPlace() {
  const made = below(BESIDE);
  for (const file of made.files) {
    const [from, to] = [join(BESIDE, file), join(DIST, file)];
    if (same(from, to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    renameSync(from, to);
  }
  const kept = new Set(made.files);
  const { files, folders } = below(DIST);
  for (const file of files) if (!kept.has(file)) rmSync(join(DIST, file), { force: true });
  for (const folder of folders)
    try {
      rmdirSync(join(DIST, folder));
    } catch {} // it is not empty
}

for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
])
  process.on(signal, () => process.exit(128 + number));
process.on("exit", () => rmSync(BESIDE, { recursive: true, force: true }));
if (process.platform === "linux") removeLeftovers();
const tsc = spawnSync(process.execPath, [TSC, "--project", ROOT, "--outDir", BESIDE], { stdio: "inherit" });
if (tsc.status === 0) {
  writeTexts();
  await writeCommand();
  moveIntoPlace();
}
process.exitCode = tsc.status ?? 1;
