/**
 * The README, held to its word: its files are written into an empty folder, its commands are run there, and what they print
 * must be what it shows. UPDATE_README=1 writes what they print into it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const README = join(ROOT, "README.md");
const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "shootdown-readme-"));
const readme = readFileSync(README, "utf8");
let written = readme;

/** A fenced block: what stands after the backquotes, and its lines. */
interface Block {
  readonly language: string;
  readonly text: string;
  readonly line: number;
}

const blocks: Block[] = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((match) => ({
  language: match[1]!,
  text: match[2]!,
  line: readme.slice(0, match.index).split("\n").length,
}));

before(() => {
  // As if the package were installed: a command on the PATH, a folder in node_modules.
  mkdirSync(join(folder, "bin"));
  const command = join(folder, "bin", "shootdown");
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(command, 0o755);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules", "shootdown"), "dir");
  for (const { language, text } of blocks) {
    const name = /^(?:#|\/\/) ([\w/.-]+\.(?:toml|mjs))\b/.exec(text)?.[1];
    if (name === undefined || (language !== "toml" && language !== "js")) continue;
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
});
after(() => {
  rmSync(folder, { recursive: true });
  if (process.env.UPDATE_README && written !== readme) writeFileSync(README, written);
});

/** What a shell prints for a command line, standard error too. */
function run(command: string): string {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const done = spawnSync("/bin/sh", ["-c", `{ ${command}\n} 2>&1`], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
    env: { ...env, COLUMNS: "80", PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH ?? ""}` },
  });
  if (done.error) throw done.error;
  return done.stdout;
}

/** The lines of a console block, cut at its prompts ("$ ", and "> " where a command goes on). */
function sessions(text: string): { prompt: string; command: string; output: string }[] {
  const list: { prompt: string; command: string; output: string }[] = [];
  for (const line of text.split(/(?<=\n)/)) {
    const last = list.at(-1);
    if (last?.output === "" && line.startsWith("> ")) {
      last.prompt += line;
      last.command += line.slice(2);
    } else if (line.startsWith("$ ")) list.push({ prompt: line, command: line.slice(2), output: "" });
    else if (last) last.output += line;
    else assert.fail(`a console block begins with output: ${line}`);
  }
  return list;
}

const consoles = blocks.filter(({ language }) => language === "console");

test("the README has commands to run", () => {
  assert.ok(consoles.length >= 10, `${consoles.length} console blocks`);
});

for (const { text, line } of consoles)
  test(`README.md:${line}: ${text.split("\n")[0]} prints what the README shows`, { timeout: 120_000 }, () => {
    let real = "";
    for (const { prompt, command } of sessions(text)) real += prompt + run(command);
    if (!/echo "status/.test(text)) assert.doesNotMatch(real, /^(shootdown|sh|error): /m, "no command fails unnoticed");
    if (process.env.UPDATE_README) written = written.replace(text, () => real);
    else assert.equal(text, real);
  });

const queries = [...readme.matchAll(/^```sql\n([\s\S]*?)^```\n\n((?:\|.*\n)+)/gm)];

test("the README has a query", () => assert.ok(queries.length > 0));

for (const [whole, query, table] of queries)
  test(`DuckDB answers ${query!.split("\n")[0]} as the README shows`, async () => {
    const duckdb = await (await DuckDBInstance.create()).connect();
    try {
      const sql = query!.replace(/'([\w-]+\.parquet)'/g, (_, file: string) => `'${join(folder, file)}'`);
      const answer = await duckdb.runAndReadAll(sql);
      const row = (cells: readonly unknown[]): string => `| ${cells.map(String).join(" | ")} |\n`;
      const names = answer.columnNames();
      const real = row(names) + row(names.map(() => "---")) + answer.getRows().map(row).join("");
      if (process.env.UPDATE_README) written = written.replace(whole!, () => whole!.replace(table!, () => real));
      else assert.equal(table, real);
    } finally {
      duckdb.disconnectSync();
    }
  });

test("the programs shown are those that stand in examples/", () => {
  const programs = blocks.filter(({ language }) => language === "js");
  assert.ok(programs.length > 0);
  for (const { text } of programs) {
    const name = /^\/\/ (examples\/[\w-]+\.mjs)/.exec(text)?.[1];
    assert.ok(name, "a program's first line names its file");
    assert.equal(text, readFileSync(join(ROOT, name), "utf8"));
  }
});

test("the litmus test shown is the one that stands in litmus/", () => {
  const shown = blocks.flatMap(({ text }) => /^# (litmus\/\S+)\n([\s\S]*)$/.exec(text) ?? []);
  assert.ok(shown.length > 0);
  const [, file, text] = shown;
  assert.equal(text, readFileSync(join(ROOT, file!), "utf8"));
});

test("every file that the README links to is there", () => {
  for (const [, target] of readme.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g))
    assert.doesNotThrow(() => readFileSync(join(ROOT, target!)), `README.md links to ${target}`);
});

test("every built-in name of the README's tables exists", () => {
  const { policies, hosts, scenarios } = Object.fromEntries(
    ["policies", "hosts", "scenarios"].map((shelf) => [
      shelf,
      (JSON.parse(run(`shootdown ${shelf} --json`)) as { name: string }[]).map(({ name }) => name),
    ]),
  );
  const known = new Set([...policies!, ...hosts!, ...scenarios!]);
  const named = [...readme.matchAll(/^\| `([a-z0-9.-]+-[a-z0-9.-]+)` \|/gm)].map((match) => match[1]!);
  for (const name of named) assert.ok(known.has(name), name);
  for (const name of policies!) assert.ok(readme.includes(name), `the README does not name the policy ${name}`);
});
