/**
 * The house's own rules, held against the sources: no arrow runs up, a room is entered by its door, no files import each other
 * in a circle, and no room is too large to be known.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** What each room may import. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  arch: [],
  input: [],
  files: ["input"],
  cpu: ["arch", "input"],
  policy: ["arch", "input"],
  trace: ["arch", "input", "files"],
  xen: ["arch", "input", "policy", "trace"],
  hypervisor: ["arch", "input", "policy", "trace", "xen"],
  host: ["arch", "input", "trace"],
  binary: ["arch", "input", "files"],
  code: ["arch", "input", "binary"],
  inject: ["arch", "input", "binary", "policy"],
  capture: ["arch", "input", "files", "binary", "trace"],
  stack: ["arch", "input", "files", "trace", "host", "capture"],
  import: ["arch", "input", "trace"],
  check: ["arch", "input", "trace"],
  prove: ["arch", "input", "policy"],
  compare: ["arch", "input", "policy", "trace", "hypervisor", "host", "prove", "builtin"],
  synth: ["arch", "input", "policy", "prove", "builtin"],
  builtin: ["arch", "input", "cpu", "policy", "hypervisor", "host"],
  catalog: ["arch", "input", "files", "cpu", "policy", "hypervisor", "host", "prove", "builtin"],
  jobs: [
    "arch",
    "input",
    "files",
    "policy",
    "trace",
    "hypervisor",
    "host",
    "compare",
    "catalog",
    "prove",
    "synth",
    "capture",
    "stack",
    "import",
    "check",
    "binary",
    "code",
    "inject",
  ],
  report: [
    "arch",
    "input",
    "policy",
    "trace",
    "hypervisor",
    "host",
    "check",
    "compare",
    "prove",
    "synth",
    "builtin",
    "synth",
    "capture",
    "stack",
    "inject",
    "jobs",
  ],
  cli: [
    "arch",
    "input",
    "files",
    "policy",
    "trace",
    "hypervisor",
    "host",
    "compare",
    "catalog",
    "prove",
    "synth",
    "report",
    "capture",
    "stack",
    "jobs",
    "import",
    "check",
  ],
  web: [
    "arch",
    "input",
    "policy",
    "trace",
    "hypervisor",
    "host",
    "check",
    "compare",
    "prove",
    "builtin",
    "catalog",
    "import",
    "jobs",
    "report",
  ],
  // The package's own door.
  "index.ts": ["arch", "input", "policy", "hypervisor", "host", "prove", "compare", "builtin", "cpu"],
};
/** Wings of the report: neither knows the other; what both show stands beside them. */
const REPORT_WINGS = ["terminal", "html"];
/** What each wing of prove may import of the others. */
const WINGS: Readonly<Record<string, readonly string[]>> = {
  tlb: [],
  thread: ["tlb"],
  story: ["tlb", "thread"],
  litmus: [],
  // Scenarios are made of the pieces that litmus files are read with: into that wing they may reach.
  occasion: ["litmus"],
  herd: ["litmus"],
};
/** The files of prove beside its wings that all of them speak of; the others stand on top. */
const WORDS_OF_WINGS = ["cpu", "program", "rules"];

/** Lines of a room without its tests; a wing counts as a room. */
const BUDGET = 4_000;
/**
 * The command line is thin: what is words stands in report, what is work in jobs and below. So many lines it has for each of
 * files that have a command, with what all share.
 */
const LINES_A_COMMAND = 150;

/** Doors other than index: what needs Node stands apart from what does not. */
const SIDE_DOORS = new Set([
  "trace/file.js",
  "trace/blob.js",
  "import/forms.js",
  "catalog/words.js",
  "jobs/litmus-worker.js",
  "report/page.js",
  "report/pictures.js",
]);
/** Rooms whose engine must run in a browser: no Node imports, but for the files behind a side door. */
const PURE = [
  "arch",
  "input",
  "cpu",
  "policy",
  "xen",
  "hypervisor",
  "host",
  "check",
  "compare",
  "prove",
  "synth",
  "builtin",
  "index.ts",
];

const source = join(dirname(fileURLToPath(import.meta.url)), "..", "src");
const files = existsSync(source)
  ? readdirSync(source, { recursive: true })
      .map(String)
      .filter((file) => /\.tsx?$/.test(file) && !/\.(test|fixture|testing)\./.test(file))
  : [];

interface Import {
  readonly file: string;
  readonly from: string;
  readonly room: string;
}

const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(join(source, file), "utf8").matchAll(/(?:from|import\(?)\s*"([^"]+)"/g)].map((match) => ({
    file,
    from: match[1]!,
    room: file.split("/")[0]!,
  })),
);

test("there are sources to look at, and each room of them is known", () => {
  assert.ok(imports.length > 100);
  assert.deepEqual(
    [...new Set(imports.map(({ room }) => room))].filter((room) => !Object.hasOwn(ARROWS, room)),
    [],
  );
});

test("a room imports only from the rooms below it, and by their doors", () => {
  const wrong = imports.flatMap(({ file, from, room }) => {
    const path = join(dirname(file), from);
    const other = path.split("/")[0]!;
    if (!from.startsWith(".") || other === room || !Object.hasOwn(ARROWS, other)) return [];
    const byDoor = path === `${other}/index.js` || SIDE_DOORS.has(path);
    return byDoor && ARROWS[room]!.includes(other) ? [] : [`${file} imports ${path}`];
  });
  assert.deepEqual(wrong, []);
});

test("the engine imports nothing of Node's", () => {
  const wrong = imports.filter(({ from, room }) => PURE.includes(room) && from.startsWith("node:"));
  assert.deepEqual(wrong, []);
});

test("what the page imports leads to nothing of Node's but what the bundler has something else for", () => {
  const instead = ["node:crypto", "node:zlib"];
  const text = new Map(files.map((file) => [file, readFileSync(join(source, file), "utf8")]));
  // Imports of types alone are gone when the page is bundled.
  const importsOf = (file: string): string[] =>
    [...text.get(file)!.matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from\s*"([^"]+)"/gms)].flatMap(([all, from]) =>
      /\{\s*(?:type\s[^,}]*,?\s*)+\}/.test(all) ? [] : [from!],
    );
  const reached = files.filter((file) => file.startsWith("web/"));
  const wrong: string[] = [];
  for (const file of reached)
    for (const from of importsOf(file)) {
      const path = join(dirname(file), from).replace(/\.js$/, "");
      const other = [`${path}.ts`, `${path}.tsx`].find((name) => text.has(name));
      if (from.startsWith("node:") && !instead.includes(from)) wrong.push(`${file} imports ${from}`);
      if (from.startsWith(".") && other !== undefined && !reached.includes(other)) reached.push(other);
    }
  assert.ok(reached.length > 200);
  assert.deepEqual(wrong, []);
});

test("a wing of prove imports only the wings below it, most by their doors, and what all wings speak of", () => {
  const folders = new Set(files.flatMap((file) => /^prove\/(.+)\//.exec(file)?.[1] ?? []));
  assert.deepEqual([...folders].sort(), Object.keys(WINGS).sort());
  const wrong = imports.flatMap(({ file, from }) => {
    const path = join(dirname(file), from);
    const [, wing] = /^prove\/(.+)\//.exec(file) ?? [];
    if (!from.startsWith(".") || !path.startsWith("prove/") || wing === undefined) return [];
    const [, other, door] = /^prove\/(?:(.+)\/)?(.+)\.js$/.exec(path)!;
    if (other === wing) return [];
    const may =
      other === undefined
        ? WORDS_OF_WINGS.includes(door!)
        : WINGS[wing]!.includes(other) && (door === "index" || other === "litmus");
    return may ? [] : [`${file} imports ${path}`];
  });
  assert.deepEqual(wrong, []);
});

test("a wing of the report imports nothing of another", () => {
  const folders = new Set(files.flatMap((file) => /^report\/(.+)\//.exec(file)?.[1] ?? []));
  assert.deepEqual([...folders].sort(), [...REPORT_WINGS].sort());
  const wrong = imports.flatMap(({ file, from }) => {
    const path = join(dirname(file), from);
    const [of, wing] = [file, path].map((name) => /^report\/(.+)\//.exec(name)?.[1]);
    return !from.startsWith(".") || of === undefined || wing === undefined || of === wing
      ? []
      : [`${file} imports ${path}`];
  });
  assert.deepEqual(wrong, []);
});

/** The shortest circle through each node, once each: "a -> b -> c", from the first by name. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found = new Set<string>();
  for (const start of graph.keys()) {
    const paths = [[start]];
    const seen = new Set<string>();
    for (const path of paths) {
      const next = graph.get(path.at(-1)!) ?? [];
      if (next.includes(start)) {
        const first = path.indexOf([...path].sort()[0]!);
        found.add([...path.slice(first), ...path.slice(0, first)].join(" -> "));
        break;
      }
      for (const node of next) if (!seen.has(node)) paths.push([...path, node]);
      for (const node of next) seen.add(node);
    }
  }
  return [...found].sort();
}

test("a circle is found and named", () => {
  const graph = (arrows: string): Map<string, string[]> =>
    new Map(arrows.split(" ").map((arrow) => [arrow[0]!, [...arrow.slice(1)]]));
  assert.deepEqual(circles(graph("ab bc c")), []);
  assert.deepEqual(circles(graph("ab bc cad da")), ["a -> b -> c", "a -> b -> c -> d"]);
  assert.deepEqual(circles(graph("ab bac cb da")), ["a -> b", "b -> c"]);
});

test("no files import each other in a circle, types included", () => {
  const graph = new Map(files.map((file): [string, string[]] => [file, []]));
  for (const { file, from } of imports) {
    const path = join(dirname(file), from).replace(/\.js$/, "");
    const other = [`${path}.ts`, `${path}.tsx`].find((name) => graph.has(name));
    if (from.startsWith(".") && other !== undefined) graph.get(file)!.push(other);
  }
  assert.deepEqual(circles(graph), []);
});

test("no room is above its budget of lines", () => {
  const lines = new Map<string, number>();
  for (const file of files) {
    const room = /^(prove|report|trace|jobs)\/.+\//.test(file) ? dirname(file) : file.split("/")[0]!;
    const { length } = readFileSync(join(source, file), "utf8").split("\n");
    lines.set(room, (lines.get(room) ?? 0) + length - 1);
  }
  const commands = files.filter(
    (file) => file.startsWith("cli/") && /\.command\("/.test(readFileSync(join(source, file), "utf8")),
  );
  const split = [...lines].flatMap(([room, n]) => {
    const most = room === "cli" ? LINES_A_COMMAND * commands.length : BUDGET;
    return n > most ? [`${room} has ${n} lines without its tests, at most ${most}: split it`] : [];
  });
  assert.deepEqual(split, []);
});
