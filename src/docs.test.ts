/**
 * The documents, held to their word. The files that a document shows are written into a folder of its own, its commands are
 * run there from top to bottom, and what they print must be what it shows. UPDATE_DOCS=1 writes what they print into it. Links
 * and anchors lead somewhere.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"; // biome-ignore format: one row
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DuckDBInstance } from "@duckdb/node-api";
import { FINDING_KINDS, REASONS } from "./check/index.js";
import { ENV, PATIENCE, shootdown } from "./cli/command.fixture.js";
import { shellCommand } from "./cli/shell.fixture.js";
import { OCCASIONS } from "./policy/index.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const UPDATE = Boolean(process.env.UPDATE_DOCS);
/** What the README may have at most, in bytes: it is the door. */
const README_BYTES = 12_000;

const base = mkdtempSync(join(tmpdir(), "shootdown-docs-"));
const bin = join(base, "bin");

/** A fenced block: what stands after the backquotes, and its lines. */
interface Block {
  readonly language: string;
  readonly text: string;
  readonly line: number;
}

/** A document; `written` is its text with what the commands have printed. */
interface Document {
  readonly file: string;
  readonly folder: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  written: string;
}

const markdown = (folder: string): string[] =>
  readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => join(folder, file));

const documents: Document[] = ["README.md", ...markdown("docs")].map((file) => {
  const text = readFileSync(join(ROOT, file), "utf8");
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1]!,
    text: match[2]!,
    line: text.slice(0, match.index).split("\n").length,
  }));
  return { file, folder: join(base, file.replace(/\W/g, "-")), text, blocks, written: text };
});

/** Name and content of the file that a block shows: its first line names it. */
function shownFile({ language, text }: Block): { name: string; content: string } | undefined {
  const name = /^(?:#|\/\/) ([\w/.-]+\.(?:toml|mjs))\b/.exec(text)?.[1];
  return name === undefined || (language !== "toml" && language !== "js") ? undefined : { name, content: text };
}

let close: () => void;
before(async () => {
  // As if the package were installed: a command on the PATH, a folder in node_modules.
  mkdirSync(bin);
  close = await shellCommand(bin);
  for (const { folder, blocks } of documents) {
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    symlinkSync(ROOT, join(folder, "node_modules", "shootdown"), "dir");
    symlinkSync(join(ROOT, "probes"), join(folder, "probes"), "dir");
    cpSync(join(ROOT, "examples"), join(folder, "examples"), { recursive: true });
    for (const { name, content } of blocks.flatMap((block) => shownFile(block) ?? [])) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
  }
});
after(() => {
  close();
  rmSync(base, { recursive: true });
  for (const { file, text, written } of documents)
    if (UPDATE && written !== text) writeFileSync(join(ROOT, file), written);
});

/** What a shell prints for a command line, standard error too. */
async function run(command: string, folder: string): Promise<string> {
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", `{ ${command}\n} 2>&1\ntrue`], {
    ...{ cwd: folder, timeout: PATIENCE, maxBuffer: 1 << 28 },
    env: { ...ENV, COLUMNS: "80", PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` },
  });
  return stdout;
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

for (const document of documents) {
  const { file, folder } = document;
  for (const { text, line } of document.blocks.filter(({ language }) => language === "console"))
    test(`${file}:${line}: ${text.split("\n")[0]} prints what is shown`, async () => {
      let real = "";
      for (const { prompt, command } of sessions(text)) real += prompt + (await run(command, folder));
      if (!/echo "status/.test(text))
        assert.doesNotMatch(real, /^(shootdown|sh|error): /m, "no command fails unnoticed");
      if (UPDATE) document.written = document.written.replace(text, () => real);
      else assert.equal(text, real);
    });

  for (const [whole, query, table] of document.text.matchAll(/^```sql\n([\s\S]*?)^```\n\n((?:\|.*\n)+)/gm))
    test(`DuckDB answers ${query!.split("\n")[0]} as ${file} shows`, async () => {
      const duckdb = await (await DuckDBInstance.create()).connect();
      try {
        const sql = query!
          .trimEnd()
          .replace(/'([\w-]+\.parquet)'/g, (_, trace: string) => `'${join(folder, trace)}'`)
          .replace(/^\.read ([\w.-]+)$/gm, (_, name: string) => readFileSync(join(folder, name), "utf8"));
        const last = sql.lastIndexOf(";\n") + 1;
        if (last > 0) await duckdb.run(sql.slice(0, last));
        const answer = await duckdb.runAndReadAll(sql.slice(last));
        const row = (cells: readonly unknown[]): string => `| ${cells.map(String).join(" | ")} |\n`;
        const names = answer.columnNames();
        const real = row(names) + row(names.map(() => "---")) + answer.getRows().map(row).join("");
        if (UPDATE) document.written = document.written.replace(whole!, () => whole!.replace(table!, () => real));
        else assert.equal(table, real);
      } finally {
        duckdb.disconnectSync();
      }
    });
}

test("the documents have commands to run, and a query", () => {
  const count = (of: string): number =>
    documents.flatMap(({ blocks }) => blocks).filter(({ language }) => language === of).length;
  assert.ok(count("console") >= 30, `${count("console")} console blocks`);
  assert.ok(count("sql") > 0);
});

test("a file shown that the package has is shown as it stands there", () => {
  const held: string[] = [];
  for (const { file, blocks } of documents)
    for (const { name, content } of blocks.flatMap((block) => shownFile(block) ?? [])) {
      if (!existsSync(join(ROOT, name))) continue;
      const there = readFileSync(join(ROOT, name), "utf8");
      // A file may have its name in its first line, or the document alone says it.
      assert.ok([content, content.slice(content.indexOf("\n") + 1)].includes(there), `${file} shows another ${name}`);
      held.push(name);
    }
  assert.ok(held.some((name) => name.startsWith("litmus/")));
  assert.ok(held.some((name) => name.endsWith(".mjs")));
});

test("each example is run by a document", () => {
  const commands = documents.flatMap(({ blocks }) =>
    blocks.filter(({ language }) => language === "console").flatMap(({ text }) => sessions(text)),
  );
  for (const name of readdirSync(join(ROOT, "examples")))
    assert.ok(
      commands.some(({ command }) => command.includes(`examples/${name}`)),
      `no document runs examples/${name}`,
    );
});

/** A text without its fenced blocks. */
const prose = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, "");

/** The anchors that GitHub makes of a text's headings. */
function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = [...prose(text).matchAll(/^#+ (.+)$/gm)].map((match) => {
    const slug = match[1]!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
  return new Set(anchors);
}

test("every relative link leads to a file of the package, and its anchor to a heading", () => {
  const { files } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { files: string[] };
  const packed = new Set([...files, "README.md", "LICENSE", "package.json"]);
  let links = 0;
  for (const file of ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "litmus/README.md", ...markdown("docs")]) {
    const text = readFileSync(join(ROOT, file), "utf8");
    for (const [, target, anchor] of prose(text).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      const path = target === "" ? join(ROOT, file) : join(ROOT, dirname(file), target!);
      const said = `${file} links to ${target}${anchor === undefined ? "" : `#${anchor}`}`;
      links++;
      assert.ok(existsSync(path), said);
      // What installs the package reads its pages there; sources stand in the repository only.
      if (target !== "" && /^(README|docs\/)/.test(file) && !path.startsWith(join(ROOT, "src/")))
        assert.ok(packed.has(relative(ROOT, path).split("/")[0]!), `${said}, which the package leaves out`);
      if (anchor !== undefined) assert.ok(anchorsOf(readFileSync(path, "utf8")).has(anchor), said);
    }
  }
  assert.ok(links > 30, `${links} links`);
});

test("the README is short, shows no picture from elsewhere, and leads to every document", () => {
  const { text } = documents[0]!;
  assert.ok(Buffer.byteLength(text) <= README_BYTES, `${Buffer.byteLength(text)} bytes`);
  assert.doesNotMatch(text, /!\[[^\]]*\]\(https?:/);
  for (const file of [...markdown("docs"), "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff"])
    assert.ok(text.includes(`](${file})`), `README.md does not link to ${file}`);
});

test("every path of the sources that architecture and contributing name is there", () => {
  const missing = ["docs/architecture.md", "CONTRIBUTING.md"].flatMap((file) =>
    [
      ...readFileSync(join(ROOT, file), "utf8").matchAll(
        /`((?:src|scripts|policies|hosts|scenarios|litmus|examples|docs)\/[\w./-]*)`/g,
      ),
    ]
      .map((match) => match[1]!)
      .filter((path) => !path.includes("NAME") && !existsSync(join(ROOT, path)))
      .map((path) => `${file}: ${path}`),
  );
  assert.deepEqual(missing, []);
});

test("every built-in name in a table exists, and every policy is in one", async () => {
  const names = async (shelf: string): Promise<string[]> =>
    (JSON.parse((await shootdown([shelf, "--json"])).out) as { name: string }[]).map(({ name }) => name);
  const [policies, hosts, scenarios] = [await names("policies"), await names("hosts"), await names("scenarios")];
  // Occasions and what a check finds have rows of their own.
  const others = [...Object.keys(OCCASIONS), ...FINDING_KINDS, ...Object.keys(REASONS)];
  const known = new Set([...policies, ...hosts, ...scenarios, ...(await names("cpus")), ...others]);
  const named = documents.flatMap(({ text }) =>
    [...text.matchAll(/^\| `([a-z0-9.-]+-[a-z0-9.-]+)` \|/gm)].map((match) => match[1]!),
  );
  // Keys of scenario files have rows too: "section.key".
  const isKey = (name: string): boolean => /^(?:machine|xen|dom0|toolstack|domu|run)\./.test(name);
  for (const name of named) assert.ok(known.has(name) || isKey(name), name);
  for (const name of policies) assert.ok(named.includes(name), `no table has the policy ${name}`);
});

test("the citation is of this version", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  assert.match(readFileSync(join(ROOT, "CITATION.cff"), "utf8"), new RegExp(`^version: "?${version}"?$`, "m"));
});
