// Builds the page into the folder site, for any static host and for `shootdown web`. Nothing is done when what it is made of
// has not changed since; `--force` does it anyway. Needs a build (dist), whose module of built-in texts it takes.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Marked } from "marked";
import { build } from "vite";

const ROOT = new URL("..", import.meta.url).pathname;
const SITE = join(ROOT, "site");
const BESIDE = join(ROOT, `site.${process.pid}`);
const PAGE = join(ROOT, "src/web/page");
const STAMP = "made-of.txt";

/** Files below a folder that the page may be made of. */
const below = (folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(test|fixture|testing)\./.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

/** A digest of all that the page is made of. */
function digest() {
  const hash = createHash("sha256");
  const folders = ["src", "policies", "hosts", "scenarios", "litmus", "traces"].filter((f) =>
    existsSync(join(ROOT, f)),
  );
  const files = [
    ...folders.flatMap(below),
    ...["docs/glossary.md", "docs/model.md", "package-lock.json", "scripts/web.mjs"].map((f) => join(ROOT, f)),
  ];
  for (const file of files.sort())
    hash
      .update(`${file.slice(ROOT.length)}\0`)
      .update(readFileSync(file))
      .update("\0");
  return hash.digest("hex");
}

const CAPTURES = readdirSync(join(ROOT, "traces")).filter((name) => name.endsWith(".parquet"));

const litmusTexts = () =>
  Object.fromEntries(
    below("litmus")
      .filter((file) => /\.(toml|litmus)$/.test(file))
      .sort()
      .map((file) => [file.slice(ROOT.length), readFileSync(file, "utf8")]),
  );

/** Modules that are made here, and what stands in for what only Node has. */
const MADE = {
  "virtual:shootdown": () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const glossary = readFileSync(join(ROOT, "docs/glossary.md"), "utf8");
    return `export const VERSION = ${JSON.stringify(version)}; export const GLOSSARY = ${JSON.stringify(glossary)}; export const CAPTURES = ${JSON.stringify(CAPTURES)};`;
  },
  "virtual:litmus": () => `export const LITMUS = ${JSON.stringify(litmusTexts())};`,
};
const INSTEAD = {
  "node:crypto": "src/web/instead/crypto.ts",
  "node:zlib": "src/web/instead/zlib.ts",
  "linkedom/worker": "src/web/page/instead-linkedom.ts",
};

const plugin = () => ({
  name: "shootdown",
  enforce: "pre",
  resolveId(id, from) {
    if (Object.hasOwn(MADE, id)) return `\0${id}`;
    if (Object.hasOwn(INSTEAD, id)) return join(ROOT, INSTEAD[id]);
    if (id.endsWith("/texts.js") && from?.includes("/builtin/")) return join(ROOT, "dist/builtin/texts.js");
    if (id.startsWith("node:")) throw new Error(`${from} imports ${id}, which no browser has`);
    return null;
  },
  load: (id) => (id.startsWith("\0virtual:") ? MADE[id.slice(1)]?.() : null),
});

/** The engine's modules do nothing but declare: what of them nobody takes is left out. */
const treeshake = {
  moduleSideEffects: (id) => !id.startsWith(join(ROOT, "src/")) || /\/page\/(main|worker)\.tsx?$/.test(id),
};

/** The id of a heading: a rule's own name, or its words. */
const idOf = (text) =>
  text
    .replace(/`/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");

/** The model's rules as a page beside the page, a heading for each with its name as id. Links to files that are not there are words. */
async function writeModel() {
  const renderer = {
    heading({ tokens, text, depth }) {
      return `<h${depth} id="${idOf(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    link({ href, tokens }) {
      const words = this.parser.parseInline(tokens);
      return href.startsWith("#") ? `<a href="${href}">${words}</a>` : words;
    },
  };
  const text = readFileSync(join(ROOT, "docs/model.md"), "utf8");
  const { STYLE } = await import(join(ROOT, "dist/report/html/style.js"));
  writeFileSync(
    join(BESIDE, "model.css"),
    `${STYLE}\nmain { padding-bottom: 3rem; } pre { overflow-x: auto; } :target { outline: 3px solid var(--link); outline-offset: 4px; }\n`,
  );
  writeFileSync(
    join(BESIDE, "model.html"),
    `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Shootdown: the prover's model, rule by rule</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="model.css">
</head>
<body><main>
${new Marked({ renderer }).parse(text)}
<p><a href="./">To the laboratory</a></p>
</main></body>
</html>
`,
  );
}

/** Bytes of a build as a server sends them. */
const sizes = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(html|js|css)$/.test(entry.name))
    .reduce((sum, entry) => sum + gzipSync(readFileSync(join(entry.parentPath ?? entry.path, entry.name))).length, 0);

async function main() {
  const made = digest();
  const stamp = join(SITE, STAMP);
  if (!process.argv.includes("--force") && existsSync(stamp) && readFileSync(stamp, "utf8") === `${made}\n`) return 0;
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const types = spawnSync(process.execPath, [tsc, "--project", PAGE], { stdio: "inherit" });
  if (types.status !== 0) return types.status ?? 1;
  await build({
    configFile: false,
    root: PAGE,
    base: "./",
    logLevel: "warn",
    plugins: [plugin()],
    worker: { format: "es", plugins: () => [plugin()], rolldownOptions: { treeshake } },
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      rolldownOptions: { treeshake },
      outDir: BESIDE,
      emptyOutDir: true,
      target: "es2022",
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: 2000,
    },
  });
  await writeModel();
  mkdirSync(join(BESIDE, "traces"), { recursive: true });
  for (const name of CAPTURES) copyFileSync(join(ROOT, "traces", name), join(BESIDE, "traces", name));
  writeFileSync(join(BESIDE, STAMP), `${made}\n`);
  const kilobytes = Math.round(sizes(BESIDE) / 1024);
  rmSync(SITE, { recursive: true, force: true });
  renameSync(BESIDE, SITE);
  process.stdout.write(`The page stands in site: ${kilobytes} KB compressed, beside ${CAPTURES.length} captures.\n`);
  return 0;
}

for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
])
  process.on(signal, () => process.exit(128 + number));
process.on("exit", () => rmSync(BESIDE, { recursive: true, force: true }));
process.exitCode = await main();
