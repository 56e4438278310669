/** The house's own rules, held against the sources: no arrow runs up, and a room is entered by its door. */
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
  policy: ["arch", "input"],
  trace: ["arch", "input", "files"],
  xen: ["arch", "input", "policy", "trace"],
  host: ["arch", "input", "trace"],
  capture: ["arch", "input", "files", "trace"],
  import: ["arch", "input", "trace"],
  prove: ["arch", "input", "policy"],
  compare: ["arch", "input", "policy", "trace", "xen", "host", "prove"],
  catalog: ["input", "files", "policy", "xen", "host"],
  report: ["input", "compare", "prove"],
  cli: [
    "arch",
    "input",
    "files",
    "policy",
    "trace",
    "xen",
    "host",
    "compare",
    "catalog",
    "prove",
    "report",
    "capture",
    "import",
  ],
};
/** Doors other than index: what needs Node stands apart from what does not. */
const SIDE_DOORS = new Set(["trace/file.js"]);
/** Rooms whose engine must run in a browser: no Node imports, but for the files behind a side door. */
const PURE = ["arch", "input", "policy", "xen", "host", "compare", "prove"];

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
  [...readFileSync(join(source, file), "utf8").matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map((match) => ({
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
